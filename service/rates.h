/* SPDX-License-Identifier: MIT */
/* How fast users send, as far as no session of theirs remembers it. */
#pragma once

#include "service/limits.h"
#include "service/name.h"

typedef struct Rates Rates;

int rates_new(Rates **ret);
Rates *rates_free(Rates *r);

/* As bucket_take(), for this user. Out of memory: UINT64_MAX. */
uint64_t rates_charge(Rates *r, const Name *name, const Limits *limits, uint64_t now_usec);
/* What a session that ends has left of its rate is what the next one of the same begins with, so
 * that nobody gets more by coming again: `who` is a user's key, or whatever else holds them
 * together. The lowest counts. */
void rates_leave(Rates *r, const char *who, const Bucket *left, const Limits *limits,
                 uint64_t now_usec);
void rates_enter(const Rates *r, const char *who, Bucket *ret);
/* Forgets those who have not sent for a while. */
void rates_sweep(Rates *r, uint64_t now_usec);
