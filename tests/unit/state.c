/* SPDX-License-Identifier: MIT */
/* state.db: what is committed is there again, and what cannot be read is not guessed at. */
#include "service/state.h"

#include <dirent.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/states.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

static void assert_unusable(Files *f, const char *what) {
        _cleanup_(freep) char *directory = state_path(f, NULL);
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

static void assert_made_state(const State *s) {
        _cleanup_(token_table_freep) TokenTable *t = loaded(s);

        assert_int_equal(token_table_size(t), 2);
        assert_string_equal(find_secret(t, "a")->name.text, "alice");
        assert_true(find_secret(t, "a")->stored);
        assert_true(find_secret(t, "b")->revoked);
}

static void sql(Files *f, const char *statements) {
        _cleanup_(freep) char *path = state_path(f, "state.db");
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Everything in the directory, as one number. */
static uint64_t fingerprint(Files *f) {
        _cleanup_(freep) char *directory = state_path(f, NULL);
        struct dirent **entries;
        uint64_t sum = 0;
        int n = scandir(directory, &entries, NULL, alphasort);

        assert_true(n >= 2);
        for (int i = 0; i < n; i++) {
                _cleanup_(freep) char *path = state_path(f, entries[i]->d_name);
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
        _cleanup_(freep) char *path = state_path(*state, "state.db");
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
        assert_int_equal(commit_one(s, TOKEN_ADD, "any", NULL), 0);
        assert_int_equal(commit_one(s, TOKEN_REVOKE, "any", NULL), 0);
        assert_int_equal(commit_one(s, TOKEN_REVOKE, "ini", "carol"), 0);
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
        assert_int_equal(commit_one(s, TOKEN_UNREVOKE, "b", NULL), 0);
        assert_int_equal(commit_one(s, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(commit_one(s, TOKEN_REMOVE, "a", NULL), 0);
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
        assert_int_equal(commit_one(s, TOKEN_ADD, "c", "carol"), 0);
}

static void all_changes_are_made_or_none(void **state) {
        TokenChange changes[] = {change_of(TOKEN_ADD, "new", "bob"),
                                 change_of(TOKEN_RETIRE, "b", "bob")};
        State *s;

        make_state(*state);
        s = open_state(*state);
        assert_int_equal(state_commit(s, changes, 2), STATE_E_EXISTS);
        assert_int_equal(commit_one(s, TOKEN_ADD, "a", "alice"), STATE_E_EXISTS);
        assert_int_equal(commit_one(s, TOKEN_REVOKE, "b", "bob"),
                         0); /* that is done is no mistake */
        state_free(s);
        s = open_state(*state);
        assert_made_state(s);
        assert_int_equal(commit_one(s, TOKEN_UNREVOKE, "b", NULL), 0);
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
        _cleanup_(freep) char *path = state_path(f, name);
        _cleanup_(fclosep) FILE *file = fopen(path, "r+");

        assert_non_null(file);
        assert_int_equal(fseek(file, offset, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
}

static void a_file_of_garbage_is_refused_and_left_alone(void **state) {
        uint64_t before;

        files_write(*state, STATE_DIRECTORY_NAME "/state.db",
                    "This is not a database, it is a sentence.\n");
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
        _cleanup_(freep) char *path = state_path(*state, "state.db");

        make_state(*state);
        assert_int_equal(truncate(path, 4096), 0);
        assert_unusable(*state, "is damaged");
        assert_int_equal(truncate(path, 0), 0);
        assert_unusable(*state, "it is empty");
        assert_int_equal(truncate(path, 1), 0); /* SQLite would take that for empty as well */
        assert_unusable(*state, "it is too short");
}

static void a_log_without_its_file_is_refused(void **state) {
        _cleanup_(freep) char *path = state_path(*state, "state.db");

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
                ("PRAGMA ignore_check_constraints = ON;"
                 "INSERT INTO uses VALUES (zeroblob(31), 0)"),
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
        _cleanup_(freep) char *path = state_path(*state, "state.db");
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
        _cleanup_(freep) char *path = state_path(*state, "state.db");
        _cleanup_(state_freep) State *s = NULL;

        make_state(*state);
        s = open_state(*state);
        assert_int_equal(commit_one(s, TOKEN_REVOKE, "c", "carol"), 0);
        assert_int_equal(unlink(path), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(commit_one(s, TOKEN_REVOKE, "d", "dave"), -ESTALE);
        assert_int_equal(access(path, F_OK), -1);
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
