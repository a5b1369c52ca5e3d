/* SPDX-License-Identifier: MIT */
/* state.db: what is committed is there again, and what cannot be read is not guessed at. */
#include "service/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/files.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

#define DIRECTORY "state"

DEFINE_CLEANUP(State *, state_free);

static char *path_of(Files *f, const char *name) {
        char *path;

        assert_true(asprintf(&path, "%s/" DIRECTORY "%s%s", f->directory, name ? "/" : "",
                             name ? name : "") > 0);
        return path;
}

static State *open_state(Files *f) {
        _cleanup_(freep) char *directory = path_of(f, NULL);
        StateError error = {""};
        State *s = NULL;
        int r = state_open(&s, directory, &error);

        if (r != 0)
                fail_msg("state_open: %d: %s", r, error.text);
        return s;
}

static void assert_unusable(Files *f, const char *what) {
        _cleanup_(freep) char *directory = path_of(f, NULL);
        StateError error = {""};
        State *s = NULL;

        assert_int_equal(state_open(&s, directory, &error), STATE_E_UNUSABLE);
        assert_null(s);
        if (!strstr(error.text, what))
                fail_msg("\"%s\" does not say \"%s\"", error.text, what);
}

static TokenTable *loaded(const State *s) {
        TokenTable *t = NULL;
        const TokenChange *changes;
        size_t n;

        assert_int_equal(token_table_new(&t), 0);
        changes = state_loaded(s, &n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(token_table_apply(t, &changes[i]), 0);
        return t;
}

static int commit(State *s, TokenChangeKind kind, const char *secret, const char *name) {
        TokenChange change = change_of(kind, secret, name);

        return state_commit(s, &change, 1);
}

/* A state with a token of alice's and one of bob's that is revoked. */
static void make_state(Files *f) {
        State *s = open_state(f);

        assert_int_equal(commit(s, TOKEN_ADD, "a", "alice"), 0);
        assert_int_equal(commit(s, TOKEN_REVOKE, "b", "bob"), 0);
        state_free(s);
}

static void assert_made_state(const State *s) {
        _cleanup_(token_table_freep) TokenTable *t = loaded(s);

        assert_int_equal(token_table_size(t), 2);
        assert_string_equal(find_secret(t, "a")->name.text, "alice");
        assert_true(find_secret(t, "a")->stored);
        assert_true(find_secret(t, "b")->revoked);
}

/* The same, left behind by a process that was killed: in the log, and not in the file. */
static void make_state_and_die(Files *f) {
        int status;
        pid_t pid;

        state_free(open_state(f));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                State *s = open_state(f);

                if (commit(s, TOKEN_ADD, "a", "alice") != 0 ||
                    commit(s, TOKEN_REVOKE, "b", "bob") != 0)
                        _exit(1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void sql(Files *f, const char *statements) {
        _cleanup_(freep) char *path = path_of(f, "state.db");
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Everything in the directory, as one number. */
static uint64_t fingerprint(Files *f) {
        _cleanup_(freep) char *directory = path_of(f, NULL);
        struct dirent **entries;
        uint64_t sum = 0;
        int n = scandir(directory, &entries, NULL, alphasort);

        assert_true(n >= 2);
        for (int i = 0; i < n; i++) {
                _cleanup_(freep) char *path = path_of(f, entries[i]->d_name);
                _cleanup_(fclosep) FILE *file = fopen(path, "r");
                int c;

                for (const char *p = entries[i]->d_name; *p; p++)
                        sum = sum * 31 + (unsigned char) *p;
                while (entries[i]->d_type == DT_REG && file && (c = getc(file)) != EOF)
                        sum = sum * 31 + (unsigned) c;
                free(entries[i]);
        }
        free(entries);
        return sum;
}

/* ---- what is kept */

static void a_new_state_is_empty_and_private(void **state) {
        _cleanup_(freep) char *path = path_of(*state, "state.db");
        _cleanup_(state_freep) State *s = open_state(*state);
        struct stat st;
        size_t n = 1;

        (void) state_loaded(s, &n);
        assert_int_equal(n, 0);
        assert_int_equal(state_commit(s, NULL, 0), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_was_committed_is_there_again(void **state) {
        TokenChange add = change_of(TOKEN_ADD, "a", "Zoë"), use = change_of(TOKEN_USE, "ini", NULL);
        _cleanup_(token_table_freep) TokenTable *t = NULL;
        State *s = open_state(*state);
        const Token *token;

        strcpy(add.token.label, "laptop ☃");
        add.token.created_ms = 1;
        add.token.expires_ms = INT64_C(1) << 50;
        use.token.last_used_ms = 77;
        assert_int_equal(state_commit(s, &add, 1), 0);
        assert_int_equal(state_commit(s, &use, 1), 0);
        assert_int_equal(commit(s, TOKEN_ADD, "any", NULL), 0);
        assert_int_equal(commit(s, TOKEN_REVOKE, "any", NULL), 0);
        assert_int_equal(commit(s, TOKEN_REVOKE, "ini", "carol"), 0);
        state_free(s);
        s = open_state(*state);
        t = loaded(s);
        token = find_secret(t, "a");
        assert_string_equal(token->name.text, "Zoë");
        assert_string_equal(token->label, "laptop ☃");
        assert_int_equal(token->created_ms, 1);
        assert_int_equal(token->expires_ms, INT64_C(1) << 50);
        assert_true(find_secret(t, "any")->any_name && find_secret(t, "any")->revoked);
        assert_true(find_secret(t, "ini")->revoked && !find_secret(t, "ini")->stored);
        assert_string_equal(find_secret(t, "ini")->name.text, "carol");
        assert_int_equal(find_secret(t, "ini")->last_used_ms, 77);
        state_free(s);
}

static void what_was_taken_back_is_gone(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = NULL;
        State *s;

        make_state(*state);
        s = open_state(*state);
        assert_int_equal(commit(s, TOKEN_UNREVOKE, "b", NULL), 0);
        assert_int_equal(commit(s, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(commit(s, TOKEN_REMOVE, "a", NULL), 0);
        state_free(s);
        s = open_state(*state);
        t = loaded(s);
        assert_int_equal(token_table_size(t), 0);
        state_free(s);
}

static void what_was_committed_survives_a_kill(void **state) {
        _cleanup_(state_freep) State *s = NULL;
        uint64_t before;

        make_state_and_die(*state);
        before = fingerprint(*state);
        s = open_state(*state);
        assert_made_state(s);
        assert_true(fingerprint(*state) == before); /* reading has changed nothing */
        assert_int_equal(commit(s, TOKEN_ADD, "c", "carol"), 0);
}

static void all_changes_are_made_or_none(void **state) {
        TokenChange changes[] = {change_of(TOKEN_ADD, "new", "bob"),
                                 change_of(TOKEN_RETIRE, "b", "bob")};
        State *s;

        make_state(*state);
        s = open_state(*state);
        assert_int_equal(state_commit(s, changes, 2), STATE_E_EXISTS);
        assert_int_equal(commit(s, TOKEN_ADD, "a", "alice"), STATE_E_EXISTS);
        assert_int_equal(commit(s, TOKEN_REVOKE, "b", "bob"), 0); /* that is done is no mistake */
        state_free(s);
        s = open_state(*state);
        assert_made_state(s);
        assert_int_equal(commit(s, TOKEN_UNREVOKE, "b", NULL), 0);
        assert_int_equal(state_commit(s, changes, 2), 0);
        state_free(s);
}

static void a_directory_is_one_daemons(void **state) {
        State *s = open_state(*state);

        assert_unusable(*state, "another chatroomd does");
        state_free(s);
        state_free(open_state(*state));
}

/* ---- what is refused */

static void overwrite(Files *f, const char *name, long offset, const char *bytes, size_t n) {
        _cleanup_(freep) char *path = path_of(f, name);
        _cleanup_(fclosep) FILE *file = fopen(path, "r+");

        assert_non_null(file);
        assert_int_equal(fseek(file, offset, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
}

static void a_file_of_garbage_is_refused_and_left_alone(void **state) {
        uint64_t before;

        files_write(*state, DIRECTORY "/state.db", "This is not a database, it is a sentence.\n");
        before = fingerprint(*state);
        assert_unusable(*state, "Put back a copy");
        assert_true(fingerprint(*state) == before);
}

static void a_damaged_header_or_page_is_refused(void **state) {
        char zeros[4096] = "";

        make_state(*state);
        overwrite(*state, "state.db", 4096, zeros, sizeof(zeros));
        assert_unusable(*state, "is damaged");
        overwrite(*state, "state.db", 0, "SQLite format 4", 16);
        assert_unusable(*state, "is damaged");
}

static void a_file_that_was_cut_is_refused(void **state) {
        _cleanup_(freep) char *path = path_of(*state, "state.db");

        make_state(*state);
        assert_int_equal(truncate(path, 4096), 0);
        assert_unusable(*state, "is damaged");
        assert_int_equal(truncate(path, 0), 0);
        assert_unusable(*state, "it is empty");
}

static void a_log_without_its_file_is_refused(void **state) {
        _cleanup_(freep) char *path = path_of(*state, "state.db");

        make_state_and_die(*state);
        assert_int_equal(unlink(path), 0);
        assert_unusable(*state, "its log is there");
}

static void rows_that_are_not_ours_are_refused(void **state) {
        const char *const rows[] = {
                "INSERT INTO tokens VALUES (zeroblob(32), 'no such name', '', 0, 0)",
                "INSERT INTO tokens VALUES (zeroblob(32), 'alice', 'a' || char(27), 0, 0)",
                "INSERT INTO tokens VALUES (zeroblob(32), '', '', 0, 0)",
                "INSERT INTO revocations VALUES (zeroblob(32), 'root', 0)",
                "PRAGMA ignore_check_constraints = ON;"
                "INSERT INTO uses VALUES (zeroblob(31), 0)",
                "DROP TABLE revocations",
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                make_state(*state);
                sql(*state, rows[i]);
                assert_unusable(*state, "is damaged");
                assert_int_equal(files_teardown(state), 0);
                assert_int_equal(files_setup(state), 0);
        }
}

static void somebody_elses_database_is_refused(void **state) {
        make_state(*state);
        sql(*state, "PRAGMA application_id = 1");
        assert_unusable(*state, "not a chatroom's");
}

static void a_newer_schema_is_refused_and_left_alone(void **state) {
        uint64_t before;

        make_state(*state);
        sql(*state, "PRAGMA user_version = 2");
        before = fingerprint(*state);
        assert_unusable(*state, "newer chatroomd (schema 2, this one knows 1)");
        assert_true(fingerprint(*state) == before);
}

static void a_newer_schema_in_the_log_is_refused_and_left_alone(void **state) {
        _cleanup_(freep) char *path = path_of(*state, "state.db");
        uint64_t before;
        int status;
        pid_t pid;

        make_state(*state);
        pid = fork();
        if (pid == 0) {
                sqlite3 *db;

                _exit(sqlite3_open(path, &db) != SQLITE_OK ||
                      sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL) != SQLITE_OK);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        before = fingerprint(*state);
        assert_unusable(*state, "newer chatroomd");
        assert_true(fingerprint(*state) == before);
}

static void a_file_that_was_taken_away_is_not_replaced(void **state) {
        _cleanup_(freep) char *path = path_of(*state, "state.db");
        _cleanup_(state_freep) State *s = NULL;

        make_state(*state);
        s = open_state(*state);
        assert_int_equal(commit(s, TOKEN_REVOKE, "c", "carol"), 0);
        assert_int_equal(unlink(path), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(commit(s, TOKEN_REVOKE, "d", "dave"), -ESTALE);
        assert_int_equal(access(path, F_OK), -1);
}

/* ---- disks */

/* Mounts stay in a namespace of the process that makes them. False: this process may not. */
static bool may_mount(void) {
        return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Runs a test's second half where it can mount what it likes; skips it where nobody may. */
static void in_namespace(Files *f, void (*half)(Files *f)) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                if (!may_mount())
                        _exit(77);
                half(f);
                _exit(0); /* a failed assertion exits otherwise */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                print_message("# SKIP: mounting takes root\n");
                skip();
        }
        assert_int_equal(status, 0);
}

#define MUST(condition)                                                                            \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
                        _exit(1);                                                                  \
                }                                                                                  \
        } while (0)

static State *must_open(Files *f) {
        _cleanup_(freep) char *directory = path_of(f, NULL);
        StateError error = {""};
        State *s = NULL;

        if (state_open(&s, directory, &error) != 0) {
                fprintf(stderr, "%s\n", error.text);
                _exit(1);
        }
        return s;
}

static void must_know_bob_is_revoked(const State *s) {
        Token bob = token_of("b", "bob");
        bool found = false;
        const TokenChange *changes;
        size_t n;

        changes = state_loaded(s, &n);
        for (size_t i = 0; i < n; i++)
                found = found || (changes[i].kind == TOKEN_REVOKE &&
                                  memcmp(&changes[i].token.hash, &bob.hash, sizeof(bob.hash)) == 0);
        MUST(found);
}

static void read_on_a_read_only_disk(Files *f) {
        _cleanup_(freep) char *directory = path_of(f, NULL);
        State *s;

        MUST(mount(directory, directory, NULL, MS_BIND, NULL) == 0);
        MUST(mount(NULL, directory, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
        s = must_open(f);
        must_know_bob_is_revoked(s);
        for (int i = 0; i < 2; i++)
                MUST(commit(s, TOKEN_REVOKE, "c", "carol") == -EROFS);
        state_free(s);
}

static void a_read_only_disk_can_be_read(void **state) {
        make_state(*state);
        in_namespace(*state, read_on_a_read_only_disk);
}

static void a_log_on_a_read_only_disk_can_be_read(void **state) {
        make_state_and_die(*state);
        in_namespace(*state, read_on_a_read_only_disk);
}

/* How much of the disk is left to the last byte: none. */
static void fill(Files *f) {
        _cleanup_(freep) char *path = path_of(f, "filler");
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        char block[512] = "";

        MUST(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        MUST(errno == ENOSPC);
}

static void use_a_full_disk(Files *f) {
        _cleanup_(freep) char *directory = path_of(f, NULL), *filler = path_of(f, "filler");
        State *s;

        MUST(mkdir(directory, 0700) == 0);
        MUST(mount("tmpfs", directory, "tmpfs", 0, "size=512k") == 0);
        s = must_open(f);
        MUST(commit(s, TOKEN_REVOKE, "b", "bob") == 0);
        state_free(s);
        fill(f);
        s = must_open(f);
        must_know_bob_is_revoked(s);
        for (int i = 0; i < 2; i++)
                MUST(commit(s, TOKEN_REVOKE, "c", "carol") == -ENOSPC);
        MUST(unlink(filler) == 0);
        MUST(commit(s, TOKEN_REVOKE, "c", "carol") == 0);
        state_free(s);
}

static void a_full_disk_can_be_read_and_later_written(void **state) {
        in_namespace(*state, use_a_full_disk);
}

static void begin_on_a_full_disk(Files *f) {
        _cleanup_(freep) char *directory = path_of(f, NULL), *filler = path_of(f, "filler");
        State *s;

        MUST(mkdir(directory, 0700) == 0);
        MUST(mount("tmpfs", directory, "tmpfs", 0, "size=512k") == 0);
        fill(f);
        s = must_open(f);
        MUST(state_commit(s, NULL, 0) == -ENOSPC);
        state_free(s);
        s = must_open(f); /* no half-made file stands in the way */
        MUST(unlink(filler) == 0);
        MUST(commit(s, TOKEN_REVOKE, "b", "bob") == 0);
        state_free(s);
        s = must_open(f);
        must_know_bob_is_revoked(s);
        state_free(s);
}

static void a_state_can_begin_on_a_full_disk(void **state) {
        in_namespace(*state, begin_on_a_full_disk);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(a_new_state_is_empty_and_private),
                WITH_FILES(what_was_committed_is_there_again),
                WITH_FILES(what_was_taken_back_is_gone),
                WITH_FILES(what_was_committed_survives_a_kill),
                WITH_FILES(all_changes_are_made_or_none),
                WITH_FILES(a_directory_is_one_daemons),
                WITH_FILES(a_file_of_garbage_is_refused_and_left_alone),
                WITH_FILES(a_damaged_header_or_page_is_refused),
                WITH_FILES(a_file_that_was_cut_is_refused),
                WITH_FILES(a_log_without_its_file_is_refused),
                WITH_FILES(rows_that_are_not_ours_are_refused),
                WITH_FILES(somebody_elses_database_is_refused),
                WITH_FILES(a_newer_schema_is_refused_and_left_alone),
                WITH_FILES(a_newer_schema_in_the_log_is_refused_and_left_alone),
                WITH_FILES(a_file_that_was_taken_away_is_not_replaced),
                WITH_FILES(a_read_only_disk_can_be_read),
                WITH_FILES(a_log_on_a_read_only_disk_can_be_read),
                WITH_FILES(a_full_disk_can_be_read_and_later_written),
                WITH_FILES(a_state_can_begin_on_a_full_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
