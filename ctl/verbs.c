/* SPDX-License-Identifier: MIT */
/*
 * The table of verbs, and what is printed from it. To add a verb: a row here, its function in one
 * of verbs-*.c, its declaration in verbs.h and its paragraph in chatctl(1).
 */
#include "ctl/verbs.h"

#include <string.h>

const Verb verbs[] = {
        {.name = "users",
         .usage = "",
         .help = "list who is in the room, one line for each session",
         .run = verb_users},
        {.name = "kick",
         .usage = "USER|@SESSION [--reason TEXT]",
         .min = 1,
         .max = 1,
         .options = WITH(REASON),
         .operand = NAMED_USER_OR_SESSION,
         .help = "end all sessions of a user, or one; who has a token may come back",
         .run = verb_kick},
        {.name = "revoke",
         .usage = "USER|--token ID",
         .max = 1,
         .options = WITH(TOKEN),
         .operand = NAMED_TOKEN_USER,
         .token = NAMED_LIVE_TOKEN,
         .help = "make all tokens of a user, or one, worthless for good, and end their sessions",
         .run = verb_revoke},
        {.name = "unrevoke",
         .usage = "USER|--token ID",
         .max = 1,
         .options = WITH(TOKEN),
         .operand = NAMED_REVOKED_USER,
         .token = NAMED_REVOKED_TOKEN,
         .help = "take a revocation back",
         .run = verb_unrevoke},
        {.name = "token add",
         .usage = "USER|'*' [--label TEXT] [--expires DURATION]",
         .min = 1,
         .max = 1,
         .options = WITH(LABEL) | WITH(EXPIRES),
         .help = "make a token that admits USER ('*': anybody, by any free name) and print it; it "
                 "is never shown again",
         .run = verb_token_add},
        {.name = "token list",
         .usage = "",
         .help = "list all tokens: their ids, never the tokens themselves",
         .run = verb_token_list},
        {.name = "token remove",
         .usage = "ID",
         .min = 1,
         .max = 1,
         .operand = NAMED_TOKEN,
         .help = "delete a token and end its sessions",
         .run = verb_token_remove},
        {.name = "token rotate",
         .usage = "ID",
         .min = 1,
         .max = 1,
         .operand = NAMED_LIVE_TOKEN,
         .help = "make a new token for the same user and the time left, print it, and revoke the "
                 "old one",
         .run = verb_token_rotate},
        {.name = "reload",
         .usage = "",
         .help = "read the configuration again; a faulty one is refused, and the old one stays",
         .run = verb_reload},
        {.name = "status",
         .usage = "",
         .help = "show on one screen how the daemon is doing",
         .run = verb_status},
        {.name = "check",
         .usage = "",
         .help = "say why somebody may not get in, as far as the configuration, the daemon or the "
                 "socket of systemd is to blame, and what to type",
         .run = verb_check},
};
const size_t n_verbs = ELEMENTS(verbs);

/* Whether the verb's name is these words; how many it takes. */
static bool name_matches(const char *name, char *const *words, int n, int *ret_words) {
        const char *space = strchr(name, ' ');
        size_t first = space ? (size_t) (space - name) : strlen(name);

        if (strlen(words[0]) != first || memcmp(words[0], name, first) != 0)
                return false;
        *ret_words = space ? 2 : 1;
        return !space || (n > 1 && strcmp(words[1], space + 1) == 0);
}

const Verb *verb_find(char *const *words, int n, int *ret_words) {
        for (size_t i = 0; n > 0 && i < n_verbs; i++)
                if (name_matches(verbs[i].name, words, n, ret_words))
                        return &verbs[i];
        return NULL;
}

bool verb_is_group(const char *word) {
        size_t n = strlen(word);

        for (size_t i = 0; i < n_verbs; i++)
                if (strncmp(verbs[i].name, word, n) == 0 && verbs[i].name[n] == ' ')
                        return true;
        return false;
}

void verb_print_usage(const Verb *verb, FILE *out) {
        fprintf(out, "Usage: chatctl %s%s%s\n", verb->name, *verb->usage ? " " : "", verb->usage);
}

#define HELP_COLUMN 24
#define HELP_COLUMNS 80

/* Words, from HELP_COLUMN on; the cursor is at column `at` already. */
static void print_wrapped(FILE *out, int at, const char *text) {
        if (at >= HELP_COLUMN - 1) {
                fputc('\n', out);
                at = 0;
        }
        fprintf(out, "%*s", HELP_COLUMN - at, "");
        at = HELP_COLUMN;
        while (*text) {
                int n = (int) strcspn(text, " ");

                if (at > HELP_COLUMN && at + 1 + n > HELP_COLUMNS) {
                        fprintf(out, "\n%*s", HELP_COLUMN, "");
                        at = HELP_COLUMN;
                } else if (at > HELP_COLUMN)
                        at += fprintf(out, " ");
                at += fprintf(out, "%.*s", n, text);
                text += n + (text[n] == ' ');
        }
        fputc('\n', out);
}

static void print_options(FILE *out, unsigned set) {
        for (size_t i = 0; i < OPTION_COUNT; i++) {
                const Option *o = &options[i];
                int at;

                if (!(set & 1u << i))
                        continue;
                if (o->letter)
                        at = fprintf(out, "  -%c, --%s", o->letter, o->name);
                else
                        at = fprintf(out, "  --%s%s%s", o->name, o->value ? " " : "",
                                     o->value ? o->value : "");
                print_wrapped(out, at, o->help);
        }
}

void verb_print_help(const Verb *verb, FILE *out) {
        verb_print_usage(verb, out);
        fputc('\n', out);
        print_wrapped(out, fprintf(out, "  %s", verb->name), verb->help);
        fputc('\n', out);
        print_options(out, verb->options | OF_EVERY_VERB);
}

void verbs_print_help(FILE *out) {
        fputs("Usage: chatctl [OPTIONS] VERB [ARGUMENTS]\n"
              "\n"
              "Sees to a running chatroomd, through its control socket.\n"
              "\n"
              "Verbs:\n",
              out);
        for (size_t i = 0; i < n_verbs; i++) {
                int at = fprintf(out, "  %s%s%s", verbs[i].name, *verbs[i].usage ? " " : "",
                                 verbs[i].usage);

                print_wrapped(out, at, verbs[i].help);
        }
        fputs("\nOptions of some verbs:\n", out);
        print_options(out, ~OF_EVERY_VERB);
        fputs("\nOptions:\n", out);
        print_options(out, OF_EVERY_VERB);
        fputs("\n"
              "A DURATION is a whole number and ms, s, m, h, d or w: 90s, 2h, 30d.\n"
              "@SESSION is a session's number as `chatctl users` shows it, ID a token's id as\n"
              "`chatctl token list` does. Tables are cut to fit a terminal; when the output\n"
              "goes elsewhere, fields are whole and separated by tabs, and there are no titles.\n"
              "\n"
              "Exit status:\n"
              "  0  done\n"
              "  1  refused, not found, no answer; done, but a restart will undo it; or check\n"
              "     has found something\n"
              "  2  wrong usage\n"
              "  3  nobody listens on the control socket\n",
              out);
}
