/* SPDX-License-Identifier: MIT */
/*
 * What is taken: a group in one transaction. The log's row in memory changes when the group has
 * been committed and not before, so a group that failed has left nothing behind.
 */
#include <openssl/evp.h>
#include <string.h>

#include "service/log-internal.h"

#define HASH_BYTES 32

static int hash_text(const LogMessage *m, uint8_t ret[static HASH_BYTES]) {
        return EVP_Digest(m->text, m->n_text, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

/* Sets the message's result, and its id and time unless it is new. */
static int find_key(Log *l, LogMessage *m, const uint8_t hash[static HASH_BYTES]) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int code, r = log_take(l, LOG_FIND_KEY, &s);

        m->result = LOG_APPENDED;
        if (r != 0)
                return r;
        sqlite3_bind_blob(s, 1, m->key, LOG_KEY_BYTES, SQLITE_STATIC);
        code = sqlite3_step(s);
        if (code != SQLITE_ROW)
                return database_errno(l->db, code);
        if (sqlite3_column_bytes(s, 2) != HASH_BYTES)
                return -EUCLEAN;
        m->result = memcmp(sqlite3_column_blob(s, 2), hash, HASH_BYTES) == 0 ? LOG_REPEATED
                                                                             : LOG_CONFLICT;
        m->id = (uint64_t) sqlite3_column_int64(s, 0);
        m->time_ms = sqlite3_column_int64(s, 1);
        return 0;
}

static int add_key(Log *l, const LogMessage *m, const uint8_t hash[static HASH_BYTES]) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int r = log_take(l, LOG_ADD_KEY, &s);

        if (r != 0)
                return r;
        sqlite3_bind_int64(s, 1, (int64_t) m->id);
        sqlite3_bind_blob(s, 2, m->key, LOG_KEY_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(s, 3, m->time_ms);
        sqlite3_bind_blob(s, 4, hash, HASH_BYTES, SQLITE_STATIC);
        return log_run(l, s);
}

static int add_message(Log *l, const LogMessage *m) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int r = log_take(l, LOG_ADD_MESSAGE, &s);

        if (r != 0)
                return r;
        sqlite3_bind_int64(s, 1, (int64_t) m->id);
        sqlite3_bind_int64(s, 2, m->time_ms);
        sqlite3_bind_text(s, 3, m->user, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 4, m->text, (int) m->n_text, SQLITE_STATIC);
        sqlite3_bind_text(s, 5, m->client_id, -1, SQLITE_STATIC);
        return log_run(l, s);
}

static int take(Log *l, LogMeta *next, LogMessage *m) {
        uint8_t hash[HASH_BYTES];
        int r = 0;

        m->result = LOG_APPENDED;
        if (m->has_key)
                r = hash_text(m, hash);
        if (r == 0 && m->has_key)
                r = find_key(l, m, hash);
        if (r != 0 || m->result != LOG_APPENDED)
                return r;
        if (m->time_ms < next->last_ms)
                m->time_ms = next->last_ms;
        m->id = next->next_id;
        r = add_message(l, m);
        if (r == 0 && m->has_key)
                r = add_key(l, m, hash);
        if (r != 0)
                return r;
        next->next_id++;
        next->last_ms = m->time_ms;
        next->bytes += strlen(m->user) + m->n_text;
        return 0;
}

/* Somebody may have taken the file away; what is written to it then is lost with the process. */
static int check_place(Log *l) {
        int moved = 0;

        if (l->path &&
            sqlite3_file_control(l->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
            moved)
                return -ESTALE;
        return 0;
}

static int take_all(Log *l, LogMessage *messages, size_t n) {
        LogMeta next = l->meta;
        int r = check_place(l);

        strcpy(next.unsynced_boot, l->options.full_sync ? "" : l->boot);
        if (r == 0)
                r = log_begin(l, &next);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = take(l, &next, &messages[i]);
        return r == 0 ? log_commit(l, &next) : r;
}

int log_append(Log *l, LogMessage *messages, size_t n) {
        int r = log_make_writable(l);

        if (r != 0)
                return r;
        r = take_all(l, messages, n);
        if (r != 0)
                log_failed(l, r);
        return r;
}
