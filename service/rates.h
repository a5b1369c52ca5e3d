/* SPDX-License-Identifier: MIT */
/* How fast users send who have no session that could remember it. */
#pragma once

#include "service/limits.h"
#include "service/name.h"

typedef struct Rates Rates;

int rates_new(Rates **ret);
Rates *rates_free(Rates *r);

/* As bucket_take(), for this user. Out of memory: UINT64_MAX. */
uint64_t rates_charge(Rates *r, const Name *name, const Limits *limits, uint64_t now_usec);
/* Forgets those who have not sent for a while. */
void rates_sweep(Rates *r, uint64_t now_usec);
