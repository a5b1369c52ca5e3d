/* SPDX-License-Identifier: MIT */
/* state.db on disks that are full or read-only. Their mounts are seen by a child process alone. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/states.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

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
        _cleanup_(freep) char *directory = state_path(f, NULL);
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
        _cleanup_(freep) char *directory = state_path(f, NULL);
        State *s;

        MUST(mount(directory, directory, NULL, MS_BIND, NULL) == 0);
        MUST(mount(NULL, directory, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
        s = must_open(f);
        must_know_bob_is_revoked(s);
        for (int i = 0; i < 2; i++)
                MUST(commit_one(s, TOKEN_REVOKE, "c", "carol") == -EROFS);
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
        _cleanup_(freep) char *path = state_path(f, "filler");
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        char block[512] = "";

        MUST(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        MUST(errno == ENOSPC);
}

static void use_a_full_disk(Files *f) {
        _cleanup_(freep) char *directory = state_path(f, NULL), *filler = state_path(f, "filler");
        State *s;

        MUST(mkdir(directory, 0700) == 0);
        MUST(mount("tmpfs", directory, "tmpfs", 0, "size=512k") == 0);
        s = must_open(f);
        MUST(commit_one(s, TOKEN_REVOKE, "b", "bob") == 0);
        state_free(s);
        fill(f);
        s = must_open(f);
        must_know_bob_is_revoked(s);
        for (int i = 0; i < 2; i++)
                MUST(commit_one(s, TOKEN_REVOKE, "c", "carol") == -ENOSPC);
        MUST(unlink(filler) == 0);
        MUST(commit_one(s, TOKEN_REVOKE, "c", "carol") == 0);
        state_free(s);
}

static void a_full_disk_can_be_read_and_later_written(void **state) {
        in_namespace(*state, use_a_full_disk);
}

static void begin_on_a_full_disk(Files *f) {
        _cleanup_(freep) char *directory = state_path(f, NULL), *filler = state_path(f, "filler");
        State *s;

        MUST(mkdir(directory, 0700) == 0);
        MUST(mount("tmpfs", directory, "tmpfs", 0, "size=512k") == 0);
        fill(f);
        s = must_open(f);
        MUST(state_commit(s, NULL, 0) == -ENOSPC);
        state_free(s);
        s = must_open(f); /* no half-made file stands in the way */
        MUST(unlink(filler) == 0);
        MUST(commit_one(s, TOKEN_REVOKE, "b", "bob") == 0);
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
                WITH_FILES(a_read_only_disk_can_be_read),
                WITH_FILES(a_log_on_a_read_only_disk_can_be_read),
                WITH_FILES(a_full_disk_can_be_read_and_later_written),
                WITH_FILES(a_state_can_begin_on_a_full_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
