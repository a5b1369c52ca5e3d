/* SPDX-License-Identifier: MIT */
/*
 * What a process has cost so far. CPU time comes from the other process's CPU clock: the figure of
 * /proc/PID/stat without its rounding to 10 ms.
 */
#include "tests/bench/meter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "proto/base.h"

static uint64_t nsec(const struct timespec *t) {
        return (uint64_t) t->tv_sec * 1000000000U + (uint64_t) t->tv_nsec;
}

uint64_t meter_now_nsec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return nsec(&now);
}

int meter_cpu_nsec(uint64_t *ret, pid_t pid) {
        struct timespec used = {0};
        clockid_t clock;

        if (pid > 0) {
                int r = clock_getcpuclockid(pid, &clock);
                if (r != 0)
                        return -r;
                if (clock_gettime(clock, &used) < 0)
                        return -errno;
        }
        *ret = nsec(&used);
        return 0;
}

int meter_rss_kib(uint64_t *ret, pid_t pid) {
        char path[64], line[256];
        uint64_t kib;

        if (pid <= 0) {
                *ret = 0;
                return 0;
        }
        snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        _cleanup_(fclosep) FILE *f = fopen(path, "re");
        if (!f)
                return -errno;
        while (fgets(line, sizeof(line), f)) {
                if (sscanf(line, "VmRSS: %" SCNu64, &kib) == 1) {
                        *ret = kib;
                        return 0;
                }
        }
        return -ESRCH;
}
