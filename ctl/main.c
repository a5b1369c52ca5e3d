/* SPDX-License-Identifier: MIT */
/* chatctl: the operator's tool. Parses the command line, runs one verb, says how that went. */
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/complete.h"
#include "ctl/output.h"
#include "ctl/verbs.h"

static int run(int argc, char **argv) {
        Invocation v;
        int r;

        if (argc > 1 && strcmp(argv[1], COMPLETE_WORD) == 0)
                return complete(argv + 2, argc - 2, stdout);
        r = arguments_parse(&v, argc, argv);
        if (r != 0)
                return r;
        if (v.version)
                say("chatctl " CHATROOM_VERSION);
        else if (v.help && v.verb)
                verb_print_help(v.verb, stdout);
        else if (v.help)
                verbs_print_help(stdout);
        else {
                r = v.verb->run(&v);
                if (r == 0 && v.not_durable)
                        r = CTL_E_REFUSED;
        }
        return r;
}

int main(int argc, char **argv) {
        int r = run(argc, argv);

        if (r < 0) {
                complain("%s", strerror(-r));
                r = CTL_E_REFUSED;
        }
        if (fflush(stdout) != 0 || ferror(stdout)) {
                complain("cannot write the answer: %s", strerror(errno));
                r = CTL_E_REFUSED;
        }
        return r;
}
