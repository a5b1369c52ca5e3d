/* SPDX-License-Identifier: MIT */
/*
 * The token bucket. It holds no timer and no clock: the level is brought up to date when somebody
 * takes, from the time that has passed since the last time. A clock that stands still or goes back
 * adds nothing.
 */
#include "service/limits.h"

#define USEC_PER_SEC 1000000.0

/* Whoever waits for exactly as long as he was told must find one, whatever the rounding. */
#define NEARLY_ONE (1.0 - 1e-9)

double bucket_level(const Bucket *b, double burst, double per_second, uint64_t now_usec) {
        double level = b->level;

        if (b->at_usec == 0)
                return burst;
        if (now_usec > b->at_usec)
                level += (double) (now_usec - b->at_usec) * per_second / USEC_PER_SEC;
        return level < burst ? level : burst;
}

uint64_t bucket_take(Bucket *b, double burst, double per_second, uint64_t now_usec) {
        double wait_usec;
        uint64_t whole;

        b->level = bucket_level(b, burst, per_second, now_usec);
        if (now_usec > b->at_usec)
                b->at_usec = now_usec;
        if (b->level >= NEARLY_ONE) {
                b->level = b->level > 1.0 ? b->level - 1.0 : 0.0;
                return 0;
        }
        wait_usec = (1.0 - b->level) * USEC_PER_SEC / per_second;
        if (!(wait_usec < (double) UINT64_MAX))
                return UINT64_MAX;
        whole = (uint64_t) wait_usec;
        return (double) whole < wait_usec ? whole + 1 : whole;
}
