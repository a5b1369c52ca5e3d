/* SPDX-License-Identifier: MIT */
/*
 * Whoever names a file means that file, so nothing else is tried then. A remembered token that
 * cannot be read is an error too: asking for another one would hide that somebody else can.
 */
#include "client/token.h"

#include "client/keyring.h"
#include "client/secret.h"

static int ask(char **ret, const Target *target, int signals, Complaint *complaint) {
        _cleanup_(freep) char *prompt = NULL;

        if (asprintf(&prompt, "Token of %s at %s: ", target->user, target->host) < 0)
                return -ENOMEM;
        return secret_from_terminal(ret, prompt, signals, complaint);
}

static int map(int r) {
        switch (r) {
        case SECRET_E_REFUSED:
                return TOKEN_E_REFUSED;
        case SECRET_E_NO_TERMINAL:
                return TOKEN_E_NO_TERMINAL;
        case SECRET_E_INTERRUPTED:
                return TOKEN_E_INTERRUPTED;
        default:
                return r;
        }
}

int token_get(ChatToken *ret, const Options *options, int signals, Complaint *complaint) {
        ChatToken t = {0};
        int r;

        if (options->token_file) {
                r = map(secret_from_file(&t.text, options->token_file, complaint));
        } else {
                r = keyring_find(&t.text, &options->target, complaint);
                t.remembered = r == 0;
                t.typed = r == KEYRING_E_NONE;
                if (r == KEYRING_E_NONE)
                        r = map(ask(&t.text, &options->target, signals, complaint));
                else if (r == KEYRING_E_REFUSED)
                        r = TOKEN_E_REFUSED;
        }
        if (r == 0)
                *ret = t;
        return r;
}

void token_done(ChatToken *t) {
        t->text = secret_free(t->text);
}
