/* SPDX-License-Identifier: MIT */
/*
 * Completion. The words before the cursor are read loosely, for they need not make sense yet; then
 * the one at the cursor is a verb, an option, an option's value or an operand.
 *
 * To connect to the control socket is to start the daemon, where systemd listens on it; pressing
 * the tab key must not. So systemd is asked first.
 */
#include "ctl/complete.h"

#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "ctl/control.h"
#include "ctl/verbs.h"
#include "proto/printable.h"

#define WAIT_MS 1000
#define WORD_MAX 32
#define TEXT_MAX 256
#define SYSTEMD_RUNS "/run/systemd/system/"

extern char **environ;

typedef struct Cursor {
        FILE *out;
        const char *word; /* at the cursor */
        size_t length;
        const char *words[2]; /* the first operands before it */
        int n_words;
        int expecting; /* an OptionId, when the word is its value; else -1 */
        const char *socket;
} Cursor;

static void offer(const Cursor *c, const char *candidate, const char *what) {
        if (strncmp(candidate, c->word, c->length) == 0)
                fprintf(c->out, "%s\t%s\n", candidate, what);
}

/* What came from elsewhere: nothing that is not plainly a word. */
static void offer_foreign(const Cursor *c, const char *candidate, const char *what) {
        _cleanup_(freep) char *clean = NULL, *clean_what = NULL;

        if (printable(&clean, candidate, strlen(candidate), NULL, NULL) < 0 ||
            printable(&clean_what, what, strlen(what), NULL, NULL) < 0)
                return;
        if (*candidate && strcmp(candidate, clean) == 0)
                offer(c, candidate, clean_what);
}

/* Whether the daemon runs, as far as that matters: a connection must not be what starts it. */
static bool may_connect(const char *socket) {
        char *argv[] = {(char *) "systemctl", (char *) "is-active", (char *) "--quiet",
                        (char *) "chatroom.service", NULL};
        posix_spawn_file_actions_t silent;
        int status, r;
        pid_t pid;

        if (strcmp(socket, CONTROL_SOCKET) != 0 || access(SYSTEMD_RUNS, F_OK) < 0)
                return true;
        posix_spawn_file_actions_init(&silent);
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
                posix_spawn_file_actions_addopen(&silent, fd, "/dev/null", O_RDWR, 0);
        r = posix_spawnp(&pid, argv[0], &silent, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&silent);
        return r == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
               WEXITSTATUS(status) == 0;
}

static ProtobufCMessage *ask(const Cursor *c, const char *method, const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *type) {
        const Invocation v = {.socket = c->socket, .timeout_ms = WAIT_MS};
        ProtobufCMessage *answer;

        if (!may_connect(c->socket) || control_ask(&v, method, request, type, &answer) != 0)
                return NULL;
        return answer;
}

static void offer_user(const Cursor *c, const Chatroom__V1__User *user) {
        char id[WORD_MAX];

        offer_foreign(c, user->name, "user");
        for (size_t i = 0; i < user->n_sessions; i++) {
                snprintf(id, sizeof(id), "@%" PRIu64, user->sessions[i]->id);
                offer_foreign(c, id, user->name);
        }
}

static void offer_users(const Cursor *c) {
        Chatroom__V1__ListUsersRequest request = CHATROOM__V1__LIST_USERS_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__ListUsersResponse *list;

        answer = ask(c, ADMIN("ListUsers"), &request.base,
                     &chatroom__v1__list_users_response__descriptor);
        list = (const Chatroom__V1__ListUsersResponse *) answer;
        for (size_t i = 0; list && i < list->n_users; i++)
                offer_user(c, list->users[i]);
}

/* The users that revoke and unrevoke take by name; '*' is not one. */
static void offer_token_user(const Cursor *c, const Chatroom__V1__ListTokensResponse *list,
                             size_t at, bool revoked) {
        const Chatroom__V1__Token *token = list->tokens[at];

        if (token->revoked != revoked || strcmp(token->user, "*") == 0)
                return;
        for (size_t i = 0; i < at; i++)
                if (list->tokens[i]->revoked == token->revoked &&
                    strcmp(list->tokens[i]->user, token->user) == 0)
                        return; /* once is enough */
        offer_foreign(c, token->user, revoked ? "has revoked tokens" : "has a token");
}

static void offer_token(const Cursor *c, const Chatroom__V1__Token *token, Named kind) {
        char what[TEXT_MAX];

        if ((kind == NAMED_LIVE_TOKEN && token->revoked) ||
            (kind == NAMED_REVOKED_TOKEN && !token->revoked))
                return;
        snprintf(what, sizeof(what), "%s %s", token->user, token->label);
        offer_foreign(c, token->id, what);
}

static void offer_tokens(const Cursor *c, Named kind) {
        Chatroom__V1__ListTokensRequest request = CHATROOM__V1__LIST_TOKENS_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__ListTokensResponse *list;

        answer = ask(c, ADMIN("ListTokens"), &request.base,
                     &chatroom__v1__list_tokens_response__descriptor);
        list = (const Chatroom__V1__ListTokensResponse *) answer;
        for (size_t i = 0; list && i < list->n_tokens; i++)
                if (kind == NAMED_TOKEN_USER || kind == NAMED_REVOKED_USER)
                        offer_token_user(c, list, i, kind == NAMED_REVOKED_USER);
                else
                        offer_token(c, list->tokens[i], kind);
}

static void offer_named(const Cursor *c, Named kind) {
        if (kind == NAMED_USER_OR_SESSION)
                offer_users(c);
        else if (kind != NAMED_NOTHING)
                offer_tokens(c, kind);
}

static void offer_options(const Cursor *c, unsigned set) {
        char text[WORD_MAX];

        for (size_t i = 0; i < OPTION_COUNT; i++) {
                snprintf(text, sizeof(text), "--%s", options[i].name);
                if (set & 1u << i)
                        offer(c, text, options[i].help);
        }
}

/* The second words of the verbs that start with this one. */
static void describe_group(char *ret, size_t size, const char *word, size_t n) {
        size_t used = 0;

        *ret = '\0';
        for (size_t i = 0; i < n_verbs && used < size; i++)
                if (strncmp(verbs[i].name, word, n) == 0 && verbs[i].name[n] == ' ')
                        used += (size_t) snprintf(ret + used, size - used, "%s%s",
                                                  used > 0 ? ", " : "", verbs[i].name + n + 1);
}

/* The first word of each verb, once. */
static void offer_verbs(const Cursor *c) {
        char word[WORD_MAX] = "", what[TEXT_MAX];

        for (size_t i = 0; i < n_verbs; i++) {
                const char *name = verbs[i].name;
                size_t n = strcspn(name, " ");

                if (strlen(word) == n && strncmp(word, name, n) == 0)
                        continue; /* verbs of one group stand together */
                snprintf(word, sizeof(word), "%.*s", (int) n, name);
                if (name[n])
                        describe_group(what, sizeof(what), name, n);
                offer(c, word, name[n] ? what : verbs[i].help);
        }
}

static void offer_second_words(const Cursor *c) {
        size_t n = strlen(c->words[0]);

        for (size_t i = 0; i < n_verbs; i++)
                if (strncmp(verbs[i].name, c->words[0], n) == 0 && verbs[i].name[n] == ' ')
                        offer(c, verbs[i].name + n + 1, verbs[i].help);
}

static int option_named(const char *word) {
        for (int i = 0; i < OPTION_COUNT; i++)
                if (strcmp(word, options[i].name) == 0)
                        return i;
        return -1;
}

/* A word before the cursor. Bash hands "--socket=PATH" over as three words. */
static void pass(Cursor *c, const char *word) {
        const char *equals = strchr(word, '=');

        if (c->expecting >= 0) {
                if (strcmp(word, "=") == 0)
                        return;
                if (c->expecting == OPTION_SOCKET)
                        c->socket = word;
                c->expecting = -1;
        } else if (strncmp(word, "--socket=", strlen("--socket=")) == 0)
                c->socket = equals + 1;
        else if (word[0] == '-' && word[1]) {
                int id = strncmp(word, "--", 2) == 0 ? option_named(word + 2) : -1;

                if (id >= 0 && options[id].value)
                        c->expecting = id;
        } else if (c->n_words++ < (int) ELEMENTS(c->words))
                c->words[c->n_words - 1] = word;
}

static void offer_value(const Cursor *c, const Verb *verb) {
        if (c->expecting == OPTION_SOCKET)
                fputs(COMPLETE_FILES "\n", c->out);
        else if (c->expecting == OPTION_TOKEN && verb)
                offer_named(c, verb->token);
}

int complete(char *const *words, int n, FILE *out) {
        Cursor c = {.out = out, .word = "", .expecting = -1, .socket = CONTROL_SOCKET};
        const Verb *verb;
        int taken = 0;

        for (int i = 0; i + 1 < n; i++)
                pass(&c, words[i]);
        if (n > 0)
                c.word = words[n - 1];
        if (c.expecting >= 0 && strcmp(c.word, "=") == 0)
                c.word = "";
        c.length = strlen(c.word);
        verb = verb_find((char *const *) c.words,
                         c.n_words < (int) ELEMENTS(c.words) ? c.n_words : (int) ELEMENTS(c.words),
                         &taken);

        if (c.expecting >= 0)
                offer_value(&c, verb);
        else if (c.word[0] == '-')
                offer_options(&c, OF_EVERY_VERB | (verb ? verb->options : 0));
        else if (c.n_words == 0)
                offer_verbs(&c);
        else if (!verb && c.n_words == 1)
                offer_second_words(&c);
        else if (!verb)
                return 0;
        else if (c.n_words - taken < verb->max)
                offer_named(&c, verb->operand);
        return 0;
}
