/* SPDX-License-Identifier: MIT */
/* chatroomd: from the command line to the service. */
#include <signal.h>
#include <time.h>

#include "proto/base.h"
#include "service/activation.h"
#include "service/journal.h"
#include "service/notify.h"
#include "service/options.h"
#include "service/service.h"

#define EX_USAGE 2
#define EX_CONFIG 78
#define PAUSE_SECONDS 3

static int load(Config **ret, const char *path) {
        ConfigError error;
        int r = config_load(ret, path, &error);

        if (r > 0) {
                log_error("%s", error.text);
                notify_status("%s", error.text);
        }
        return r < 0 ? log_errno(r, "Cannot read %s", path) : r;
}

/* Signals go to the loop alone, so they are blocked before the first thread is made. */
static void block_signals(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
}

/* With clients waiting at its sockets, the service manager would start a daemon that fails at once
 * over and over, and then give the sockets up. Being stopped ends the wait. */
static int give_up(bool activated) {
        const struct timespec pause = {.tv_sec = PAUSE_SECONDS};
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        if (activated)
                (void) sigtimedwait(&set, NULL, &pause);
        return EX_CONFIG;
}

int main(int argc, char **argv) {
        Service *service = NULL;
        Config *config = NULL;
        Options options;
        bool activated = activation_expected();
        int r = options_parse(&options, argc, argv);

        if (r != 0)
                return r < 0 ? EX_USAGE : EXIT_SUCCESS;
        block_signals();
        if (load(&config, options.config_path) != 0)
                return give_up(activated && !options.check_config);
        if (options.check_config) {
                config_free(config);
                return EXIT_SUCCESS;
        }
        if (service_new(&service, &options, config) != 0)
                return give_up(activated);
        r = service_run(service);
        service_free(service);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
