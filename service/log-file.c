/* SPDX-License-Identifier: MIT */
/*
 * The file, and what becomes of it. It is looked at first through a connection that cannot change
 * anything; written through one that has it for itself, so that nobody else's reading can make the
 * write-ahead log grow and no index of it has to be on the disk. Without room or the right to write
 * it is read through the first kind, and each attempt to write tries for the second kind again.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "service/log-internal.h"

#define BUSY_MS 500

/* What a write-ahead log shrinks to again after a great transaction. */
#define CONNECT                                                                                    \
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"                              \
        "PRAGMA journal_size_limit = 16777216; PRAGMA synchronous = FULL"

static const char *const belongings[] = {"", "-wal", "-shm"};

/* Short: it is a file of the state directory, whose name has been looked at. */
typedef struct Path {
        char text[512];
} Path;

static const char *beside(const Log *l, const char *suffix, Path *ret) {
        snprintf(ret->text, sizeof(ret->text), "%s%s", l->path, suffix);
        return ret->text;
}

int log_make_paths(Log *l, const char *directory) {
        if (strlen(directory) > 400)
                return -ENAMETOOLONG;
        l->directory = strdup(directory);
        return l->directory && asprintf(&l->path, "%s/log.db", directory) >= 0 ? 0 : -ENOMEM;
}

/* ---- looking */

static int in_the_way(Log *l, const char *what) {
        l->in_the_way = true;
        snprintf(l->damage, sizeof(l->damage), "%s", what);
        return 0;
}

static bool is_sqlite(sqlite3 *db) {
        int code = sqlite3_errcode(db);

        return code != SQLITE_CORRUPT && code != SQLITE_NOTADB;
}

static int read_file(Log *l, LogError *error) {
        _cleanup_(sqlite3_closep) sqlite3 *db = NULL;
        int r = database_open_reading(&db, l->path);

        if (r == 0)
                r = log_load(db, &l->meta, &l->first);
        if (r == LOG_E_UNUSABLE)
                snprintf(error->text, sizeof(error->text),
                         "%s was written by a newer chatroomd. It was left as it is: install that "
                         "version again, or move the file away.",
                         l->path);
        else if (r == -EUCLEAN)
                r = in_the_way(l, is_sqlite(db) ? "what stands in it is not ours"
                                                : sqlite3_errmsg(db));
        else if (r != 0)
                snprintf(error->text, sizeof(error->text), "Cannot read %s: %s", l->path,
                         strerror(-r));
        return r;
}

int log_inspect(Log *l, LogError *error) {
        struct stat st;
        Path path;

        if (stat(beside(l, "-damaged", &path), &st) == 0)
                return in_the_way(l, "found so while it was in use");
        if (stat(l->path, &st) < 0) {
                if (errno == ENOENT)
                        return stat(beside(l, "-wal", &path), &st) == 0 && st.st_size > 0
                                       ? in_the_way(l, "it is missing, but its own log is there")
                                       : 0;
                snprintf(error->text, sizeof(error->text), "Cannot read %s: %s", l->path,
                         strerror(errno));
                return -errno;
        }
        if (!S_ISREG(st.st_mode))
                return in_the_way(l, "it is no file");
        if (st.st_size < DATABASE_SMALLEST)
                return in_the_way(l, st.st_size == 0 ? "it is empty" : "it is too short");
        l->made = true;
        return read_file(l, error);
}

/* ---- setting aside */

static int rename_all(const Log *l, const char *aside) {
        for (size_t i = 0; i < ELEMENTS(belongings); i++) {
                Path from, to;

                beside(l, belongings[i], &from);
                snprintf(to.text, sizeof(to.text), "%s%s%s", l->path, aside, belongings[i]);
                if (renameat2(AT_FDCWD, from.text, AT_FDCWD, to.text, RENAME_NOREPLACE) < 0 &&
                    errno != ENOENT)
                        return -errno;
        }
        return 0;
}

/* The file first: should this end half way, its write-ahead log is still in the way, and goes with
 * the next start. */
static int set_aside(Log *l) {
        time_t now = time(NULL);
        struct tm utc;
        Path path;
        int r = -EEXIST;

        gmtime_r(&now, &utc);
        for (int i = 0; r == -EEXIST && i < 100; i++) {
                size_t n = strftime(l->aside, sizeof(l->aside), ".damaged-%Y%m%dT%H%M%SZ", &utc);

                if (i > 0)
                        snprintf(l->aside + n, sizeof(l->aside) - n, ".%d", i);
                r = rename_all(l, l->aside);
        }
        if (r == 0 && unlink(beside(l, "-damaged", &path)) < 0 && errno != ENOENT)
                r = -errno;
        if (r == 0)
                l->in_the_way = l->made = false;
        else
                l->aside[0] = '\0';
        return r;
}

/* ---- connections */

static int make_file(Log *l) {
        _cleanup_(closep) int fd = open(l->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : log_create_file(l, fd);

        if (r == 0)
                l->made = true;
        return r;
}

static int connect_file(Log *l) {
        int r = 0;

        if (l->in_the_way)
                r = set_aside(l);
        if (r == 0 && !l->made)
                r = make_file(l);
        else if (r == 0 && access(l->path, F_OK) < 0) /* a new one would know nothing of this one */
                r = errno == ENOENT ? -ESTALE : -errno;
        if (r != 0)
                return r;
        /* Without SQLite's own locking of threads: there is one. */
        r = sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        r = database_errno(l->db, r);
        if (r == 0 && sqlite3_db_readonly(l->db, "main") == 1)
                r = -EROFS;
        if (r == 0)
                r = database_errno(l->db, sqlite3_busy_timeout(l->db, BUSY_MS));
        return r == 0 ? database_execute(l->db, CONNECT) : r;
}

static int connect_memory(Log *l) {
        int r = sqlite3_open_v2(":memory:", &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                NULL);

        r = database_errno(l->db, r);
        return r == 0 ? log_create_tables(l->db, &l->meta) : r;
}

/* What is damaged stays as it was found, its write-ahead log beside it. */
static void close_without_writing(Log *l) {
        if (l->db)
                (void) sqlite3_db_config(l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void log_disconnect(Log *l) {
        for (size_t i = 0; i < LOG_N_STATEMENTS; i++) {
                (void) sqlite3_finalize(l->statements[i]);
                l->statements[i] = NULL;
        }
        (void) sqlite3_close(l->db);
        l->db = NULL;
        l->writable = false;
}

int log_connect(Log *l) {
        int r;

        if (l->writable)
                return 0;
        log_disconnect(l);
        if (l->damaged)
                r = -EUCLEAN;
        else
                r = l->path ? connect_file(l) : connect_memory(l);
        l->syncs = true;
        if (r == 0)
                r = log_settle(l);
        if (r == 0) {
                l->writable = true;
                return 0;
        }
        if (r == -EUCLEAN)
                close_without_writing(l);
        log_disconnect(l);
        /* Not while somebody else writes it. */
        if (l->path && l->made && !l->in_the_way && r != -EBUSY &&
            database_open_reading(&l->db, l->path) != 0)
                log_disconnect(l);
        return r;
}

static void mark_damaged(Log *l) {
        Path path;

        l->damaged = true;
        close_without_writing(l);
        /* If not even this can be written, the next log_open() finds out in the same way. */
        close_fd(open(beside(l, "-damaged", &path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

int log_make_writable(Log *l) {
        int r = l->damaged ? -EUCLEAN : log_connect(l);

        if (r == -EUCLEAN && !l->damaged)
                log_failed(l, r);
        return r;
}

void log_failed(Log *l, int r) {
        if (l->db && !sqlite3_get_autocommit(l->db))
                (void) sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
        if (!l->path)
                return;
        if (r == -EUCLEAN)
                mark_damaged(l);
        else if (r != -ENOSPC && r != -EDQUOT && r != -ENOMEM)
                log_disconnect(l);
}
