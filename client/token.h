/* SPDX-License-Identifier: MIT */
/* The token to go with, wherever it comes from. */
#pragma once

#include <stdbool.h>

#include "client/options.h"

typedef struct ChatToken {
        char *text;
        bool typed;      /* and may be remembered */
        bool remembered; /* from another time */
} ChatToken;

enum {
        TOKEN_E_REFUSED = 1, /* the complaint says why */
        TOKEN_E_NO_TERMINAL, /* there is none, and none to ask on */
        TOKEN_E_INTERRUPTED,
};

/* From the file that was named, from another time, or from the keyboard. signals: a signalfd; what
 * it tells of is left in it. Outcomes: TOKEN_E_*. */
int token_get(ChatToken *ret, const Options *options, int signals, Complaint *complaint);
void token_done(ChatToken *t);
