/* SPDX-License-Identifier: MIT */
/* What a session may do. Who it is, is decided once, by whoever fills it in; see join.c. */
#include "service/session.h"

uint64_t session_charge(Session *s, const Limits *limits, uint64_t now_usec) {
        return bucket_take(&s->rate, limits->rate_burst, limits->rate_per_second, now_usec);
}
