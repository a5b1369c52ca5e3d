/* SPDX-License-Identifier: MIT */
/*
 * state.db: the tokens that were made and the ones that were revoked, in SQLite, so that they
 * survive whatever happens to the process. Everything here is for the store's thread.
 *
 * What cannot be read stops the daemon: a revoked token must not be let in because a file is
 * broken. What cannot be written does not.
 */
#pragma once

#include <stddef.h>

#include "service/token.h"

typedef struct State State;

/* What is wrong and what to do about it, one line, for the operator. */
typedef struct StateError {
        char text[512];
} StateError;

enum {
        STATE_E_UNUSABLE = 1, /* the error says why */
        STATE_E_EXISTS,       /* a change had been made already; none was made now */
};

/* Reads all of it: `changes`, in their order, make what is there. The directory is ours alone from
 * here on. A missing one is made; a missing file will be. Outcome: STATE_E_UNUSABLE. */
int state_open(State **ret, const char *directory, StateError *error);
State *state_free(State *s);
const TokenChange *state_loaded(const State *s, size_t *ret_n);
/* Frees what state_loaded() gave. */
void state_forget_loaded(State *s);

/* Makes all changes or none; 0: they are on the disk. With none: whether they would be. What is
 * broken is tried again the next time. -EROFS, -ENOSPC, …; outcome: STATE_E_EXISTS. */
int state_commit(State *s, const TokenChange *changes, size_t n);
