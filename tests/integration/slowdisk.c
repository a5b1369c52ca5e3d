/* SPDX-License-Identifier: MIT */
/*
 * A disk that is slow, stuck, or fails, for tests: preloaded into the daemon, this stands before
 * the system calls that write to files and applies to those whose path ends in SLOWDISK_FILE, or
 * has it before "-wal", "-shm" or "-journal".
 *
 * The file SLOWDISK_CONTROL, which the test has mapped as well, says what to do, and counts what
 * was done. Without it, or before it says anything, this does nothing at all. The calls are made
 * directly: under a sanitizer this library is there before the sanitizer is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
        DISK_WORKS,
        DISK_SLOW,       /* each call takes `value` milliseconds longer */
        DISK_FAILS,      /* each call fails with the errno `value` */
        DISK_FAILS_SYNC, /* those that sync do */
        DISK_HANGS,      /* calls do not return before this is over */
};

typedef struct Control {
        _Atomic uint32_t mode;
        _Atomic uint32_t value;
        _Atomic uint32_t writes; /* calls that came, those that hang too */
        _Atomic uint32_t syncs;
        _Atomic uint32_t hanging; /* calls that do not return now */
} Control;

static Control *control;
static char file[64];

__attribute__((constructor)) static void prepare(void) {
        const char *path = getenv("SLOWDISK_CONTROL"), *name = getenv("SLOWDISK_FILE");
        int fd;

        if (!path || !name || strlen(name) >= sizeof(file))
                return;
        strcpy(file, name);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return;
        control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (control == MAP_FAILED)
                control = NULL;
}

static bool ends_in(const char *path, const char *suffix) {
        char wanted[sizeof(file) + 16];
        size_t n = (size_t) snprintf(wanted, sizeof(wanted), "%s%s", file, suffix);

        return strlen(path) >= n && strcmp(path + strlen(path) - n, wanted) == 0;
}

static bool is_ours(int fd) {
        char link[32], path[4096];
        ssize_t n;

        if (!control)
                return false;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return false;
        path[n] = '\0';
        return ends_in(path, "") || ends_in(path, "-wal") || ends_in(path, "-shm") ||
               ends_in(path, "-journal");
}

static void pause_ms(uint32_t ms) {
        struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

        while (nanosleep(&t, &t) < 0 && errno == EINTR)
                ;
}

/* 0: go on and do it; else the errno to fail with. */
static int before(int fd, bool sync) {
        uint32_t mode;

        if (!is_ours(fd))
                return 0;
        atomic_fetch_add(sync ? &control->syncs : &control->writes, 1);
        mode = atomic_load(&control->mode);
        if (mode == DISK_SLOW)
                pause_ms(atomic_load(&control->value));
        if (mode == DISK_HANGS) {
                atomic_fetch_add(&control->hanging, 1);
                while (atomic_load(&control->mode) == DISK_HANGS)
                        pause_ms(1);
                atomic_fetch_sub(&control->hanging, 1);
        }
        /* What hung may fail in the end. */
        mode = atomic_load(&control->mode);
        if (mode == DISK_FAILS || (mode == DISK_FAILS_SYNC && sync))
                return (int) atomic_load(&control->value);
        return 0;
}

static long done(int failed, long r) {
        if (failed == 0)
                return r;
        errno = failed;
        return -1;
}

/* The prototypes are the C library's. */
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) {
        int failed = before(fd, false);

        return done(failed, failed ? 0 : syscall(SYS_pwrite64, fd, data, n, offset));
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) {
        return pwrite64(fd, data, n, offset);
}

ssize_t write(int fd, const void *data, size_t n) {
        int failed = before(fd, false);

        return done(failed, failed ? 0 : syscall(SYS_write, fd, data, n));
}

int ftruncate64(int fd, off64_t size) {
        int failed = before(fd, false);

        return (int) done(failed, failed ? 0 : syscall(SYS_ftruncate, fd, size));
}

int fdatasync(int fd) {
        int failed = before(fd, true);

        return (int) done(failed, failed ? 0 : syscall(SYS_fdatasync, fd));
}

int fsync(int fd) {
        int failed = before(fd, true);

        return (int) done(failed, failed ? 0 : syscall(SYS_fsync, fd));
}
