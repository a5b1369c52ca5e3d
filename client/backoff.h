/* SPDX-License-Identifier: MIT */
/* How long to wait before the next attempt to connect. */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000
/* A connection that stood that long was a good one. */
#define BACKOFF_STABLE_MS 5000
/* A server may not send us away for longer than this. */
#define BACKOFF_TOLD_MAX_MS 300000

typedef struct Backoff {
        unsigned failures; /* in a row */
} Backoff;

/* Anything from 0 to a bound that doubles each time: clients that lost their server together do not
 * come back together. random: any number. */
unsigned backoff_next(Backoff *b, uint64_t random);
/* The server said when to come back: then, and a bit of scatter. */
unsigned backoff_told(Backoff *b, int64_t retry_after_ms, uint64_t random);
/* There was a connection, for so long. */
void backoff_stood(Backoff *b, uint64_t ms);
