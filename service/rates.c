/* SPDX-License-Identifier: MIT */
/* A bucket per user; one that has had a minute is taken to be full again, or nearly so. */
#include "service/rates.h"

#include <string.h>
#include <uthash.h>

#include "proto/base.h"

#define FORGET_USEC UINT64_C(60000000)

typedef struct Rate {
        char key[NAME_KEY_MAX_BYTES + 1];
        Bucket bucket;
        uint64_t used_usec;
        UT_hash_handle hh;
} Rate;

struct Rates {
        Rate *rates;
};

int rates_new(Rates **ret) {
        Rates *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        *ret = r;
        return 0;
}

static void forget(Rates *r, uint64_t before_usec) {
        Rate *rate, *next;

        HASH_ITER (hh, r->rates, rate, next) {
                if (rate->used_usec >= before_usec)
                        continue;
                HASH_DEL(r->rates, rate);
                free(rate);
        }
}

Rates *rates_free(Rates *r) {
        if (!r)
                return NULL;
        forget(r, UINT64_MAX);
        free(r);
        return NULL;
}

static Rate *find(const Rates *r, const char *who) {
        Rate *rate;

        HASH_FIND_STR(r->rates, who, rate);
        return rate;
}

/* NULL: out of memory. */
static Rate *use(Rates *r, const char *who, uint64_t now_usec) {
        Rate *rate = find(r, who);

        if (!rate) {
                rate = calloc(1, sizeof(*rate));
                if (!rate)
                        return NULL;
                snprintf(rate->key, sizeof(rate->key), "%s", who);
                HASH_ADD_STR(r->rates, key, rate);
        }
        rate->used_usec = now_usec;
        return rate;
}

void rates_leave(Rates *r, const char *who, const Bucket *left, const Limits *limits,
                 uint64_t now_usec) {
        double burst = limits->rate_burst, per_second = limits->rate_per_second;
        Rate *rate = use(r, who, now_usec);

        if (rate && bucket_level(left, burst, per_second, now_usec) <
                            bucket_level(&rate->bucket, burst, per_second, now_usec))
                rate->bucket = *left;
}

void rates_enter(const Rates *r, const char *who, Bucket *ret) {
        const Rate *rate = find(r, who);

        if (rate)
                *ret = rate->bucket;
}

uint64_t rates_charge(Rates *r, const Name *name, const Limits *limits, uint64_t now_usec) {
        Rate *rate = use(r, name->key, now_usec);

        if (!rate)
                return UINT64_MAX;
        return bucket_take(&rate->bucket, limits->rate_burst, limits->rate_per_second, now_usec);
}

void rates_sweep(Rates *r, uint64_t now_usec) {
        if (now_usec > FORGET_USEC)
                forget(r, now_usec - FORGET_USEC);
}
