/* SPDX-License-Identifier: MIT */
/*
 * The schema and the statements. Every row that is read is checked as if a stranger had written it,
 * because after a crash of the disk one has.
 */
#include <string.h>
#include <time.h>

#include "proto/base.h"
#include "service/state-internal.h"
#include "service/text.h"

#define ANY_NAME "*"

static const char tables_sql[] =
        "CREATE TABLE tokens ("
        " hash BLOB PRIMARY KEY CHECK (length(hash) = 32),"
        " user TEXT NOT NULL," /* "*": any free name */
        " label TEXT NOT NULL,"
        " created_ms INTEGER NOT NULL,"
        " expires_ms INTEGER NOT NULL" /* 0: never */
        ") STRICT, WITHOUT ROWID;"
        /* By hash alone, whether the token stands above or in a configuration. */
        "CREATE TABLE revocations ("
        " hash BLOB PRIMARY KEY CHECK (length(hash) = 32),"
        " user TEXT NOT NULL,"
        " revoked_ms INTEGER NOT NULL"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE uses ("
        " hash BLOB PRIMARY KEY CHECK (length(hash) = 32),"
        " last_used_ms INTEGER NOT NULL"
        ") STRICT, WITHOUT ROWID;";

int state_create_file(const char *path, int directory) {
        const DatabaseSchema schema = {STATE_APPLICATION, STATE_SCHEMA, tables_sql};

        return database_make_file(path, directory, &schema);
}

/* ---- reading */

static int read_hash(sqlite3_stmt *statement, TokenHash *ret) {
        const void *bytes = sqlite3_column_blob(statement, 0);

        if (!bytes || sqlite3_column_bytes(statement, 0) != TOKEN_HASH_BYTES)
                return -EUCLEAN;
        memcpy(ret->bytes, bytes, TOKEN_HASH_BYTES);
        return 0;
}

/* Hash and name, which tokens and revocations begin with. */
static int read_who(sqlite3_stmt *statement, Token *ret) {
        const char *user = (const char *) sqlite3_column_text(statement, 1);
        size_t n = (size_t) sqlite3_column_bytes(statement, 1);
        TokenHash hash;
        Name name;

        if (!user || read_hash(statement, &hash) != 0)
                return -EUCLEAN;
        if (strcmp(user, ANY_NAME) == 0)
                token_init(ret, &hash, NULL);
        else if (name_parse(&name, user, n) == 0)
                token_init(ret, &hash, &name);
        else
                return -EUCLEAN;
        return 0;
}

static int read_token(sqlite3_stmt *statement, Token *ret) {
        const char *label = (const char *) sqlite3_column_text(statement, 2);
        size_t n = (size_t) sqlite3_column_bytes(statement, 2);

        if (read_who(statement, ret) != 0 || !label || text_check(label, n, TOKEN_LABEL_MAX) != 0)
                return -EUCLEAN;
        memcpy(ret->label, label, n);
        ret->created_ms = sqlite3_column_int64(statement, 3);
        ret->expires_ms = sqlite3_column_int64(statement, 4);
        return 0;
}

static int read_use(sqlite3_stmt *statement, Token *ret) {
        TokenHash hash;

        if (read_hash(statement, &hash) != 0)
                return -EUCLEAN;
        token_init(ret, &hash, NULL);
        ret->last_used_ms = sqlite3_column_int64(statement, 1);
        return 0;
}

static const struct {
        const char *sql;
        TokenChangeKind kind;
        int (*read)(sqlite3_stmt *statement, Token *ret);
} tables[] = {
        {"SELECT hash, user, label, created_ms, expires_ms FROM tokens", TOKEN_ADD, read_token},
        {"SELECT hash, user FROM revocations", TOKEN_REVOKE, read_who},
        {"SELECT hash, last_used_ms FROM uses", TOKEN_USE, read_use},
};

static TokenChange *next_row(StateRows *rows) {
        if (rows->n == rows->capacity) {
                size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
                TokenChange *changes = reallocarray(rows->changes, capacity, sizeof(*changes));

                if (!changes)
                        return NULL;
                rows->changes = changes;
                rows->capacity = capacity;
        }
        return &rows->changes[rows->n];
}

int state_read_rows(sqlite3 *db, StateRows *rows) {
        for (size_t i = 0; i < ELEMENTS(tables); i++) {
                _cleanup_(sqlite3_finalizep) sqlite3_stmt *statement = NULL;
                int code;

                code = sqlite3_prepare_v2(db, tables[i].sql, -1, &statement, NULL);
                while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
                        TokenChange *row = next_row(rows);

                        if (!row)
                                return -ENOMEM;
                        row->kind = tables[i].kind;
                        if (tables[i].read(statement, &row->token) != 0)
                                return -EUCLEAN;
                        rows->n++;
                        code = SQLITE_OK;
                }
                if (code != SQLITE_DONE)
                        return database_errno(db, code);
        }
        return 0;
}

/* ---- writing */

/* ?1 hash, ?2 user, ?3 label, ?4 created, ?5 expires, ?6 last used, ?7 now */
static const char *const statements[][3] = {
        [TOKEN_ADD] = {"INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5)"},
        [TOKEN_REMOVE] = {"DELETE FROM tokens WHERE hash = ?1",
                          "DELETE FROM revocations WHERE hash = ?1",
                          "DELETE FROM uses WHERE hash = ?1"},
        [TOKEN_REVOKE] = {"INSERT OR IGNORE INTO revocations VALUES (?1, ?2, ?7)"},
        [TOKEN_RETIRE] = {"INSERT INTO revocations VALUES (?1, ?2, ?7)"},
        [TOKEN_UNREVOKE] = {"DELETE FROM revocations WHERE hash = ?1"},
        [TOKEN_USE] = {"INSERT OR REPLACE INTO uses VALUES (?1, ?6)"},
};

static int bind(sqlite3_stmt *statement, const Token *token) {
        const char *user = token->any_name ? ANY_NAME : token->name.text;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        /* A statement has as many parameters as its highest one; the others are out of range. */
        sqlite3_bind_blob(statement, 1, token->hash.bytes, TOKEN_HASH_BYTES, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, user, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, token->label, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, token->created_ms);
        sqlite3_bind_int64(statement, 5, token->expires_ms);
        sqlite3_bind_int64(statement, 6, token->last_used_ms);
        sqlite3_bind_int64(statement, 7, (int64_t) now.tv_sec * 1000);
        return sqlite3_step(statement);
}

static int write_row(sqlite3 *db, const TokenChange *change) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTS(statements[0]); i++) {
                const char *sql = statements[change->kind][i];
                _cleanup_(sqlite3_finalizep) sqlite3_stmt *statement = NULL;
                int code;

                if (!sql)
                        break;
                code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
                if (code == SQLITE_OK)
                        code = bind(statement, &change->token);
                r = database_errno(db, code);
        }
        return r == -EEXIST ? STATE_E_EXISTS : r;
}

int state_write_rows(sqlite3 *db, const TokenChange *changes, size_t n) {
        int r = database_execute(db, "BEGIN IMMEDIATE");

        if (r != 0)
                return r;
        for (size_t i = 0; r == 0 && i < n; i++)
                r = write_row(db, &changes[i]);
        if (r == 0 && n == 0) /* writes a page, as any change would */
                r = database_execute(db, "PRAGMA user_version = 1");
        if (r == 0)
                r = database_execute(db, "COMMIT");
        if (r != 0)
                (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}
