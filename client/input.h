/* SPDX-License-Identifier: MIT */
/* Lines out of a file descriptor that poll() watches, never more of them in memory than one read
 * brought. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/base.h"

typedef struct Input Input;

/* Lines longer than max are not kept, only told of. Does not own fd. */
int input_new(Input **ret, int fd, size_t max);
Input *input_free(Input *i);

/* The next line that is there, without its newline; NULL when none is. It stays valid until the
 * next call. *n > max tells that the line was longer, and the bytes are not all of it. */
const char *input_line(Input *i, size_t *n);

/* To be called when there is no line and fd is readable: reads once. */
int input_read(Input *i);

/* All was read and all lines were given out. */
bool input_ended(const Input *i);

DEFINE_CLEANUP(Input *, input_free);
