/* SPDX-License-Identifier: MIT */
/* States for tests, in a directory of their own: whatever goes wrong fails the test. */
#pragma once

#include "proto/base.h"
#include "service/state.h"
#include "tests/unit/files.h"

#define STATE_DIRECTORY_NAME "state"

DEFINE_CLEANUP(State *, state_free);

/* Of a file in the directory; name NULL: of the directory. The caller's. */
char *state_path(Files *f, const char *name);
State *open_state(Files *f);
int commit_one(State *s, TokenChangeKind kind, const char *secret, const char *name);

/* A state with a token of alice's, whose secret is "a", and one of bob's, "b", that is revoked. */
void make_state(Files *f);
/* The same, left behind by a process that was killed: in the log, and not in the file. */
void make_state_and_die(Files *f);
