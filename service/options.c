/* SPDX-License-Identifier: MIT */
/* The command line. What it says goes into one struct, and what is wrong with it to standard error.
 */
#include "service/options.h"

#include <getopt.h>
#include <stdio.h>

#include "proto/base.h"

#define DEFAULT_CONFIG "/etc/chatroom/chatroom.ini"

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

static int add_listen(Options *o, char *address) {
        if (o->n_listen == CONFIG_LISTEN_MAX)
                return usage("too many --listen", NULL);
        o->listen[o->n_listen++] = address;
        return 0;
}

int options_parse(Options *ret, int argc, char **argv) {
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'},  {"listen", required_argument, NULL, 'l'},
                {"control", required_argument, NULL, 's'}, {"state", required_argument, NULL, 'd'},
                {"check-config", no_argument, NULL, 'k'},  {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},          {0}};
        Options o = {.config_path = DEFAULT_CONFIG};
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (c) {
                case 'c':
                        o.config_path = optarg;
                        break;
                case 'l':
                        if (add_listen(&o, optarg) < 0)
                                return -EINVAL;
                        break;
                case 's':
                        o.control = optarg;
                        break;
                case 'd':
                        o.state_directory = optarg;
                        break;
                case 'k':
                        o.check_config = true;
                        break;
                case 'v':
                        puts("chatroomd " CHATROOM_VERSION);
                        return OPTIONS_E_DONE;
                case 'h':
                        help();
                        return OPTIONS_E_DONE;
                default:
                        return usage("wrong usage", NULL);
                }
        }
        if (o.check_config && optind < argc)
                o.config_path = argv[optind++];
        if (optind < argc)
                return usage("unexpected argument: ", argv[optind]);
        *ret = o;
        return 0;
}
