/* SPDX-License-Identifier: MIT */
/* What log.c (beginning and end), log-file.c (the file), log-rows.c (tables and transactions),
 * log-append.c and log-read.c share; nobody else may include it. */
#pragma once

#include "service/database.h"
#include "service/log.h"

#define LOG_BOOT_CHARS 63

/* The log's own row. */
typedef struct LogMeta {
        char epoch[LOG_EPOCH_CHARS + 1];
        uint64_t next_id;
        int64_t last_ms;
        uint64_t bytes; /* of user names and texts that are kept */
        /* The boot in which something was taken that is lost if the power is; empty: nothing is. */
        char unsynced_boot[LOG_BOOT_CHARS + 1];
} LogMeta;

typedef enum LogStatement {
        LOG_BEGIN,
        LOG_COMMIT,
        LOG_SET_META,
        LOG_FIND_KEY,
        LOG_ADD_MESSAGE,
        LOG_ADD_KEY,
        LOG_TAKE_BACK_MESSAGES,
        LOG_TAKE_BACK_KEYS,
        LOG_READ,
        LOG_OLDEST_MESSAGES,
        LOG_OLDEST_KEYS,
        LOG_TRIM_MESSAGES,
        LOG_TRIM_KEYS,
        LOG_N_STATEMENTS,
} LogStatement;

struct Log {
        char *directory, *path; /* NULL: in memory */
        LogOptions options;     /* without the boot_id */
        char boot[LOG_BOOT_CHARS + 1];
        sqlite3 *db; /* NULL: broken, or there is no file yet */
        sqlite3_stmt *statements[LOG_N_STATEMENTS];
        bool writable;    /* db is */
        bool syncs;       /* db waits for the disk in each transaction */
        bool made;        /* the file is there, or was */
        bool in_the_way;  /* the file there is not this log's: it is to be set aside first */
        bool damaged;     /* this log's file is */
        char aside[32];   /* what was set aside got this behind its name */
        char damage[128]; /* of what was in the way */
        LogMeta meta;     /* as committed */
        uint64_t first;
};

/* ---- log-file.c */

int log_make_paths(Log *l, const char *directory);
/* Reads what is there and changes nothing: sets made, or in_the_way and damage. Errors and outcomes
 * are log_open()'s. */
int log_inspect(Log *l, LogError *error);
/* 0: db can be written. Otherwise it can be read, if anything can. */
int log_connect(Log *l);
/* The same for a log that is in use: -EUCLEAN is damage. */
int log_make_writable(Log *l);
void log_disconnect(Log *l);
/* What is left of a failure: the transaction, the connection, the trust in the file. */
void log_failed(Log *l, int r);

/* ---- log-rows.c */

/* An empty log's. */
int log_create_tables(sqlite3 *db, const LogMeta *meta);
int log_create_file(const Log *l, int directory);
/* Outcome: LOG_E_UNUSABLE. -EUCLEAN: what stands there is not ours. */
int log_load(sqlite3 *db, LogMeta *ret, uint64_t *ret_first);
/* It is to be reset when done with. */
int log_take(Log *l, LogStatement which, sqlite3_stmt **ret);
/* For what gives no rows. */
int log_run(Log *l, sqlite3_stmt *statement);
/* Around a transaction after which the log's row is to be `next`. */
int log_begin(Log *l, const LogMeta *next);
int log_commit(Log *l, const LogMeta *next);
/* Makes sure that all that was taken is on the disk, that nothing is there that was refused, and
 * that there is room. */
int log_settle(Log *l);
