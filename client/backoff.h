/* SPDX-License-Identifier: MIT */
/* How long to wait before the next attempt to connect. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000
/* A connection that stood that long was a good one. */
#define BACKOFF_STABLE_MS 5000
/* A server may not send us away for longer than this. */
#define BACKOFF_TOLD_MAX_MS 300000

/* What is left of a connection may hold one's name for as long as it takes the server to notice
 * that nobody is there, which is less than this. */
#define BACKOFF_NAME_MS 60000

typedef struct Backoff {
        unsigned failures;      /* in a row */
        uint64_t name_until_ms; /* the name is taken, and may be so till then; 0: it is not */
} Backoff;

/* Anything from 0 to a bound that doubles each time: clients that lost their server together do not
 * come back together. random: any number. */
unsigned backoff_next(Backoff *b, uint64_t random);
/* The server said when to come back: then, and a bit of scatter. */
unsigned backoff_told(Backoff *b, int64_t retry_after_ms, uint64_t random);
/* Somebody has the name that was one's own: may that be oneself still? */
bool backoff_may_be_oneself(Backoff *b, uint64_t now_ms);
/* There is a connection. */
void backoff_joined(Backoff *b);
/* There was one, for so long. */
void backoff_stood(Backoff *b, uint64_t ms);
