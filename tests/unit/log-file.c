/* SPDX-License-Identifier: MIT */
/* The log's file: epochs, what is damaged, what is not ours, and the ends that nobody chose. */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "tests/unit/files.h"
#include "tests/unit/logs.h"
#include "tests/unit/test.h"

typedef struct Epoch {
        char text[LOG_EPOCH_CHARS + 1];
} Epoch;

static Epoch epoch_of(const Log *l) {
        Epoch e;

        assert_int_equal(strlen(log_epoch(l)), LOG_EPOCH_CHARS);
        assert_int_equal(strspn(log_epoch(l), "0123456789abcdef"), LOG_EPOCH_CHARS);
        strcpy(e.text, log_epoch(l));
        return e;
}

/* What was set aside, by what its name ends with. */
static int count_aside(Files *f, const char *suffix, char *ret_path, size_t size) {
        char pattern[256];
        glob_t found = {0};
        int n;

        snprintf(pattern, sizeof(pattern), "%s/log.db.damaged-*%s", f->directory, suffix);
        n = glob(pattern, 0, NULL, &found) == 0 ? (int) found.gl_pathc : 0;
        if (n > 0 && ret_path)
                snprintf(ret_path, size, "%s", found.gl_pathv[0]);
        globfree(&found);
        return n;
}

static char *read_bytes(const char *path, size_t *ret_n) {
        FILE *file = fopen(path, "r");
        char *bytes = malloc(1 << 24);

        assert_true(file && bytes);
        *ret_n = fread(bytes, 1, 1 << 24, file);
        fclose(file);
        return bytes;
}

static void overwrite(Files *f, const char *name, off_t offset, size_t n) {
        int fd = open(files_path(f, name), O_WRONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(pwrite(fd, "\xa5", 1, offset + (off_t) i), 1);
        close(fd);
}

/* ---- epochs */

static void a_room_keeps_its_epoch(void **state) {
        Files *f = *state;
        Log *l = logs_open(f->directory, NULL), *other = logs_open(NULL, NULL);
        Epoch e = epoch_of(l);

        assert_string_not_equal(e.text, epoch_of(other).text);
        log_free(other);
        logs_say(l, 3, 1);
        assert_string_equal(epoch_of(l).text, e.text);
        log_free(l);
        l = logs_open_in(f, "boot-2", false, "");
        assert_string_equal(epoch_of(l).text, e.text);
        logs_expect(l, 1, 3);
        log_free(l);
}

static void being_killed_does_not_change_it(void **state) {
        Files *f = *state;
        Log *l = logs_open(f->directory, NULL);
        Epoch e = epoch_of(l);

        log_free(l);
        logs_say_and_die(f, NULL, 10);
        l = logs_open(f->directory, NULL);
        assert_string_equal(epoch_of(l).text, e.text);
        logs_expect(l, 1, 10);
        log_free(l);
        l = logs_open_in(f, "boot-2", false, "");
        assert_string_equal(epoch_of(l).text, e.text);
        log_free(l);
}

static void losing_the_power_does(void **state) {
        Files *f = *state;
        Log *l = logs_open(f->directory, NULL);
        Epoch e = epoch_of(l), e2;

        log_free(l);
        logs_say_and_die(f, NULL, 10);
        l = logs_open_in(f, "boot-2", false, "may be lost");
        e2 = epoch_of(l);
        assert_string_not_equal(e2.text, e.text);
        logs_expect(l, 1, 10);
        logs_say(l, 1, 1);
        logs_expect(l, 1, 11);
        log_free(l);
        l = logs_open_in(f, "boot-3", false, "");
        assert_string_equal(epoch_of(l).text, e2.text);
        log_free(l);
}

static void it_does_not_where_nothing_was_said(void **state) {
        Files *f = *state;
        Log *l = logs_open(f->directory, NULL);
        Epoch e = epoch_of(l);

        log_free(l);
        logs_say_and_die(f, NULL, 0);
        l = logs_open_in(f, "boot-2", false, "");
        assert_string_equal(epoch_of(l).text, e.text);
        log_free(l);
}

static void it_does_not_where_each_group_was_on_the_disk(void **state) {
        Files *f = *state;
        LogOptions full = {.boot_id = LOGS_BOOT, .full_sync = true};
        Log *l = logs_open(f->directory, NULL);
        Epoch e = epoch_of(l);

        log_free(l);
        logs_say_and_die(f, NULL, 5);
        logs_say_and_die(f, &full, 5);
        l = logs_open_in(f, "boot-2", false, "");
        assert_string_equal(epoch_of(l).text, e.text);
        logs_expect(l, 1, 10);
        log_free(l);
}

static void an_unknown_boot_is_another_one(void **state) {
        Files *f = *state;
        LogOptions unknown = {0};
        Log *l = logs_open_with(f, &unknown, "");
        Epoch e = epoch_of(l), e2;

        log_free(l);
        logs_say_and_die(f, &unknown, 1);
        l = logs_open_with(f, &unknown, "may be lost");
        e2 = epoch_of(l);
        assert_string_not_equal(e2.text, e.text);
        log_free(l);
        l = logs_open_with(f, &unknown, "");
        assert_string_equal(epoch_of(l).text, e2.text);
        log_free(l);
}

static void how_it_is_synced_can_change(void **state) {
        Files *f = *state;
        LogOptions full = {.boot_id = LOGS_BOOT, .full_sync = true},
                   normal = {.boot_id = LOGS_BOOT};
        Log *l = logs_open(f->directory, &full);
        Epoch e = epoch_of(l);
        pid_t pid;

        log_free(l);
        for (int i = 0; i < 2; i++) {
                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        l = logs_open(f->directory, i == 0 ? &normal : &full);
                        logs_say(l, 1, 1);
                        log_configure(l, i == 0 ? &full : &normal);
                        logs_say(l, 1, 1);
                        _exit(0);
                }
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                l = logs_open_in(f, "boot-2", false, i == 0 ? "" : "may be lost");
                assert_int_equal(strcmp(epoch_of(l).text, e.text) == 0, i == 0);
                logs_expect(l, 1, i == 0 ? 2 : 4);
                log_free(l);
        }
}

/* ---- damage */

/* Sets up a log of ten, and says what its file was. */
static char *make_ten(Files *f, Epoch *ret, size_t *ret_n) {
        Log *l = logs_open(f->directory, NULL);

        *ret = epoch_of(l);
        logs_say(l, 10, 1);
        log_free(l);
        return read_bytes(files_path(f, "log.db"), ret_n);
}

static void expect_begun_anew(Files *f, const Epoch *old, const char *words) {
        Log *l = logs_open_in(f, LOGS_BOOT, false, words);
        Epoch e = epoch_of(l);

        assert_string_not_equal(e.text, old->text);
        logs_expect(l, 1, 0);
        logs_say(l, 2, 1);
        log_free(l);
        l = logs_open(f->directory, NULL);
        assert_string_equal(epoch_of(l).text, e.text);
        logs_expect(l, 1, 2);
        log_free(l);
}

static void check_damage(Files *f, off_t offset, size_t n) {
        _cleanup_(freep) char *before = NULL, *after = NULL;
        size_t n_before, n_after;
        char path[256];
        Epoch e;

        free(make_ten(f, &e, &n_before));
        overwrite(f, "log.db", offset, n);
        before = read_bytes(files_path(f, "log.db"), &n_before);
        expect_begun_anew(f, &e, "log.db was damaged (");
        assert_int_equal(count_aside(f, "Z", path, sizeof(path)), 1);
        after = read_bytes(path, &n_after);
        assert_int_equal(n_after, n_before);
        assert_memory_equal(after, before, n_before);
}

static void a_damaged_header_is_set_aside(void **state) {
        check_damage(*state, 0, 100);
}

static void a_damaged_schema_is_set_aside(void **state) {
        check_damage(*state, 100, 300);
}

static void a_damaged_row_is_set_aside(void **state) {
        check_damage(*state, 4096, 4096);
}

static void damaged_messages_are_set_aside(void **state) {
        check_damage(*state, INT64_C(2) * 4096, 200);
}

/* What belongs to it goes with it; what has been set aside before stays. */
static void each_is_set_aside_as_a_whole(void **state) {
        Files *f = *state;

        for (int i = 1; i <= 3; i++) {
                _cleanup_(freep) char *wal = NULL, *after = NULL;
                size_t n, n_after;
                char path[256];
                Log *l;

                l = logs_open(f->directory, NULL);
                logs_say(l, 2000, 1);
                log_free(l);
                logs_say_and_die(f, NULL, 10);
                wal = read_bytes(files_path(f, "log.db-wal"), &n);
                assert_true(n > 0);
                files_write(f, "log.db-shm", "index");
                /* Of the first pages, its own log has newer ones. */
                overwrite(f, "log.db", INT64_C(3) * 4096, (size_t) 10 * 4096);
                l = logs_open_in(f, LOGS_BOOT, false, "log.db was damaged (");
                logs_expect(l, 1, 0);
                log_free(l);
                assert_int_equal(count_aside(f, "Z*-wal", path, sizeof(path)), i);
                assert_int_equal(count_aside(f, "Z*-shm", NULL, 0), i);
                assert_int_equal(count_aside(f, "Z*", NULL, 0), 3 * i);
                if (i > 1)
                        continue;
                after = read_bytes(path, &n_after);
                assert_int_equal(n_after, n);
                assert_memory_equal(after, wal, n);
        }
}

static void what_belongs_to_it_is_kept(void **state) {
        static const struct {
                off_t size;
                const char *words;
        } cases[] = {
                {0, "(it is empty)"},
                {1, "(it is too short)"}, /* SQLite would take this for empty as well */
                {511, "(it is too short)"},
                {512, "(it cannot be written)"}, /* its own log has nearly all of it */
        };
        Files *f = *state;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(freep) char *wal = NULL, *after = NULL;
                size_t n, n_after;
                char path[256];
                Log *l;

                logs_say_and_die(f, NULL, 3);
                wal = read_bytes(files_path(f, "log.db-wal"), &n);
                assert_int_equal(truncate(files_path(f, "log.db"), cases[i].size), 0);
                l = logs_open_in(f, LOGS_BOOT, false, cases[i].words);
                logs_expect(l, 1, 0);
                log_free(l);
                assert_int_equal(count_aside(f, "Z*-wal", path, sizeof(path)), 1);
                after = read_bytes(path, &n_after);
                assert_int_equal(n_after, n);
                assert_memory_equal(after, wal, n);
                assert_int_equal(unlink(path), 0);
                assert_int_equal(unlink(files_path(f, "log.db")), 0);
        }
}

static void what_is_not_a_log_is_set_aside(void **state) {
        char diary[1000] = "";
        Files *f = *state;
        sqlite3 *db = NULL;
        Epoch e = {""};

        files_write(f, "log.db", "Not much.\n");
        expect_begun_anew(f, &e, "log.db was damaged (it is too short)");
        memset(diary, '.', sizeof(diary) - 1);
        files_write(f, "log.db", diary);
        expect_begun_anew(f, &e, "log.db was damaged (file is not a database)");
        files_write(f, "log.db", "");
        expect_begun_anew(f, &e, "log.db was damaged (it is empty)");
        assert_int_equal(unlink(files_path(f, "log.db")), 0);
        assert_int_equal(mkdir(files_path(f, "log.db"), 0700), 0);
        expect_begun_anew(f, &e, "log.db was damaged (it is no file)");
        assert_int_equal(unlink(files_path(f, "log.db")), 0);
        assert_int_equal(sqlite3_open(files_path(f, "log.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "CREATE TABLE log (a)", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        expect_begun_anew(f, &e, "log.db was damaged (what stands in it is not ours)");
        files_write(f, "log.db-wal", "left over");
        assert_int_equal(unlink(files_path(f, "log.db")), 0);
        expect_begun_anew(f, &e, "log.db was damaged (it is missing");
        assert_int_equal(count_aside(f, "Z*", NULL, 0), 6);
}

static void execute(Files *f, const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(files_path(f, "log.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void what_says_of_itself_what_is_not_so_is_set_aside(void **state) {
        static const char *const lies[] = {
                "UPDATE log SET next_id = 10",
                "UPDATE log SET next_id = 12",
                "UPDATE log SET next_id = -1; DELETE FROM messages",
                "UPDATE log SET bytes = -1",
                "UPDATE log SET epoch = 'short'",
                "UPDATE log SET epoch = '0123456789ABCDEF'",
                "UPDATE log SET unsynced_boot = hex(zeroblob(1000))",
                "DELETE FROM log",
                "DROP TABLE messages",
                "DROP TABLE keys",
                "PRAGMA user_version = 0",
        };
        Files *f = *state;
        size_t n;
        Epoch e;

        for (size_t i = 0; i < ELEMENTS(lies); i++) {
                Log *l;

                free(make_ten(f, &e, &n));
                execute(f, lies[i]);
                l = logs_open_in(f, LOGS_BOOT, false, "log.db was damaged (");
                logs_expect(l, 1, 0);
                log_free(l);
                assert_int_equal(unlink(files_path(f, "log.db")), 0);
        }
        assert_int_equal(count_aside(f, "Z*", NULL, 0) - count_aside(f, "Z*-wal", NULL, 0),
                         ELEMENTS(lies));
}

static void damage_found_in_use_is_set_aside_the_next_time(void **state) {
        Files *f = *state;
        LogMessage m = logs_keyed(1, "a"), *messages;
        Log *l = logs_open(f->directory, NULL);
        Epoch e = epoch_of(l);
        bool more;
        size_t n;

        for (int i = 0; i < 100; i++)
                logs_say(l, 500, 1);
        log_free(l);
        overwrite(f, "log.db", INT64_C(100) * 4096, 4096);
        l = logs_open(f->directory, NULL);
        logs_say(l, 10, 1);
        for (uint64_t after = 0;; after += n) {
                int r = log_read(l, &(LogRange){after, 256, SIZE_MAX}, &messages, &n);

                if (r == -EUCLEAN)
                        break;
                assert_int_equal(r, 0);
                assert_true(n > 0);
                log_messages_free(messages, n);
        }
        assert_int_equal(log_append(l, &m, 1), -EUCLEAN);
        assert_int_equal(log_trim(l, 1, 1, &more), -EUCLEAN);
        assert_string_equal(epoch_of(l).text, e.text);
        assert_int_equal(log_head(l), 50010);
        log_free(l);
        expect_begun_anew(f, &e, "log.db was damaged (found so while it was in use)");
        assert_int_equal(count_aside(f, "Z", NULL, 0), 1);
        assert_int_equal(count_aside(f, "Z-wal", NULL, 0), 1);
}

static void a_hole_is_damage(void **state) {
        Files *f = *state;
        LogMessage *messages;
        size_t n;
        Epoch e;
        Log *l;

        free(make_ten(f, &e, &n));
        execute(f, "DELETE FROM messages WHERE id = 5");
        l = logs_open(f->directory, NULL);
        assert_int_equal(log_read(l, &(LogRange){0, 4, SIZE_MAX}, &messages, &n), 0);
        assert_int_equal(n, 4);
        log_messages_free(messages, n);
        assert_int_equal(log_read(l, &(LogRange){4, 4, SIZE_MAX}, &messages, &n), -EUCLEAN);
        log_free(l);
        expect_begun_anew(f, &e, "log.db was damaged (found so while it was in use)");
}

static void half_a_write_ahead_log_is_what_it_says(void **state) {
        Files *f = *state;

        for (int i = 0; i < 8; i++) {
                struct stat st;
                Log *l;

                logs_say_and_die(f, NULL, 1);
                for (int j = 0; j < 5; j++)
                        logs_say_and_die(f, NULL, 1);
                assert_int_equal(stat(files_path(f, "log.db-wal"), &st), 0);
                assert_int_equal(truncate(files_path(f, "log.db-wal"), st.st_size * i / 8), 0);
                l = logs_open(f->directory, NULL);
                logs_expect(l, 1, log_head(l));
                logs_say(l, 1, 1);
                logs_expect(l, 1, log_head(l));
                log_free(l);
        }
}

/* ---- what is not for us */

static void a_newer_log_is_left_as_it_is(void **state) {
        Files *f = *state;
        _cleanup_(freep) char *before = NULL, *after = NULL;
        LogOptions options = {.boot_id = LOGS_BOOT};
        size_t n_before, n_after;
        LogError error;
        Log *l = NULL;
        Epoch e;

        free(make_ten(f, &e, &n_before));
        execute(f, "PRAGMA user_version = 2; DROP TABLE messages");
        before = read_bytes(files_path(f, "log.db"), &n_before);
        assert_int_equal(log_open(&l, f->directory, &options, &error), LOG_E_UNUSABLE);
        assert_null(l);
        assert_non_null(strstr(error.text, "log.db was written by a newer chatroomd"));
        after = read_bytes(files_path(f, "log.db"), &n_after);
        assert_int_equal(n_after, n_before);
        assert_memory_equal(after, before, n_before);
        assert_int_equal(access(files_path(f, "log.db-wal"), F_OK), -1);
        assert_int_equal(count_aside(f, "Z*", NULL, 0), 0);
}

static void the_directory_is_made(void **state) {
        Files *f = *state;
        char parent[128], child[256];
        LogOptions options = {.boot_id = LOGS_BOOT};
        LogError error;
        Log *l = NULL;
        struct stat st;

        snprintf(parent, sizeof(parent), "%s/a", f->directory);
        snprintf(child, sizeof(child), "%s/b", parent);
        assert_int_equal(log_open(&l, child, &options, &error), -ENOENT);
        assert_null(l);
        assert_non_null(strstr(error.text, child));
        l = logs_open(parent, NULL);
        logs_say(l, 1, 1);
        log_free(l);
        assert_int_equal(stat(parent, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(stat(files_path(f, "a/log.db"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_file_that_was_taken_away_is_not_written(void **state) {
        Files *f = *state;
        LogMessage m = logs_keyed(1, "a");
        Log *l = logs_open(f->directory, NULL);
        char elsewhere[128];

        logs_say(l, 3, 1);
        snprintf(elsewhere, sizeof(elsewhere), "%s", files_path(f, "elsewhere"));
        assert_int_equal(rename(files_path(f, "log.db"), elsewhere), 0);
        assert_int_equal(log_append(l, &m, 1), -ESTALE);
        assert_int_equal(log_append(l, &m, 1), -ESTALE);
        assert_int_equal(log_head(l), 3);
        assert_int_equal(access(files_path(f, "log.db"), F_OK), -1);
        assert_int_equal(rename(elsewhere, files_path(f, "log.db")), 0);
        logs_say(l, 1, 1);
        logs_expect(l, 1, 4);
        log_free(l);
}

static void one_that_somebody_uses_is_not_opened(void **state) {
        Files *f = *state;
        int ready[2], status;
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                Log *l = logs_open(f->directory, NULL);

                logs_say(l, 1, 1);
                if (write(ready[1], "x", 1) != 1)
                        _exit(1);
                (void) pause();
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        LogOptions options = {.boot_id = LOGS_BOOT};
        LogError error;
        Log *l = NULL;

        assert_int_equal(log_open(&l, f->directory, &options, &error), -EBUSY);
        assert_non_null(strstr(error.text, "in use by another program"));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        l = logs_open(f->directory, NULL);
        logs_expect(l, 1, 1);
        log_free(l);
        close(ready[0]);
        close(ready[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(a_room_keeps_its_epoch),
                WITH_FILES(being_killed_does_not_change_it),
                WITH_FILES(losing_the_power_does),
                WITH_FILES(it_does_not_where_nothing_was_said),
                WITH_FILES(it_does_not_where_each_group_was_on_the_disk),
                WITH_FILES(an_unknown_boot_is_another_one),
                WITH_FILES(how_it_is_synced_can_change),
                WITH_FILES(a_damaged_header_is_set_aside),
                WITH_FILES(a_damaged_schema_is_set_aside),
                WITH_FILES(a_damaged_row_is_set_aside),
                WITH_FILES(damaged_messages_are_set_aside),
                WITH_FILES(each_is_set_aside_as_a_whole),
                WITH_FILES(what_belongs_to_it_is_kept),
                WITH_FILES(what_is_not_a_log_is_set_aside),
                WITH_FILES(what_says_of_itself_what_is_not_so_is_set_aside),
                WITH_FILES(damage_found_in_use_is_set_aside_the_next_time),
                WITH_FILES(a_hole_is_damage),
                WITH_FILES(half_a_write_ahead_log_is_what_it_says),
                WITH_FILES(a_newer_log_is_left_as_it_is),
                WITH_FILES(the_directory_is_made),
                WITH_FILES(a_file_that_was_taken_away_is_not_written),
                WITH_FILES(one_that_somebody_uses_is_not_opened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
