/* SPDX-License-Identifier: MIT */
/*
 * What is given, and what is kept no longer. Ids are dense, so how many messages there are follows
 * from the first and the last one; a row that is not there all the same is damage, like one that
 * cannot be ours.
 */
#include <string.h>

#include "service/log-internal.h"

typedef struct Batch {
        LogMessage *messages;
        size_t n;
} Batch;

static void batch_done(Batch *b) {
        log_messages_free(b->messages, b->n);
}

static size_t min_size(size_t a, uint64_t b) {
        return b < a ? (size_t) b : a;
}

/* ---- reading */

static char *copy_column(sqlite3_stmt *s, int column, size_t *ret_n) {
        const unsigned char *text = sqlite3_column_text(s, column);
        size_t n = (size_t) sqlite3_column_bytes(s, column);
        char *copy = text ? malloc(n + 1) : NULL;

        if (!copy)
                return NULL;
        memcpy(copy, text, n);
        copy[n] = '\0';
        *ret_n = n;
        return copy;
}

/* On failure, it is to be freed as well. */
static int read_row(sqlite3_stmt *s, uint64_t id, LogMessage *m) {
        size_t n, n_client_id = (size_t) sqlite3_column_bytes(s, 4);
        const unsigned char *client_id = sqlite3_column_text(s, 4);

        if ((uint64_t) sqlite3_column_int64(s, 0) != id || !client_id ||
            n_client_id > LOG_CLIENT_ID_MAX || sqlite3_column_type(s, 2) != SQLITE_TEXT ||
            sqlite3_column_type(s, 3) != SQLITE_TEXT)
                return -EUCLEAN;
        m->id = id;
        m->time_ms = sqlite3_column_int64(s, 1);
        m->user = copy_column(s, 2, &n);
        m->text = copy_column(s, 3, &m->n_text);
        memcpy(m->client_id, client_id, n_client_id);
        return m->user && m->text ? 0 : -ENOMEM;
}

static int read_range(Log *l, uint64_t after, size_t max, size_t max_bytes, Batch *b) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        size_t bytes = 0;
        int code = SQLITE_ROW, r = log_take(l, LOG_READ, &s);

        if (r != 0)
                return r;
        sqlite3_bind_int64(s, 1, (int64_t) after);
        while (b->n < max && (code = sqlite3_step(s)) == SQLITE_ROW) {
                bytes += (size_t) sqlite3_column_bytes(s, 3);
                if (b->n > 0 && bytes > max_bytes)
                        return 0;
                r = read_row(s, after + b->n + 1, &b->messages[b->n]);
                b->n++;
                if (r != 0)
                        return r;
        }
        return code == SQLITE_DONE ? -EUCLEAN : database_errno(l->db, code);
}

int log_read(Log *l, const LogRange *range, LogMessage **ret, size_t *ret_n) {
        uint64_t after = range->after < l->first - 1 ? l->first - 1 : range->after;
        size_t max = after < log_head(l) ? min_size(range->max, log_head(l) - after) : 0;
        _cleanup_(batch_done) Batch b = {0};
        int r = 0;

        if (max > 0) {
                b.messages = calloc(max, sizeof(*b.messages));
                if (!b.messages)
                        return -ENOMEM;
                if (!l->db)
                        r = log_connect(l);
                if (l->db)
                        r = read_range(l, after, max, range->max_bytes, &b);
        }
        if (r != 0) {
                log_failed(l, r);
                return r;
        }
        *ret = TAKE_PTR(b.messages);
        *ret_n = b.n;
        return 0;
}

void log_messages_free(LogMessage *messages, size_t n) {
        for (size_t i = 0; messages && i < n; i++) {
                free(messages[i].user);
                free(messages[i].text);
        }
        free(messages);
}

/* ---- trimming */

typedef struct Cut {
        size_t n;
        uint64_t last; /* id */
        uint64_t bytes;
} Cut;

static bool is_kept(const Log *l, const Cut *cut, int64_t age_ms) {
        const LogOptions *o = &l->options;
        uint64_t n = l->meta.next_id - l->first - cut->n;

        return (o->keep_messages == 0 || n <= o->keep_messages) &&
               (o->keep_ms == 0 || age_ms < 0 || (uint64_t) age_ms <= o->keep_ms) &&
               (o->keep_bytes == 0 || l->meta.bytes - cut->bytes <= o->keep_bytes);
}

static int find_messages(Log *l, int64_t now_ms, size_t max, Cut *ret) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int code = SQLITE_DONE, r = log_take(l, LOG_OLDEST_MESSAGES, &s);

        if (r != 0)
                return r;
        while (ret->n < max && (code = sqlite3_step(s)) == SQLITE_ROW &&
               !is_kept(l, ret, now_ms - sqlite3_column_int64(s, 1))) {
                ret->n++;
                ret->last = (uint64_t) sqlite3_column_int64(s, 0);
                ret->bytes += (uint64_t) sqlite3_column_bytes(s, 2) +
                              (uint64_t) sqlite3_column_bytes(s, 3);
        }
        if (ret->n > 0 && (ret->last != l->first + ret->n - 1 || ret->bytes > l->meta.bytes))
                return -EUCLEAN;
        return database_errno(l->db, code);
}

static int find_keys(Log *l, int64_t now_ms, size_t max, Cut *ret) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int code = SQLITE_DONE, r = log_take(l, LOG_OLDEST_KEYS, &s);

        if (r != 0)
                return r;
        while (ret->n < max && (code = sqlite3_step(s)) == SQLITE_ROW &&
               now_ms - sqlite3_column_int64(s, 1) > LOG_KEY_MS) {
                ret->n++;
                ret->last = (uint64_t) sqlite3_column_int64(s, 0);
        }
        return database_errno(l->db, code);
}

static int delete_up_to(Log *l, LogStatement which, const Cut *cut) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int r;

        if (cut->n == 0)
                return 0;
        r = log_take(l, which, &s);
        if (r != 0)
                return r;
        sqlite3_bind_int64(s, 1, (int64_t) cut->last);
        return log_run(l, s);
}

static int delete (Log *l, const Cut *messages, const Cut *keys) {
        LogMeta next = l->meta;
        int r = log_begin(l, &next);

        next.bytes -= messages->bytes;
        if (r == 0)
                r = delete_up_to(l, LOG_TRIM_MESSAGES, messages);
        if (r == 0)
                r = delete_up_to(l, LOG_TRIM_KEYS, keys);
        if (r == 0)
                r = log_commit(l, &next);
        if (r == 0)
                l->first += messages->n;
        return r;
}

int log_trim(Log *l, int64_t now_ms, size_t max, bool *ret_more) {
        Cut messages = {0}, keys = {0};
        int r = log_make_writable(l);

        if (r != 0)
                return r;
        r = find_messages(l, now_ms, max, &messages);
        if (r == 0)
                r = find_keys(l, now_ms, max, &keys);
        if (r == 0 && messages.n + keys.n > 0)
                r = delete (l, &messages, &keys);
        if (r != 0) {
                log_failed(l, r);
                return r;
        }
        *ret_more = messages.n == max || keys.n == max;
        return 0;
}
