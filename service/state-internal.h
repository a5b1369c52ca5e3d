/* SPDX-License-Identifier: MIT */
/* What state.c (the file) and state-rows.c (what stands in it) share; nobody else may include it.
 */
#pragma once

#include <sqlite3.h>

#include "service/state.h"

#define STATE_APPLICATION 0x43485254 /* "CHRT", in the file's header */
#define STATE_SCHEMA 1

typedef struct StateRows {
        TokenChange *changes;
        size_t n, capacity;
} StateRows;

/* SQLite's code as an errno. SQLITE_CONSTRAINT becomes STATE_E_EXISTS. */
int state_errno(sqlite3 *db, int code);
int state_execute(sqlite3 *db, const char *sql);

/* The tables of an empty database. */
int state_create_tables(sqlite3 *db);
/* -EUCLEAN: what stands there is not ours. */
int state_read_rows(sqlite3 *db, StateRows *ret);
int state_write_rows(sqlite3 *db, const TokenChange *changes, size_t n);
