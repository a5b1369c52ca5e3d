/* SPDX-License-Identifier: MIT */
/* The verbs: one row each, from which dispatch, usage, help and completion come. */
#pragma once

#include <stdio.h>

#include "ctl/arguments.h"

/* What an operand (or the value of an option) names, for completion. */
typedef enum Named {
        NAMED_NOTHING,
        NAMED_USER_OR_SESSION,
        NAMED_TOKEN_USER,   /* who has a token that is not revoked */
        NAMED_REVOKED_USER, /* who has one that is */
        NAMED_TOKEN,
        NAMED_LIVE_TOKEN,
        NAMED_REVOKED_TOKEN,
} Named;

struct Verb {
        const char *name;  /* one word or two */
        const char *usage; /* what follows the name */
        int min, max;      /* operands */
        unsigned options;  /* WITH(…), besides OF_EVERY_VERB */
        Named operand;
        Named token; /* what --token names */
        const char *help;
        /* 0 or a CtlError; < 0: negative errno, not reported yet */
        int (*run)(Invocation *v);
};

extern const Verb verbs[];
extern const size_t n_verbs;

/* NULL: there is none of that name. *ret_words: how many words the name takes. */
const Verb *verb_find(char *const *words, int n, int *ret_words);
/* Whether some verb of two words starts with this one. */
bool verb_is_group(const char *word);

void verb_print_usage(const Verb *verb, FILE *out);
void verb_print_help(const Verb *verb, FILE *out);
void verbs_print_help(FILE *out);

int verb_users(Invocation *v);
int verb_kick(Invocation *v);
int verb_revoke(Invocation *v);
int verb_unrevoke(Invocation *v);
int verb_token_add(Invocation *v);
int verb_token_list(Invocation *v);
int verb_token_remove(Invocation *v);
int verb_token_rotate(Invocation *v);
int verb_reload(Invocation *v);
int verb_status(Invocation *v);
int verb_check(Invocation *v);
