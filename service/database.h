/* SPDX-License-Identifier: MIT */
/* What every one of our SQLite files needs, whatever stands in it. For the files' own modules only.
 */
#pragma once

#include <stdint.h>

#include <sqlite3.h>

#include "proto/base.h"

DEFINE_CLEANUP(sqlite3 *, sqlite3_close);
DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_finalize);
DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_reset); /* one that is kept */

/* SQLite's code as an errno. -EUCLEAN: what stands there is broken; -EEXIST: a constraint. */
int database_errno(sqlite3 *db, int code);
int database_execute(sqlite3 *db, const char *sql);
/* The first column of the first row. -EUCLEAN: there is none. */
int database_number(sqlite3 *db, const char *sql, int64_t *ret);

/* One page, in bytes. A smaller file must not even be opened for reading: SQLite may take it for a
 * new one, and delete the write-ahead log that stands beside it and may have it all. */
#define DATABASE_SMALLEST 512

/* A connection that cannot write and takes no locks: it works on a read-only or full disk, and
 * leaves the file and what stands beside it as they are. For a file that nobody writes meanwhile.
 * *ret is to be closed in any case. */
int database_open_reading(sqlite3 **ret, const char *path);

typedef struct DatabaseSchema {
        int application; /* in the file's header, for file(1) and for us */
        int version;
        const char *sql;
} DatabaseSchema;

/* Fills an empty database, in one transaction. */
int database_create_tables(sqlite3 *db, const DatabaseSchema *schema);
/* Makes a file that is whole from the moment on that it is there, under its name, and on the disk.
 * `directory` is open, and where the path points to. */
int database_make_file(const char *path, int directory, const DatabaseSchema *schema);
