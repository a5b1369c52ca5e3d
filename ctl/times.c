/* SPDX-License-Identifier: MIT */
/* Ago and until: the daemon is on this machine, so its clock is ours. */
#include "ctl/times.h"

#include <stdio.h>
#include <time.h>

#include "ctl/duration.h"

int64_t times_now(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void times_ago(char ret[TIMES_MAX], int64_t now, int64_t then) {
        char text[DURATION_TEXT_MAX];

        /* "350ms ago" is more than anybody wants to know. */
        duration_format(text, (now - then) / 1000 * 1000);
        snprintf(ret, TIMES_MAX, then == 0 ? "never" : "%s ago", text);
}

void times_until(char ret[TIMES_MAX], int64_t now, int64_t then) {
        char text[DURATION_TEXT_MAX];

        if (then == 0 || then <= now) {
                times_ago(ret, now, then);
                return;
        }
        duration_format(text, (then - now) / 1000 * 1000);
        snprintf(ret, TIMES_MAX, "in %s", text);
}
