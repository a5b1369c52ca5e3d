/* SPDX-License-Identifier: MIT */
/* The log on disks that are full, that cannot be written and that fail; and in a process that is
 * killed. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/files.h"
#include "tests/unit/logs.h"
#include "tests/unit/test.h"

static bool disk_fails;         /* takes what is written, but does not say that it will keep it */
static const char *disk_shadow; /* where to put what it has said so of */

static void copy_file(int fd, const char *path) {
        char buffer[65536];
        off_t offset = 0;
        ssize_t n;
        int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        while (out >= 0 && (n = pread(fd, buffer, sizeof(buffer), offset)) > 0)
                offset += write(out, buffer, (size_t) n);
        close_fd(out);
}

/* Under its own name, but in that directory. */
static void copy_to_shadow(int fd) {
        char link[64], from[256] = "", to[512];

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlink(link, from, sizeof(from) - 1) < 0)
                return;
        snprintf(to, sizeof(to), "%s%s", disk_shadow, strrchr(from, '/'));
        copy_file(fd, to);
}

/* SQLite's, too. */
int fdatasync(int fd) {
        if (disk_fails) {
                errno = EIO;
                return -1;
        }
        if (disk_shadow)
                copy_to_shadow(fd);
        return (int) syscall(SYS_fdatasync, fd);
}

static const LogOptions options = {.boot_id = LOGS_BOOT};

static void refuse(Log *l, int r) {
        static char text[20000];
        uint64_t head = log_head(l);
        LogMessage m;

        memset(text, 'x', sizeof(text) - 1);
        m = logs_keyed(0, text);
        m.key[1] = (uint8_t) (head + 1); /* it must not be remembered */
        assert_int_equal(log_append(l, &m, 1), r);
        assert_int_equal(log_head(l), head);
}

/* ---- a small disk of our own */

static int disk_setup(void **state) {
        Files *f;

        if (files_setup(state) != 0)
                return -1;
        f = *state;
        /* Seen by this process alone, and gone with it. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", f->directory, "tmpfs", 0, "size=1m,mode=0700") < 0) {
                print_message("no file system can be mounted here: %s\n", strerror(errno));
                (void) files_teardown(state);
                *state = NULL;
        }
        return 0;
}

static int disk_teardown(void **state) {
        Files *f = *state;

        return f && umount(f->directory) < 0 ? -1 : f ? files_teardown(state) : 0;
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, disk_setup, disk_teardown)

static Files *need_disk(void **state) {
        if (!*state)
                skip();
        return *state;
}

/* To the last byte. */
static void fill(Files *f) {
        static const char bytes[4096];
        int fd = open(files_path(f, "filler"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ssize_t n;

        assert_true(fd >= 0);
        for (size_t step = sizeof(bytes); step > 0; step = n < 0 ? step / 2 : step)
                n = write(fd, bytes, step);
        assert_int_equal(errno, ENOSPC);
        close(fd);
}

static void make_room(Files *f) {
        assert_int_equal(unlink(files_path(f, "filler")), 0);
}

static void remount(Files *f, unsigned long flags) {
        assert_int_equal(mount(NULL, f->directory, NULL, MS_REMOUNT | flags, "size=1m"), 0);
}

static void a_full_disk_refuses_and_then_takes(void **state) {
        Files *f = need_disk(state);
        Log *l = logs_open(f->directory, &options);
        LogMessage m;

        logs_say(l, 10, 1);
        fill(f);
        refuse(l, -ENOSPC);
        refuse(l, -ENOSPC);
        logs_expect(l, 1, 10);
        make_room(f);
        logs_say(l, 10, 1);
        logs_expect(l, 1, 20);
        m = logs_keyed(0, "a");
        m.key[1] = 11;
        assert_int_equal(log_append(l, &m, 1), 0);
        assert_int_equal(m.result, LOG_APPENDED);
        assert_int_equal(m.id, 21);
        log_free(l);
}

static void a_full_disk_is_no_reason_not_to_start(void **state) {
        Files *f = need_disk(state);
        Log *l = logs_open(f->directory, &options);
        char epoch[LOG_EPOCH_CHARS + 1];
        bool more;

        strcpy(epoch, log_epoch(l));
        logs_say(l, 10, 1);
        log_free(l);
        fill(f);
        l = logs_open_with(f, &options, "cannot be written: No space left on device");
        assert_string_equal(log_epoch(l), epoch);
        logs_expect(l, 1, 10);
        refuse(l, -ENOSPC);
        assert_int_equal(log_trim(l, 1, 10, &more), -ENOSPC);
        logs_expect(l, 1, 10);
        make_room(f);
        logs_say(l, 10, 1);
        logs_expect(l, 1, 20);
        log_free(l);
        l = logs_open(f->directory, &options);
        assert_string_equal(log_epoch(l), epoch);
        logs_expect(l, 1, 20);
        log_free(l);
}

static void a_log_can_begin_on_a_full_disk(void **state) {
        Files *f = need_disk(state);
        char epoch[LOG_EPOCH_CHARS + 1];
        Log *l;

        fill(f);
        l = logs_open_with(f, &options, "cannot be written: No space left on device");
        strcpy(epoch, log_epoch(l));
        logs_expect(l, 1, 0);
        refuse(l, -ENOSPC);
        make_room(f);
        logs_say(l, 2, 1);
        log_free(l);
        l = logs_open(f->directory, &options);
        assert_string_equal(log_epoch(l), epoch);
        logs_expect(l, 1, 2);
        log_free(l);
}

/* The last commits stand in the write-ahead log, which has to be read as well. */
static void check_read_only(Files *f) {
        char epoch[LOG_EPOCH_CHARS + 1];
        Log *l;

        remount(f, MS_RDONLY);
        l = logs_open_with(f, &options, "cannot be written: Read-only file system");
        strcpy(epoch, log_epoch(l));
        logs_expect(l, 1, 10);
        refuse(l, -EROFS);
        refuse(l, -EROFS);
        logs_expect(l, 1, 10);
        log_free(l);
        l = logs_open_with(f, &options, "cannot be written: Read-only file system");
        assert_string_equal(log_epoch(l), epoch);
        remount(f, 0);
        logs_say(l, 10, 1);
        logs_expect(l, 1, 20);
        log_free(l);
        l = logs_open(f->directory, &options);
        assert_string_equal(log_epoch(l), epoch);
        logs_expect(l, 1, 20);
        log_free(l);
}

static void a_read_only_disk_is_read(void **state) {
        Files *f = need_disk(state);
        Log *l = logs_open(f->directory, &options);

        logs_say(l, 10, 1);
        log_free(l);
        check_read_only(f);
}

static void a_read_only_disk_is_read_after_a_kill(void **state) {
        Files *f = need_disk(state);

        logs_say_and_die(f, &options, 10);
        check_read_only(f);
}

static void damage_waits_on_a_read_only_disk(void **state) {
        Files *f = need_disk(state);
        char epoch[LOG_EPOCH_CHARS + 1];
        Log *l;

        files_write(f, "log.db", "no log");
        remount(f, MS_RDONLY);
        l = logs_open_with(f, &options, "cannot be set aside: Read-only file system");
        strcpy(epoch, log_epoch(l));
        logs_expect(l, 1, 0);
        refuse(l, -EROFS);
        remount(f, 0);
        logs_say(l, 1, 1);
        log_free(l);
        l = logs_open(f->directory, &options);
        assert_string_equal(log_epoch(l), epoch);
        logs_expect(l, 1, 1);
        log_free(l);
}

static void a_lost_power_is_told_of_until_it_can_be_written(void **state) {
        Files *f = need_disk(state);
        LogOptions later = {.boot_id = "boot-2"};
        char epoch[LOG_EPOCH_CHARS + 1];
        Log *l;

        logs_say_and_die(f, &options, 10);
        remount(f, MS_RDONLY);
        l = logs_open_with(f, &later, "may be lost");
        strcpy(epoch, log_epoch(l));
        log_free(l);
        l = logs_open_with(f, &later, "may be lost");
        assert_string_not_equal(log_epoch(l), epoch);
        strcpy(epoch, log_epoch(l));
        remount(f, 0);
        logs_say(l, 1, 1);
        log_free(l);
        l = logs_open_with(f, &later, "");
        assert_string_equal(log_epoch(l), epoch);
        logs_expect(l, 1, 11);
        log_free(l);
}

/* ---- a disk that fails */

static void what_was_refused_does_not_come_back(void **state) {
        Files *f = *state;
        LogOptions full = {.boot_id = LOGS_BOOT, .full_sync = true};
        Log *l = logs_open(f->directory, &full);
        LogMessage refused = logs_keyed(1, "refused"), again = logs_keyed(1, "again");

        logs_say(l, 3, 1);
        disk_fails = true;
        assert_int_equal(log_append(l, &refused, 1), -EIO);
        assert_int_equal(log_append(l, &refused, 1), -EIO);
        assert_int_equal(log_head(l), 3);
        logs_expect(l, 1, 3);
        disk_fails = false;
        logs_say(l, 2, 1);
        logs_expect(l, 1, 5);
        assert_int_equal(log_append(l, &again, 1), 0);
        assert_int_equal(again.result, LOG_APPENDED);
        assert_int_equal(again.id, 6);
        log_free(l);
}

/* Runs in a directory of which nothing reaches the disk but what was waited for; returns to where
 * the machine has been started anew. */
static void lose_power(Files *f, const LogOptions *o, void (*run)(Log *l)) {
        static const char *const names[] = {"log.db", "log.db-wal"};
        Files disk;
        Log *l;
        pid_t pid;
        int fd;

        memcpy(disk.directory, "/tmp/chatroom-unit-XXXXXX", sizeof("/tmp/chatroom-unit-XXXXXX"));
        assert_non_null(mkdtemp(disk.directory));
        l = logs_open(f->directory, NULL);
        logs_say(l, 5, 1);
        log_free(l);
        disk_shadow = disk.directory;
        fd = open(files_path(f, "log.db"), O_RDONLY | O_CLOEXEC);
        copy_to_shadow(fd);
        close(fd);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                run(logs_open(f->directory, o));
                _exit(0);
        }
        disk_shadow = NULL;
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_true(unlink(files_path(f, names[i])) == 0 || errno == ENOENT);
        assert_int_equal(rename(disk.directory, f->directory), 0);
}

static void say_one(Log *l) {
        logs_say(l, 1, 1);
}

static void say_much(Log *l) {
        for (int i = 0; i < 400; i++)
                logs_say(l, 16, 1);
}

static void say_and_close(Log *l) {
        logs_say(l, 7, 1);
        (void) log_free(l);
}

static void expect_after(Files *f, const char *words, uint64_t least) {
        Log *l = logs_open_in(f, "boot-2", false, words);

        assert_true(log_head(l) >= least);
        logs_expect(l, 1, log_head(l));
        log_free(l);
}

static void the_mark_is_on_the_disk_before_the_first_message(void **state) {
        lose_power(*state, &options, say_one);
        expect_after(*state, "may be lost", 5);
}

static void the_mark_stays_on_the_disk(void **state) {
        lose_power(*state, &options, say_much);
        expect_after(*state, "may be lost", 5);
}

static void a_clean_end_is_on_the_disk(void **state) {
        lose_power(*state, &options, say_and_close);
        expect_after(*state, "", 12);
}

static void full_sync_loses_nothing(void **state) {
        lose_power(*state, &(LogOptions){.boot_id = LOGS_BOOT, .full_sync = true}, say_much);
        expect_after(*state, "", 6405);
}

/* ---- a process that is killed */

/* Appends until it is killed, and says on the pipe up to which id all has been taken. */
static void append_for_ever(Files *f, int out) {
        Log *l = logs_open(f->directory, &options);

        for (unsigned round = 0;; round++) {
                uint64_t head;

                logs_say(l, 1 + round % 7, 1);
                head = log_head(l);
                if (write(out, &head, sizeof(head)) != sizeof(head))
                        _exit(1);
        }
}

/* The last one that was acknowledged. */
static uint64_t kill_while_appending(Files *f, unsigned n_acks) {
        uint64_t head = 0, acked = 0;
        int fds[2], status;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                append_for_ever(f, fds[1]);
        close(fds[1]);
        for (unsigned i = 0; read(fds[0], &head, sizeof(head)) == sizeof(head); i++) {
                acked = head;
                if (i == n_acks)
                        assert_int_equal(kill(pid, SIGKILL), 0);
        }
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        return acked;
}

static void what_was_acknowledged_survives_a_kill(void **state) {
        Files *f = *state;
        char epoch[LOG_EPOCH_CHARS + 1] = "";
        unsigned seed;

        assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
        print_message("seed %u\n", seed);
        srandom(seed);
        for (int round = 0; round < 25; round++) {
                uint64_t acked = kill_while_appending(f, (unsigned) random() % 200);
                Log *l = logs_open(f->directory, &options);

                assert_true(log_head(l) >= acked);
                logs_expect(l, 1, log_head(l));
                if (*epoch)
                        assert_string_equal(log_epoch(l), epoch);
                strcpy(epoch, log_epoch(l));
                if (round % 2 == 0) {
                        log_free(l);
                } else { /* its write-ahead log goes on growing */
                        logs_say(l, 1, 1);
                        log_free(l);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_DISK(a_full_disk_refuses_and_then_takes),
                WITH_DISK(a_full_disk_is_no_reason_not_to_start),
                WITH_DISK(a_log_can_begin_on_a_full_disk),
                WITH_DISK(a_read_only_disk_is_read),
                WITH_DISK(a_read_only_disk_is_read_after_a_kill),
                WITH_DISK(damage_waits_on_a_read_only_disk),
                WITH_DISK(a_lost_power_is_told_of_until_it_can_be_written),
                WITH_FILES(what_was_refused_does_not_come_back),
                WITH_FILES(the_mark_is_on_the_disk_before_the_first_message),
                WITH_FILES(the_mark_stays_on_the_disk),
                WITH_FILES(a_clean_end_is_on_the_disk),
                WITH_FILES(full_sync_loses_nothing),
                WITH_FILES(what_was_acknowledged_survives_a_kill),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
