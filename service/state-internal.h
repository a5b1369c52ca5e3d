/* SPDX-License-Identifier: MIT */
/* What state.c (the file) and state-rows.c (what stands in it) share; nobody else may include it.
 */
#pragma once

#include "service/database.h"
#include "service/state.h"

#define STATE_APPLICATION 0x43485254 /* "CHRT", in the file's header */
#define STATE_SCHEMA 1

typedef struct StateRows {
        TokenChange *changes;
        size_t n, capacity;
} StateRows;

/* With its tables. `directory` is open, and where it is made. */
int state_create_file(const char *path, int directory);
/* -EUCLEAN: what stands there is not ours. */
int state_read_rows(sqlite3 *db, StateRows *ret);
int state_write_rows(sqlite3 *db, const TokenChange *changes, size_t n);
