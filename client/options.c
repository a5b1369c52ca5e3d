/* SPDX-License-Identifier: MIT */
/*
 * Command line and environment, made into one struct and checked, before anything is opened. The
 * operands are taken in their order among the options, because what is to be sent may look like an
 * option: where TEXT begins, options end.
 */
#include "client/options.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 10000

enum {
        OPTION_OPERAND = 1,
        OPTION_TOKEN = 256,
        OPTION_TOKEN_FILE,
        OPTION_JSON,
        OPTION_COUNT,
        OPTION_SINCE,
        OPTION_FOLLOW,
        OPTION_LINGER,
        OPTION_NO_RECONNECT,
        OPTION_CONNECT_TIMEOUT,
        OPTION_FORGET,
        OPTION_INSECURE_NETWORK,
        OPTIONS_END,
};

static const struct option long_options[] = {
        {"token", required_argument, NULL, OPTION_TOKEN},
        {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
        {"json", no_argument, NULL, OPTION_JSON},
        {"count", required_argument, NULL, OPTION_COUNT},
        {"since", required_argument, NULL, OPTION_SINCE},
        {"follow", no_argument, NULL, OPTION_FOLLOW},
        {"linger", required_argument, NULL, OPTION_LINGER},
        {"no-reconnect", no_argument, NULL, OPTION_NO_RECONNECT},
        {"connect-timeout", required_argument, NULL, OPTION_CONNECT_TIMEOUT},
        {"forget", no_argument, NULL, OPTION_FORGET},
        {"insecure-network", no_argument, NULL, OPTION_INSECURE_NETWORK},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
};

/* Which commands an option belongs to; those that are not here belong to all. */
static const struct {
        const char *name;
        int option;
        unsigned commands;
} places[] = {
        {"-n", OPTION_COUNT, COMMAND_BIT(COMMAND_TALK) | COMMAND_BIT(COMMAND_TAIL)},
        {"--since", OPTION_SINCE, COMMAND_BIT(COMMAND_TAIL)},
        {"--follow", OPTION_FOLLOW, COMMAND_BIT(COMMAND_TAIL)},
        {"--linger", OPTION_LINGER, COMMAND_BIT(COMMAND_TALK)},
        {"--no-reconnect", OPTION_NO_RECONNECT, COMMAND_ALL & ~COMMAND_BIT(COMMAND_WHO)},
        {"--forget", OPTION_FORGET, COMMAND_BIT(COMMAND_TALK)},
};

typedef struct Parser {
        Options o;
        bool given[OPTIONS_END];
        bool command_known, target_known;
        const char *since;
        char **text; /* where TEXT begins; NULL: there is none */
        int n_text;
        Complaint *complaint;
} Parser;

static int parse_duration(unsigned *ret, const char *text) {
        static const struct {
                const char *unit;
                unsigned long ms;
        } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}};
        unsigned long n = 0;
        const char *p = text;

        for (; isdigit((unsigned char) *p); p++) {
                n = n * 10 + (unsigned long) (*p - '0');
                if (n > INT_MAX)
                        return OPTIONS_E_USAGE;
        }
        for (size_t i = 0; p > text && i < ELEMENTS(units); i++)
                if (strcmp(p, units[i].unit) == 0 && n <= INT_MAX / units[i].ms) {
                        *ret = (unsigned) (n * units[i].ms);
                        return 0;
                }
        return OPTIONS_E_USAGE;
}

static int take_duration(unsigned *ret, const char *option, Complaint *complaint) {
        if (parse_duration(ret, optarg) != 0)
                return complain(complaint, OPTIONS_E_USAGE,
                                "--%s \"%s\" is not a time (500ms, 10s, 2m)", option, optarg);
        return 0;
}

static int take_count(long *ret, Complaint *complaint) {
        unsigned n;

        if (!isdigit((unsigned char) optarg[strlen(optarg) - (*optarg ? 1 : 0)]) ||
            parse_duration(&n, optarg) != 0)
                return complain(complaint, OPTIONS_E_USAGE, "-n \"%s\" is not a number", optarg);
        *ret = (long) n;
        return 0;
}

static int take_flag(Options *o, int c) {
        switch (c) {
        case OPTION_JSON:
                o->json = true;
                return 0;
        case OPTION_FOLLOW:
                o->follow = true;
                return 0;
        case OPTION_NO_RECONNECT:
                o->no_reconnect = true;
                return 0;
        case OPTION_FORGET:
                o->forget = true;
                return 0;
        default:
                o->insecure_network = true;
                return 0;
        }
}

static int take_option(Parser *p, int c, const char *written) {
        Options *o = &p->o;

        if (c > 0 && c < OPTIONS_END)
                p->given[c] = true;
        switch (c) {
        case OPTION_TOKEN:
                return complain(p->complaint, OPTIONS_E_USAGE,
                                "a token on the command line is no secret any more: put it into a "
                                "file and give --token-file");
        case OPTION_TOKEN_FILE:
                o->token_file = optarg;
                return 0;
        case OPTION_COUNT:
                return take_count(&o->count, p->complaint);
        case OPTION_SINCE:
                p->since = optarg;
                return 0;
        case OPTION_LINGER:
                return take_duration(&o->linger_ms, "linger", p->complaint);
        case OPTION_CONNECT_TIMEOUT:
                return take_duration(&o->connect_timeout_ms, "connect-timeout", p->complaint);
        case 'h':
                return OPTIONS_E_HELP;
        case 'V':
                return OPTIONS_E_VERSION;
        case ':':
                return complain(p->complaint, OPTIONS_E_USAGE, "%s needs a value", written);
        case '?':
                return complain(p->complaint, OPTIONS_E_USAGE, "there is no option \"%s\"",
                                written);
        default:
                return take_flag(o, c);
        }
}

static int take_target(Parser *p, const char *text) {
        int r = target_parse(&p->o.target, text, p->complaint);

        p->target_known = r == 0;
        return r == TARGET_E_SYNTAX ? OPTIONS_E_USAGE : r;
}

/* at: where it stands in argv. 0, or an outcome, or -EALREADY when all that follows is TEXT. */
static int take_operand(Parser *p, char **at) {
        if (!p->command_known) {
                p->command_known = true;
                p->o.command = command_find(*at);
                if (p->o.command != COMMAND_TALK)
                        return 0;
        }
        if (!p->target_known)
                return take_target(p, *at);
        if (p->o.command != COMMAND_SEND)
                return complain(p->complaint, OPTIONS_E_USAGE, "\"%s\": one HOST is enough", *at);
        p->text = at;
        return -EALREADY;
}

static int take_arguments(Parser *p, int argc, char **argv) {
        int c, r = 0;

        optind = 0; /* begins anew, also when this is not the first time */
        opterr = 0;
        while (r == 0 && (c = getopt_long(argc, argv, "-:hVn:f", long_options, NULL)) >= 0) {
                c = c == 'n' ? OPTION_COUNT : c == 'f' ? OPTION_FOLLOW : c;
                r = c == OPTION_OPERAND ? take_operand(p, argv + optind - 1)
                                        : take_option(p, c, argv[optind - 1]);
        }
        while (r == 0 && optind < argc) /* behind -- */
                r = take_operand(p, argv + optind++);
        if (r == -EALREADY) {
                p->n_text = (int) (argv + argc - p->text);
                r = 0;
        }
        return r;
}

/* Who is at the keyboard, when the command line does not say. */
static int default_user(char **ret, Complaint *complaint) {
        const char *name = getenv("USER");
        const struct passwd *p;

        if (!name || !*name) {
                p = getpwuid(getuid());
                name = p ? p->pw_name : NULL;
        }
        if (!name)
                return complain(complaint, OPTIONS_E_USAGE, "say who you are: USER@HOST");
        *ret = strdup(name);
        return *ret ? 0 : -ENOMEM;
}

/* TEXT, as echo would join it. - alone means the input. */
static int join_text(Parser *p) {
        _cleanup_(freep) char *text = NULL;
        size_t size = 1;
        char *out;

        if (p->o.command != COMMAND_SEND || (p->n_text == 1 && strcmp(p->text[0], "-") == 0))
                return 0;
        if (p->n_text == 0) {
                if (!isatty(STDIN_FILENO))
                        return 0;
                return complain(p->complaint, OPTIONS_E_USAGE,
                                "nothing to send: say what, or - for lines that you type");
        }
        for (int i = 0; i < p->n_text; i++)
                size += strlen(p->text[i]) + 1;
        out = text = calloc(1, size);
        if (!text)
                return -ENOMEM;
        for (int i = 0; i < p->n_text; i++)
                out += sprintf(out, "%s%s", i > 0 ? " " : "", p->text[i]);
        if (!*text)
                return complain(p->complaint, OPTIONS_E_USAGE, "nothing to send: TEXT is empty");
        p->o.text = TAKE_PTR(text);
        return 0;
}

static int check(Parser *p) {
        for (size_t i = 0; i < ELEMENTS(places); i++)
                if (p->given[places[i].option] && !(places[i].commands & COMMAND_BIT(p->o.command)))
                        return complain(p->complaint, OPTIONS_E_USAGE,
                                        "%s does not belong to this command", places[i].name);
        if (p->since && p->o.count >= 0)
                return complain(p->complaint, OPTIONS_E_USAGE, "give --since or -n, not both");
        if (p->o.connect_timeout_ms == 0)
                return complain(p->complaint, OPTIONS_E_USAGE,
                                "--connect-timeout is longer than 0");
        if (!p->target_known)
                return complain(p->complaint, OPTIONS_E_USAGE, "no HOST to connect to");
        return 0;
}

static int complete(Parser *p) {
        int r = check(p);

        if (r == 0 && p->since)
                r = since_parse(&p->o.since, p->since, (int64_t) time(NULL) * 1000, p->complaint);
        if (r == SINCE_E_SYNTAX)
                return OPTIONS_E_USAGE;
        if (r == 0 && !p->o.target.user)
                r = default_user(&p->o.target.user, p->complaint);
        if (r == 0)
                r = join_text(p);
        return r;
}

int options_parse(Options *ret, int argc, char **argv, Complaint *complaint) {
        Parser p = {.o = {.connect_timeout_ms = CONNECT_TIMEOUT_MS, .count = -1},
                    .complaint = complaint};
        const char *file = getenv("CHAT_TOKEN_FILE");
        int r;

        if (file && *file)
                p.o.token_file = file;
        r = take_arguments(&p, argc, argv);
        if (r == 0)
                r = complete(&p);
        if (r != 0) {
                options_done(&p.o);
                return r;
        }
        *ret = p.o;
        return 0;
}

void options_done(Options *o) {
        target_done(&o->target);
        free(TAKE_PTR(o->text));
}
