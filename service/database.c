/* SPDX-License-Identifier: MIT */
/*
 * SQLite's corners. A new file gets its tables under another name: one that is there is a whole
 * one, and an empty one is a broken one.
 */
#include "service/database.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int database_errno(sqlite3 *db, int code) {
        int system = db ? sqlite3_system_errno(db) : 0;

        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_SCHEMA:
        case SQLITE_ERROR: /* no such table, no such column */
                return -EUCLEAN;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_NOMEM:
                return -ENOMEM;
        default:
                return system > 0 ? -system : -EIO;
        }
}

int database_execute(sqlite3 *db, const char *sql) {
        return database_errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int database_number(sqlite3 *db, const char *sql, int64_t *ret) {
        _cleanup_(sqlite3_finalizep) sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), r;

        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        r = code == SQLITE_DONE ? -EUCLEAN : database_errno(db, code);
        if (r == 0)
                *ret = sqlite3_column_int64(statement, 0);
        return r;
}

/* As a URI, with which alone SQLite can be told that nobody writes the file. */
static char *immutable_uri(const char *path) {
        const char *plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
        char *uri = malloc(strlen(path) * 3 + sizeof("file:?immutable=1"));
        char *end = uri ? stpcpy(uri, "file:") : NULL;

        if (!uri)
                return NULL;
        for (; *path; path++)
                end += sprintf(end, strchr(plain, *path) ? "%c" : "%%%02X", (unsigned char) *path);
        strcpy(end, "?immutable=1");
        return uri;
}

/* A log that was left behind has to be read too, and that takes what SQLite calls a write-ahead
 * log's index: in exclusive mode it is kept in memory. */
int database_open_reading(sqlite3 **ret, const char *path) {
        _cleanup_(freep) char *uri = immutable_uri(path), *wal = NULL;
        struct stat st;
        int code;

        if (!uri || asprintf(&wal, "%s-wal", path) < 0)
                return -ENOMEM;
        if (stat(wal, &st) < 0 || st.st_size == 0) {
                code = sqlite3_open_v2(uri, ret, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
                return database_errno(*ret, code);
        }
        code = sqlite3_open_v2(path, ret, SQLITE_OPEN_READONLY, "unix-none");
        if (code == SQLITE_OK)
                code = sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_exec(*ret, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
        return database_errno(*ret, code);
}

int database_create_tables(sqlite3 *db, const DatabaseSchema *schema) {
        char header[128];
        int r;

        snprintf(header, sizeof(header), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                 schema->application, schema->version);
        r = database_execute(db, "BEGIN");
        if (r == 0)
                r = database_execute(db, schema->sql);
        if (r == 0)
                r = database_execute(db, header);
        return r == 0 ? database_execute(db, "COMMIT") : r;
}

static int fill_file(const char *path, const DatabaseSchema *schema) {
        _cleanup_(sqlite3_closep) sqlite3 *db = NULL;
        int r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);

        r = database_errno(db, r);
        return r == 0 ? database_create_tables(db, schema) : r;
}

int database_make_file(const char *path, int directory, const DatabaseSchema *schema) {
        _cleanup_(freep) char *fresh = NULL;
        int fd, r;

        if (asprintf(&fresh, "%s.new", path) < 0)
                return -ENOMEM;
        if (unlink(fresh) < 0 && errno != ENOENT)
                return -errno;
        /* SQLite gives the files that it puts beside it the same mode. */
        fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        (void) close_fd(fd);
        r = fill_file(fresh, schema);
        if (r == 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r != 0)
                (void) unlink(fresh);
        else if (fsync(directory) < 0)
                r = -errno;
        return r;
}
