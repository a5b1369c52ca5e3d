/* SPDX-License-Identifier: MIT */
/*
 * Options may stand anywhere on the line. Which of them a verb has is in its row; one that it does
 * not have is an error, as is an operand too many: what the operator asked for and did not get
 * should not look done.
 */
#include "ctl/arguments.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "ctl/duration.h"
#include "ctl/output.h"
#include "ctl/verbs.h"

#define TIMEOUT_MS 5000
#define LONG_BASE 256 /* getopt's value of an option: this and its OptionId */

const Option options[OPTION_COUNT] = {
        [OPTION_REASON] = {"reason", "TEXT", "what the kicked are told"},
        [OPTION_TOKEN] = {"token", "ID", "one token, by its id, instead of all of a user's"},
        [OPTION_LABEL] = {"label", "TEXT", "a note for operators: what, or whom, it is for"},
        [OPTION_EXPIRES] = {"expires", "DURATION",
                            "the time that the token is good for; without "
                            "it, until it is revoked"},
        [OPTION_JSON] = {"json", NULL, "print one JSON document; chatctl(1) lists the keys"},
        [OPTION_SOCKET] = {"socket", "PATH", "the daemon's control socket (" CONTROL_SOCKET ")"},
        [OPTION_TIMEOUT] = {"timeout", "DURATION", "how long to wait for the answer (5s)"},
        [OPTION_HELP] = {"help", NULL, "print help, on one verb or on all", 'h'},
        [OPTION_VERSION] = {"version", NULL, "print the version", 'V'},
};

static int take_duration(int64_t *ret, const char *option) {
        int64_t ms;
        int r = duration_parse(&ms, optarg);

        if (r == DURATION_E_RANGE)
                complain("--%s \"%s\": longer than a hundred years", option, optarg);
        else if (r != 0)
                complain("--%s \"%s\" is not a duration (90s, 2h, 30d)", option, optarg);
        else if (ms == 0)
                complain("--%s: \"%s\" is no time at all", option, optarg);
        else {
                *ret = ms;
                return 0;
        }
        return CTL_E_USAGE;
}

static int take_timeout(unsigned *ret) {
        int64_t ms;
        int r = take_duration(&ms, "timeout");

        if (r != 0)
                return r;
        *ret = ms > INT_MAX ? INT_MAX : (unsigned) ms;
        return 0;
}

static int take_socket(const char **ret) {
        size_t longest = sizeof(((struct sockaddr_un *) 0)->sun_path) - 1;

        if (!*optarg || strlen(optarg) > longest) {
                complain("--socket: a path has 1 to %zu bytes", longest);
                return CTL_E_USAGE;
        }
        *ret = optarg;
        return 0;
}

static int take_option(Invocation *v, OptionId id) {
        switch (id) {
        case OPTION_REASON:
                v->reason = optarg;
                return 0;
        case OPTION_TOKEN:
                v->token = optarg;
                return 0;
        case OPTION_LABEL:
                v->label = optarg;
                return 0;
        case OPTION_EXPIRES:
                return take_duration(&v->expires_ms, "expires");
        case OPTION_JSON:
                v->json = true;
                return 0;
        case OPTION_SOCKET:
                return take_socket(&v->socket);
        case OPTION_TIMEOUT:
                return take_timeout(&v->timeout_ms);
        case OPTION_HELP:
                v->help = true;
                return 0;
        default:
                v->version = true;
                return 0;
        }
}

/* What getopt says with c is wrong with the command line. */
static int bad_option(int c, char *const *argv) {
        if (c == ':')
                complain("--%s needs a value", options[optopt - LONG_BASE].name);
        else if (optopt >= LONG_BASE)
                complain("--%s takes no value", options[optopt - LONG_BASE].name);
        else if (optopt)
                complain("there is no option -%c", optopt);
        else
                complain("there is no option %s", argv[optind - 1]);
        return CTL_E_USAGE;
}

/* *given: the set of options that were there. */
static int take_options(Invocation *v, int argc, char **argv, unsigned *given) {
        struct option long_options[OPTION_COUNT + 1] = {0};
        int c;

        for (int i = 0; i < OPTION_COUNT; i++)
                long_options[i] = (struct option){.name = options[i].name,
                                                  .has_arg = options[i].value ? required_argument
                                                                              : no_argument,
                                                  .val = LONG_BASE + i};
        optind = 0; /* begins anew, also when this is not the first time */
        opterr = 0;
        while ((c = getopt_long(argc, argv, ":hV", long_options, NULL)) >= 0) {
                int r;

                if (c == '?' || c == ':')
                        return bad_option(c, argv);
                c = c == 'h' ? OPTION_HELP : c == 'V' ? OPTION_VERSION : c - LONG_BASE;
                *given |= 1u << c;
                r = take_option(v, (OptionId) c);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int take_verb(Invocation *v, char *const *words, int n) {
        int taken;

        v->verb = verb_find(words, n, &taken);
        if (v->verb) {
                v->operands = words + taken;
                v->n_operands = n - taken;
                return 0;
        }
        if (n == 0)
                complain("what to do? `chatctl --help` lists the verbs");
        else if (verb_is_group(words[0]) && n > 1)
                complain("%s %s: there is no such verb; `chatctl --help` lists them", words[0],
                         words[1]);
        else if (verb_is_group(words[0]))
                complain("%s: to do what? `chatctl --help` lists the verbs", words[0]);
        else
                complain("%s: there is no such verb; `chatctl --help` lists them", words[0]);
        return CTL_E_USAGE;
}

static int check_verb(const Invocation *v, unsigned given) {
        unsigned odd = given & ~(v->verb->options | OF_EVERY_VERB);

        if (odd)
                complain("%s has no --%s", v->verb->name, options[__builtin_ctz(odd)].name);
        else if (v->n_operands < v->verb->min)
                complain("%s: something is missing", v->verb->name);
        else if (v->n_operands > v->verb->max)
                complain("%s: \"%s\" is one argument too many", v->verb->name,
                         v->operands[v->verb->max]);
        else if ((v->verb->options & WITH(TOKEN)) && !v->token == (v->n_operands == 0))
                complain("%s: either a USER or --token ID", v->verb->name);
        else
                return 0;
        verb_print_usage(v->verb, stderr);
        return CTL_E_USAGE;
}

int arguments_parse(Invocation *ret, int argc, char **argv) {
        Invocation v = {.socket = CONTROL_SOCKET, .timeout_ms = TIMEOUT_MS};
        unsigned given = 0;
        int r;

        r = take_options(&v, argc, argv, &given);
        if (r != 0)
                return r;
        if (v.help && (optind == argc || (optind + 1 == argc && verb_is_group(argv[optind])))) {
                *ret = v;
                return 0;
        }
        if (!v.version) {
                r = take_verb(&v, argv + optind, argc - optind);
                if (r == 0 && !v.help)
                        r = check_verb(&v, given);
                if (r != 0)
                        return r;
        }
        *ret = v;
        return 0;
}
