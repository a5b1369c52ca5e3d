/* SPDX-License-Identifier: MIT */
/*
 * Command line and environment, made into one struct and checked, before anything is opened.
 */
#include "client/options.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000

const char options_help[] =
        "Usage: chat [OPTIONS] [USER@]HOST[:PORT]\n"
        "\n"
        "Joins the chatroom at HOST (port 50051 unless told otherwise) as USER (your own\n"
        "name unless told otherwise) and prints what is said there: HH:MM <user> text.\n"
        "Every line that you type is sent to all others.\n"
        "\n"
        "  --token-file FILE  the token is in FILE, which only you may be able to read;\n"
        "                     without this option it is in the file that CHAT_TOKEN_FILE\n"
        "                     names, and without that chat asks for it\n"
        "  --json             print each message as a JSON object on a line of its own:\n"
        "                     type, time (Unix ms), user and text\n"
        "  --linger TIME      stay that long after the end of the input before leaving\n"
        "  --connect-timeout TIME\n"
        "                     give up connecting after that long (10s)\n"
        "  -h, --help         print this\n"
        "  -V, --version      print the version\n"
        "\n"
        "TIME is a number with a unit, ms, s or m: 500ms, 10s, 2m. Without one it is ms.\n"
        "\n"
        "In the room:\n"
        "  /quit              leave (so does the end of the input: Ctrl-D)\n"
        "  /help              print these commands\n"
        "  //TEXT             send /TEXT\n"
        "Any other word behind a / is an error and is not sent. Empty lines are not sent.\n"
        "\n"
        "Messages go to standard output, everything else to standard error. What in a\n"
        "message could control a terminal is shown, not obeyed; --json has it exactly.\n"
        "When the output is not a terminal, every message is one line, and a line break\n"
        "in it is shown as \xe2\x90\x8a. When the input is not a terminal, chat leaves after its\n"
        "last line, once the server has confirmed that it has them all.\n"
        "\n"
        "Exit status:\n"
        "  0        left in order, and all was sent\n"
        "  1        another error: a line could not be sent, the token not be read\n"
        "  2        wrong usage, or no token and no terminal to ask for it on\n"
        "  3        cannot connect\n"
        "  4        the server ended the session, or the connection was lost\n"
        "  5        not admitted: token wrong, revoked or for another name; banned\n"
        "  6        kicked\n"
        "  128 + N  ended by signal N: 130 after Ctrl-C\n";

enum {
        OPTION_TOKEN = 256,
        OPTION_TOKEN_FILE,
        OPTION_JSON,
        OPTION_LINGER,
        OPTION_CONNECT_TIMEOUT,
};

static const struct option long_options[] = {
        {"token", required_argument, NULL, OPTION_TOKEN},
        {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
        {"json", no_argument, NULL, OPTION_JSON},
        {"linger", required_argument, NULL, OPTION_LINGER},
        {"connect-timeout", required_argument, NULL, OPTION_CONNECT_TIMEOUT},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
};

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

static int take_option(Options *o, int c, char **argv, Complaint *complaint) {
        switch (c) {
        case OPTION_TOKEN:
                return complain(complaint, OPTIONS_E_USAGE,
                                "a token on the command line is no secret any more: put it into a "
                                "file and give --token-file");
        case OPTION_TOKEN_FILE:
                o->token_file = optarg;
                return 0;
        case OPTION_JSON:
                o->json = true;
                return 0;
        case OPTION_LINGER:
                return take_duration(&o->linger_ms, "linger", complaint);
        case OPTION_CONNECT_TIMEOUT:
                return take_duration(&o->connect_timeout_ms, "connect-timeout", complaint);
        case 'h':
                return OPTIONS_E_HELP;
        case 'V':
                return OPTIONS_E_VERSION;
        case ':':
                return complain(complaint, OPTIONS_E_USAGE, "%s needs a value", argv[optind - 1]);
        default:
                return complain(complaint, OPTIONS_E_USAGE, "there is no option \"%s\"",
                                argv[optind - 1]);
        }
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

static int take_target(Options *o, int n, char **operands, Complaint *complaint) {
        int r;

        if (n == 0)
                return complain(complaint, OPTIONS_E_USAGE, "no HOST to connect to");
        if (n > 1)
                return complain(complaint, OPTIONS_E_USAGE, "\"%s\": one HOST is enough",
                                operands[1]);
        r = target_parse(&o->target, operands[0], complaint);
        if (r == TARGET_E_SYNTAX)
                return OPTIONS_E_USAGE;
        if (r == 0 && !o->target.user)
                r = default_user(&o->target.user, complaint);
        return r;
}

int options_parse(Options *ret, int argc, char **argv, Complaint *complaint) {
        Options o = {.connect_timeout_ms = CONNECT_TIMEOUT_MS};
        const char *file = getenv("CHAT_TOKEN_FILE");
        int c, r = 0;

        if (file && *file)
                o.token_file = file;
        optind = 0; /* begins anew, also when this is not the first time */
        opterr = 0;
        while (r == 0 && (c = getopt_long(argc, argv, ":hV", long_options, NULL)) >= 0)
                r = take_option(&o, c, argv, complaint);
        if (r == 0)
                r = take_target(&o, argc - optind, argv + optind, complaint);
        if (r == 0 && o.connect_timeout_ms == 0)
                r = complain(complaint, OPTIONS_E_USAGE, "--connect-timeout is longer than 0");
        if (r != 0) {
                options_done(&o);
                return r;
        }
        *ret = o;
        return 0;
}

void options_done(Options *o) {
        target_done(&o->target);
}
