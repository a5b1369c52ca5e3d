/* SPDX-License-Identifier: MIT */
/*
 * Who is told to be in a room. Coming is told at once, going after PRESENCE_GONE_USEC, so that
 * whoever comes back soon was never gone. What is told is state with a version and not a list of
 * events: whoever knows one version can be told the difference to now. Times are microseconds of
 * CLOCK_MONOTONIC, passed in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/name.h"

#define PRESENCE_GONE_USEC UINT64_C(5000000)
/* With more members than this nothing is told to anybody. */
#define PRESENCE_MAX 200

typedef struct Presence Presence;

typedef struct PresenceChange {
        bool reset;                  /* this is all there is, and not a difference */
        const char **joined, **left; /* names; owned by the Presence, but for the arrays */
        size_t n_joined, n_left;
} PresenceChange;

int presence_new(Presence **ret);
Presence *presence_free(Presence *p);

/* A user has come into the room, or the last session of his has left it. */
int presence_come(Presence *p, const Name *name);
void presence_go(Presence *p, const Name *name, uint64_t now_usec);
/* Tells that those are gone who have been gone for long enough. */
void presence_settle(Presence *p, uint64_t now_usec);

/* From 1; grows with everything that is told. */
uint64_t presence_version(const Presence *p);
/* What is different from that version on; 0: from nothing. The arrays are the caller's to free. */
int presence_since(const Presence *p, uint64_t version, PresenceChange *ret);
