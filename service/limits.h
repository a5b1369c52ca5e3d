/* SPDX-License-Identifier: MIT */
/*
 * Every limit that a peer can run into, in one place, and the token bucket that rates are kept by.
 * Times are microseconds of CLOCK_MONOTONIC, passed in.
 */
#pragma once

#include <stdint.h>

typedef struct Limits {
        unsigned max_connections;
        unsigned max_connections_per_address;
        unsigned max_sessions_per_user;
        unsigned max_streams_per_connection;
        unsigned join_timeout_ms;
        unsigned max_text;  /* bytes */
        unsigned max_frame; /* bytes */
        unsigned rate_burst;
        unsigned rate_per_second;
        unsigned max_lag_messages;
        unsigned max_lag_bytes;
        unsigned max_lag_age_ms;
        unsigned auth_failures_per_minute;
} Limits;

/* Opening streams on one connection: not for a configuration, an ordinary client is far below. */
#define STREAM_OPEN_BURST 200
#define STREAM_OPEN_PER_SECOND 50

/* Calls at a time that need no token: anybody who may connect can make them. */
#define GUESTS_MAX 64
#define GUESTS_PER_ADDRESS 16
#define GUESTS_PER_CONNECTION 2

typedef struct Bucket {
        double level;
        uint64_t at_usec; /* 0: full, never used */
} Bucket;

/* How many there are. */
double bucket_level(const Bucket *b, double burst, double per_second, uint64_t now_usec);
/* Takes one if there is one. Returns 0 when it was taken, else the microseconds until there is.
 * burst >= 1; with per_second 0 the answer may be UINT64_MAX, never. A zeroed one is full. */
uint64_t bucket_take(Bucket *b, double burst, double per_second, uint64_t now_usec);
