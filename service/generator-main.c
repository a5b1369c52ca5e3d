/* SPDX-License-Identifier: MIT */
/*
 * chatroom-generator: run by systemd, see systemd.generator(7). It runs before there is a journal,
 * so it complains to the kernel's log where there is one, which the journal takes up, else to
 * syslog.
 */
#include <string.h>
#include <syslog.h>

#include "service/generator.h"

#define CONFIG "/etc/chatroom/chatroom.ini"

static void complain(const char *text) {
        _cleanup_(fclosep) FILE *kernel = fopen("/dev/kmsg", "we");

        fprintf(stderr, "chatroom-generator: %s\n", text);
        if (kernel)
                fprintf(kernel, "<%d>chatroom-generator: %s\n", LOG_DAEMON | LOG_ERR, text);
        else
                syslog(LOG_DAEMON | LOG_ERR, "%s", text);
}

int main(int argc, char **argv) {
        ConfigError error;
        int r;

        if (argc != 2 && argc != 4) {
                fputs("Usage: chatroom-generator DIRECTORY [EARLY-DIRECTORY LATE-DIRECTORY]\n"
                      "Run by systemd; what it makes can be seen with: systemctl cat "
                      "chatroom.socket\n",
                      stderr);
                return 2;
        }
        openlog("chatroom-generator", 0, LOG_DAEMON);
        r = generator_run(CONFIG, argv[1], &error);
        if (r < 0)
                complain(strerror(-r));
        if (r > 0)
                complain(error.text);
        return r != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
