/* SPDX-License-Identifier: MIT */
/*
 * The file. It is read through a connection that cannot write and takes no locks, so that reading
 * works on a read-only or full disk and a file that is not for us stays as it is; it is written
 * through another one, which is made when it is needed and thrown away when something broke. The
 * lock on the directory keeps a second daemon out, whose memory would know nothing of ours.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "proto/base.h"
#include "service/state-internal.h"

#define BUSY_MS 2000

struct State {
        char *directory, *path, *wal_path;
        int lock;    /* the directory */
        sqlite3 *db; /* for writing; NULL: not made yet, or broken */
        bool made;   /* the file is there, or was */
        StateRows loaded;
};

_printf_(2, 3) static int unusable(StateError *error, const char *format, ...) {
        va_list args;

        va_start(args, format);
        vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
        return STATE_E_UNUSABLE;
}

static int damaged(const State *s, const char *what, StateError *error) {
        return unusable(error,
                        "%s is damaged (%s). Put back a copy of it, and delete state.db-wal and "
                        "state.db-shm. Without a copy, move the three away: tokens made with "
                        "chatctl are lost then, and revoked ones that the configuration lists are "
                        "let in again.",
                        s->path, what);
}

/* ---- reading */

static int check_header(const State *s, sqlite3 *db, StateError *error) {
        int64_t application = 0, version = 0;
        int r = database_number(db, "PRAGMA application_id", &application);

        if (r == 0)
                r = database_number(db, "PRAGMA user_version", &version);
        if (r != 0)
                return damaged(s, sqlite3_errmsg(db), error);
        if (application != STATE_APPLICATION)
                return damaged(s, "it is not a chatroom's", error);
        if (version > STATE_SCHEMA)
                return unusable(error,
                                "%s was written by a newer chatroomd (schema %jd, this one knows "
                                "%d). It was left as it is: install that version again, or put "
                                "back a copy from before.",
                                s->path, (intmax_t) version, STATE_SCHEMA);
        return version < 1 ? damaged(s, "it has no schema", error) : 0;
}

static int read_all(State *s, sqlite3 *db, StateError *error) {
        int r = check_header(s, db, error);

        if (r != 0)
                return r;
        r = state_read_rows(db, &s->loaded);
        if (r == -ENOMEM)
                return r;
        if (r != 0)
                return damaged(s, r == -EUCLEAN ? "its rows are not ours" : strerror(-r), error);
        return 0;
}

static int load(State *s, StateError *error) {
        _cleanup_(sqlite3_closep) sqlite3 *db = NULL;
        struct stat st;
        int r;

        if (stat(s->path, &st) < 0) {
                if (errno != ENOENT)
                        return unusable(error, "Cannot read %s: %s", s->path, strerror(errno));
                return stat(s->wal_path, &st) == 0 && st.st_size > 0
                               ? damaged(s, "it is missing, but its log is there", error)
                               : 0;
        }
        s->made = true;
        if (st.st_size < DATABASE_SMALLEST)
                return damaged(s, st.st_size == 0 ? "it is empty" : "it is too short", error);
        if (access(s->path, R_OK) < 0)
                return unusable(error, "Cannot read %s: %s", s->path, strerror(errno));
        r = database_open_reading(&db, s->path);
        if (r == -ENOMEM)
                return r;
        return r != 0 ? damaged(s, strerror(-r), error) : read_all(s, db, error);
}

/* ---- writing */

static int open_for_writing(State *s) {
        sqlite3 *db = NULL;
        int r = 0;

        if (!s->made)
                r = state_create_file(s->path, s->lock);
        else if (access(s->path, F_OK) < 0) /* a new one would know nothing of the old one's rows */
                r = errno == ENOENT ? -ESTALE : -errno;
        if (r != 0)
                return r;
        s->made = true;
        r = sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READWRITE, NULL);
        r = database_errno(db, r);
        if (r == 0 && sqlite3_db_readonly(db, "main") == 1)
                r = -EROFS;
        if (r == 0)
                r = database_errno(db, sqlite3_busy_timeout(db, BUSY_MS));
        if (r == 0)
                r = database_execute(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
        if (r != 0)
                (void) sqlite3_close(db);
        else
                s->db = db;
        return r;
}

int state_commit(State *s, const TokenChange *changes, size_t n) {
        int moved = 0, r = 0;

        if (!s->db)
                r = open_for_writing(s);
        if (r == 0 &&
            sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
            moved)
                r = -ESTALE; /* somebody has taken the file away; what is written to it is lost */
        if (r == 0)
                r = state_write_rows(s->db, changes, n);
        if (r < 0) {
                (void) sqlite3_close(s->db);
                s->db = NULL;
        }
        return r;
}

/* ---- beginning and end */

static int lock_directory(State *s, StateError *error) {
        if (mkdir(s->directory, 0700) < 0 && errno != EEXIST && errno != EROFS)
                return unusable(error, "Cannot make the state directory %s: %s", s->directory,
                                strerror(errno));
        s->lock = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->lock < 0)
                return unusable(error, "Cannot use the state directory %s: %s", s->directory,
                                strerror(errno));
        if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
                return unusable(error, "Cannot use the state directory %s: %s", s->directory,
                                errno == EWOULDBLOCK ? "another chatroomd does" : strerror(errno));
        return 0;
}

static int make_paths(State *s, const char *directory) {
        s->directory = strdup(directory);
        if (!s->directory || asprintf(&s->path, "%s/state.db", directory) < 0 ||
            asprintf(&s->wal_path, "%s/state.db-wal", directory) < 0)
                return -ENOMEM;
        return 0;
}

DEFINE_CLEANUP(State *, state_free);

int state_open(State **ret, const char *directory, StateError *error) {
        _cleanup_(state_freep) State *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->lock = -1;
        r = make_paths(s, directory);
        if (r == 0)
                r = lock_directory(s, error);
        if (r == 0)
                r = load(s, error);
        if (r == 0)
                *ret = TAKE_PTR(s);
        return r;
}

State *state_free(State *s) {
        if (!s)
                return NULL;
        (void) sqlite3_close(s->db);
        state_forget_loaded(s);
        free(s->directory);
        free(s->path);
        free(s->wal_path);
        close_fd(s->lock);
        free(s);
        return NULL;
}

const TokenChange *state_loaded(const State *s, size_t *ret_n) {
        *ret_n = s->loaded.n;
        return s->loaded.changes;
}

void state_forget_loaded(State *s) {
        free(s->loaded.changes);
        s->loaded = (StateRows){0};
}
