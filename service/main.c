/* SPDX-License-Identifier: MIT */
/* chatroomd: the command line. Everything else is the service's. */
#include <getopt.h>
#include <signal.h>
#include <string.h>

#include "proto/base.h"
#include "service/journal.h"
#include "service/service.h"

#define DEFAULT_CONFIG "/etc/chatroom/chatroom.ini"
#define EX_CONFIG 78
#define LISTEN_OPTIONS_MAX CONFIG_LISTEN_MAX

static ServiceOptions arg_options = {.config_path = DEFAULT_CONFIG};
static char *arg_listen[LISTEN_OPTIONS_MAX + 1];
static bool arg_check;

static void help(void) {
        puts("chatroomd [OPTIONS]\n\n"
             "The chatroom's daemon. Runs in the foreground.\n\n"
             "  --config FILE          the configuration (" DEFAULT_CONFIG ")\n"
             "  --listen ADDRESS:PORT  listen here and not where the configuration says; may be\n"
             "                         repeated; port 0 takes a free one and logs it\n"
             "  --control PATH         the control socket, instead of the configuration's\n"
             "  --state DIRECTORY      where state is kept\n"
             "  --check-config [FILE]  read the configuration, say what is wrong with it, and "
             "exit\n"
             "  --version, --help");
}

static int usage(const char *problem, const char *what) {
        fprintf(stderr, "chatroomd: %s%s\nTry: chatroomd --help\n", problem, what ? what : "");
        return -EINVAL;
}

static int add_listen(char *address) {
        size_t n = 0;

        while (arg_listen[n])
                n++;
        if (n == LISTEN_OPTIONS_MAX)
                return usage("too many --listen", NULL);
        arg_listen[n] = address;
        arg_options.listen = arg_listen;
        return 0;
}

/* 0: run; 1: all done; negative: wrong usage, which has been said. */
static int parse_argv(int argc, char **argv) {
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'},  {"listen", required_argument, NULL, 'l'},
                {"control", required_argument, NULL, 's'}, {"state", required_argument, NULL, 'd'},
                {"check-config", no_argument, NULL, 'k'},  {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},          {0}};
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (c) {
                case 'c':
                        arg_options.config_path = optarg;
                        break;
                case 'l':
                        if (add_listen(optarg) < 0)
                                return -EINVAL;
                        break;
                case 's':
                        arg_options.control = optarg;
                        break;
                case 'd':
                        arg_options.state_directory = optarg;
                        break;
                case 'k':
                        arg_check = true;
                        break;
                case 'v':
                        puts("chatroomd " CHATROOM_VERSION);
                        return 1;
                case 'h':
                        help();
                        return 1;
                default:
                        return usage("wrong usage", NULL);
                }
        }
        if (arg_check && optind < argc)
                arg_options.config_path = argv[optind++];
        return optind < argc ? usage("unexpected argument: ", argv[optind]) : 0;
}

static int load(Config **ret) {
        ConfigError error;
        int r = config_load(ret, arg_options.config_path, &error);

        if (r > 0)
                log_error("%s", error.text);
        return r < 0 ? log_errno(r, "Cannot read %s", arg_options.config_path) : r;
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

int main(int argc, char **argv) {
        Service *service = NULL;
        Config *config = NULL;
        int r = parse_argv(argc, argv);

        if (r != 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        if (load(&config) != 0)
                return EX_CONFIG;
        if (arg_check) {
                config_free(config);
                return EXIT_SUCCESS;
        }
        block_signals();
        if (service_new(&service, &arg_options, config) != 0)
                return EX_CONFIG;
        r = service_run(service);
        service_free(service);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
