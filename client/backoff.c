/* SPDX-License-Identifier: MIT */
/*
 * Exponential, with full jitter. Only a connection that stood for a while puts it back to its
 * beginning: a server that lets everybody in and falls over at once is not to be hammered.
 */
#include "client/backoff.h"

#define SCATTER_MS 250

unsigned backoff_next(Backoff *b, uint64_t random) {
        uint64_t bound = BACKOFF_FIRST_MS;

        for (unsigned i = 0; i < b->failures && bound < BACKOFF_MAX_MS; i++)
                bound *= 2;
        if (bound > BACKOFF_MAX_MS)
                bound = BACKOFF_MAX_MS;
        if (b->failures < UINT32_MAX)
                b->failures++;
        return (unsigned) (random % (bound + 1));
}

unsigned backoff_told(Backoff *b, int64_t retry_after_ms, uint64_t random) {
        if (retry_after_ms > BACKOFF_TOLD_MAX_MS)
                retry_after_ms = BACKOFF_TOLD_MAX_MS;
        return (unsigned) retry_after_ms + (unsigned) (random % (SCATTER_MS + 1));
}

bool backoff_may_be_oneself(Backoff *b, uint64_t now_ms) {
        if (b->name_until_ms == 0)
                b->name_until_ms = now_ms + BACKOFF_NAME_MS;
        return now_ms < b->name_until_ms;
}

void backoff_joined(Backoff *b) {
        b->name_until_ms = 0;
}

void backoff_stood(Backoff *b, uint64_t ms) {
        if (ms >= BACKOFF_STABLE_MS)
                b->failures = 0;
}
