/* SPDX-License-Identifier: MIT */
/*
 * The schema, the statements and the transactions. The log's one row is written in each of them, so
 * it always tells of the other tables as they are: the next id, what is kept in bytes (nothing is
 * ever counted), and whether the loss of power would take away something that was taken.
 *
 * That last mark is what an unclean end is judged by, so it has to be on the disk before the first
 * message that it stands for is acknowledged: a transaction that changes it waits for the disk
 * whatever the options are, and all that was written before it is on the disk as well then.
 */
#include <string.h>

#include "service/log-internal.h"

#define APPLICATION 0x43484c47 /* "CHLG" */
#define SCHEMA 1

static const char set_version[] = "PRAGMA user_version = 1";

static const char tables[] = "CREATE TABLE log ("
                             " epoch TEXT NOT NULL,"
                             " next_id INTEGER NOT NULL,"
                             " last_ms INTEGER NOT NULL,"
                             " bytes INTEGER NOT NULL,"
                             " unsynced_boot TEXT NOT NULL"
                             ") STRICT;"
                             "CREATE TABLE messages ("
                             " id INTEGER PRIMARY KEY,"
                             " time_ms INTEGER NOT NULL,"
                             " user TEXT NOT NULL,"
                             " text TEXT NOT NULL,"
                             " client_id TEXT NOT NULL"
                             ") STRICT;"
                             /* By id, too: they are forgotten in the order in which they came, and
                              * only finding one means going to and fro in the file. */
                             "CREATE TABLE keys ("
                             " id INTEGER PRIMARY KEY," /* of the message, which may be gone */
                             " key BLOB NOT NULL UNIQUE,"
                             " time_ms INTEGER NOT NULL,"
                             " text_hash BLOB NOT NULL"
                             ") STRICT;";

static const char *const sql[LOG_N_STATEMENTS] = {
        [LOG_BEGIN] = "BEGIN IMMEDIATE",
        [LOG_COMMIT] = "COMMIT",
        [LOG_SET_META] =
                "UPDATE log SET epoch = ?, next_id = ?, last_ms = ?, bytes = ?, unsynced_boot = ?",
        [LOG_FIND_KEY] = "SELECT id, time_ms, text_hash FROM keys WHERE key = ?1",
        [LOG_ADD_MESSAGE] = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5)",
        [LOG_ADD_KEY] = "INSERT INTO keys VALUES (?1, ?2, ?3, ?4)",
        [LOG_TAKE_BACK_MESSAGES] = "DELETE FROM messages WHERE id >= ?1",
        [LOG_TAKE_BACK_KEYS] = "DELETE FROM keys WHERE id >= ?1",
        [LOG_READ] =
                "SELECT id, time_ms, user, text, client_id FROM messages WHERE id > ? ORDER BY id",
        [LOG_OLDEST_MESSAGES] = "SELECT id, time_ms, user, text FROM messages ORDER BY id",
        [LOG_OLDEST_KEYS] = "SELECT id, time_ms FROM keys ORDER BY id",
        [LOG_TRIM_MESSAGES] = "DELETE FROM messages WHERE id <= ?1",
        [LOG_TRIM_KEYS] = "DELETE FROM keys WHERE id <= ?1",
};

/* ---- a new one */

static int make_schema(DatabaseSchema *ret, char **ret_sql, const LogMeta *meta) {
        if (asprintf(ret_sql, "%s INSERT INTO log VALUES ('%s', 1, 0, 0, '')", tables,
                     meta->epoch) < 0)
                return -ENOMEM;
        *ret = (DatabaseSchema){.application = APPLICATION, .version = SCHEMA, .sql = *ret_sql};
        return 0;
}

int log_create_tables(sqlite3 *db, const LogMeta *meta) {
        _cleanup_(freep) char *text = NULL;
        DatabaseSchema schema;
        int r = make_schema(&schema, &text, meta);

        return r == 0 ? database_create_tables(db, &schema) : r;
}

int log_create_file(const Log *l, int directory) {
        _cleanup_(freep) char *text = NULL;
        DatabaseSchema schema;
        int r = make_schema(&schema, &text, &l->meta);

        return r == 0 ? database_make_file(l->path, directory, &schema) : r;
}

/* ---- one that is there */

static int check_header(sqlite3 *db) {
        int64_t application = 0, version = 0;
        int r = database_number(db, "PRAGMA application_id", &application);

        if (r == 0)
                r = database_number(db, "PRAGMA user_version", &version);
        if (r == 0 && application == APPLICATION && version > SCHEMA)
                return LOG_E_UNUSABLE;
        return r == 0 && (application != APPLICATION || version != SCHEMA) ? -EUCLEAN : r;
}

static int copy_text(sqlite3_stmt *s, int column, char *ret, size_t size) {
        const char *text = (const char *) sqlite3_column_text(s, column);
        size_t n = (size_t) sqlite3_column_bytes(s, column);

        if (!text || n >= size || strlen(text) != n)
                return -EUCLEAN;
        memcpy(ret, text, n + 1);
        return 0;
}

static int read_meta(sqlite3_stmt *s, LogMeta *ret, uint64_t *ret_first) {
        int64_t next_id = sqlite3_column_int64(s, 1), bytes = sqlite3_column_int64(s, 3);
        bool empty = sqlite3_column_type(s, 5) == SQLITE_NULL;
        int64_t first = empty ? next_id : sqlite3_column_int64(s, 5);
        int64_t last = empty ? next_id - 1 : sqlite3_column_int64(s, 6);

        if (next_id < 1 || bytes < 0 || first < 1 || first > next_id || last != next_id - 1 ||
            copy_text(s, 0, ret->epoch, sizeof(ret->epoch)) != 0 ||
            strspn(ret->epoch, "0123456789abcdef") != LOG_EPOCH_CHARS ||
            copy_text(s, 4, ret->unsynced_boot, sizeof(ret->unsynced_boot)) != 0)
                return -EUCLEAN;
        ret->next_id = (uint64_t) next_id;
        ret->last_ms = sqlite3_column_int64(s, 2);
        ret->bytes = (uint64_t) bytes;
        *ret_first = (uint64_t) first;
        return 0;
}

int log_load(sqlite3 *db, LogMeta *ret, uint64_t *ret_first) {
        _cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
        int code, r = check_header(db);

        if (r != 0)
                return r;
        code = sqlite3_prepare_v2(db,
                                  "SELECT epoch, next_id, last_ms, bytes, unsynced_boot,"
                                  " (SELECT min(id) FROM messages), (SELECT max(id) FROM messages)"
                                  " FROM log",
                                  -1, &s, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_step(s);
        if (code == SQLITE_ROW)
                return read_meta(s, ret, ret_first);
        return code == SQLITE_DONE ? -EUCLEAN : database_errno(db, code);
}

/* ---- statements and transactions */

int log_take(Log *l, LogStatement which, sqlite3_stmt **ret) {
        sqlite3_stmt **s = &l->statements[which];
        int code = SQLITE_OK;

        if (!*s)
                code = sqlite3_prepare_v3(l->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, s,
                                          NULL);
        if (code != SQLITE_OK)
                return database_errno(l->db, code);
        *ret = *s;
        return 0;
}

int log_run(Log *l, sqlite3_stmt *s) {
        return database_errno(l->db, sqlite3_step(s));
}

static int run_plain(Log *l, LogStatement which) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int r = log_take(l, which, &s);

        return r == 0 ? log_run(l, s) : r;
}

int log_begin(Log *l, const LogMeta *next) {
        bool sync = l->options.full_sync || strcmp(next->unsynced_boot, l->meta.unsynced_boot) != 0;
        int r = 0;

        if (sync != l->syncs)
                r = database_execute(l->db, sync ? "PRAGMA synchronous = FULL"
                                                 : "PRAGMA synchronous = NORMAL");
        if (r != 0)
                return r;
        l->syncs = sync;
        return run_plain(l, LOG_BEGIN);
}

static int set_meta(Log *l, const LogMeta *next) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int r = log_take(l, LOG_SET_META, &s);

        if (r != 0)
                return r;
        sqlite3_bind_text(s, 1, next->epoch, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, (int64_t) next->next_id);
        sqlite3_bind_int64(s, 3, next->last_ms);
        sqlite3_bind_int64(s, 4, (int64_t) next->bytes);
        sqlite3_bind_text(s, 5, next->unsynced_boot, -1, SQLITE_STATIC);
        return log_run(l, s);
}

int log_commit(Log *l, const LogMeta *next) {
        int r = set_meta(l, next);

        if (r == 0)
                r = run_plain(l, LOG_COMMIT);
        if (r == 0)
                l->meta = *next;
        return r;
}

static int take_back(Log *l, LogStatement which) {
        _cleanup_(sqlite3_resetp) sqlite3_stmt *s = NULL;
        int r = log_take(l, which, &s);

        if (r != 0)
                return r;
        sqlite3_bind_int64(s, 1, (int64_t) l->meta.next_id);
        return log_run(l, s);
}

/* A commit that failed may have reached the disk nevertheless, and is found when the file is opened
 * once more; but whoever sent it was told that it was refused. */
int log_settle(Log *l) {
        LogMeta next = l->meta;
        int r;

        next.unsynced_boot[0] = '\0';
        r = log_begin(l, &next);
        if (r == 0)
                r = take_back(l, LOG_TAKE_BACK_MESSAGES);
        if (r == 0)
                r = take_back(l, LOG_TAKE_BACK_KEYS);
        if (r == 0) /* which writes a page: rows that stay as they are do not */
                r = database_execute(l->db, set_version);
        return r == 0 ? log_commit(l, &next) : r;
}
