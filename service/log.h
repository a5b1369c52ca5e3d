/* SPDX-License-Identifier: MIT */
/*
 * log.db: a room's messages, in SQLite. Everything here is for the store's thread, or for whoever
 * opens the log before there is one.
 *
 * Ids are dense and never reused within an epoch, whatever is trimmed, and times never decrease. A
 * message that carries a key (who sent it, and what the sender called it) is taken once: the same
 * key again is answered with what came of it the first time, for LOG_KEY_MS, however short messages
 * are kept.
 *
 * Wherever -EUCLEAN is returned, the file has turned out to be damaged: nothing more is taken, and
 * the next log_open() sets it aside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_EPOCH_CHARS 16
#define LOG_KEY_BYTES 32
#define LOG_KEY_MS (INT64_C(24) * 60 * 60 * 1000)
#define LOG_CLIENT_ID_MAX 36

typedef struct Log Log;

typedef struct LogOptions {
        bool full_sync;         /* survive the loss of power, too */
        uint64_t keep_messages; /* here and below, 0: no limit */
        uint64_t keep_ms;
        uint64_t keep_bytes; /* of user names and texts */
        const char *boot_id; /* this boot's, to tell whether power may have been lost; it is copied.
                              * NULL: not known, and each unclean end may have been such a loss */
} LogOptions;

/* What is wrong, or was mended, one line for the operator; empty: nothing. */
typedef struct LogError {
        char text[512];
} LogError;

typedef enum LogResult {
        LOG_APPENDED,
        LOG_REPEATED, /* it had been taken already: id and time_ms are those of then */
        LOG_CONFLICT, /* its key had been used for another text: id and time_ms are that one's */
} LogResult;

typedef struct LogMessage {
        uint64_t id;     /* set by log_append() */
        int64_t time_ms; /* raised by log_append() where the one before it is later */
        char *user;      /* NUL-terminated */
        char *text;      /* n_text bytes and a NUL */
        size_t n_text;
        char client_id[LOG_CLIENT_ID_MAX + 1]; /* empty: none */
        bool has_key;                          /* false in what is read */
        uint8_t key[LOG_KEY_BYTES];
        LogResult result; /* set by log_append() */
} LogMessage;

typedef struct LogRange {
        uint64_t after;   /* the id behind which to begin */
        size_t max;       /* messages */
        size_t max_bytes; /* of text; but one message in any case */
} LogRange;

enum {
        LOG_E_UNUSABLE = 1, /* a schema newer than this program: nothing was touched */
};

/* directory NULL: in memory, for as long as the process lives. A file that is damaged is set aside
 * under a dated name, with what belongs to it, and a new epoch begins; one that cannot be written
 * can still be read. *error may be set on success: worth a warning. Outcome: LOG_E_UNUSABLE. */
int log_open(Log **ret, const char *directory, const LogOptions *options, LogError *error);
/* Marks the end as clean. */
Log *log_free(Log *log);
/* Whatever is not kept any more goes with the next log_trim(). */
void log_configure(Log *log, const LogOptions *options);

/* The same from one log_open() to log_free(), but for append and trim; read on the store's thread.
 */
const char *log_epoch(const Log *log);
uint64_t log_head(const Log *log);     /* id of the newest message ever; 0: none yet */
uint64_t log_first(const Log *log);    /* id of the oldest kept; head + 1: none is */
int64_t log_last_time(const Log *log); /* of the newest message ever; 0: none yet */

/* All of them in one transaction, in order; or none, and no id is used up: a negative errno
 * (-ENOSPC, -EROFS, -EIO; -ESTALE: somebody took the file away), and then what is set in a message
 * means nothing. Unless damaged, what failed is tried afresh the next time. */
int log_append(Log *log, LogMessage *messages, size_t n);

/* Oldest first. They are the caller's: log_messages_free(). */
int log_read(Log *log, const LogRange *range, LogMessage **ret, size_t *ret_n);
void log_messages_free(LogMessage *messages, size_t n);

/* Deletes at most `max` messages, and as many keys, of what need not be kept at this time.
 * *ret_more: there is more. The file keeps its size: what comes next goes where they were. */
int log_trim(Log *log, int64_t now_ms, size_t max, bool *ret_more);
