/* SPDX-License-Identifier: MIT */
/* What the load generator can be asked to do, once everybody has joined. */
#pragma once

#include "tests/bench/load.h"

/* Makes sure that everybody hears everybody. */
int traffic_settle(Load *l, uint64_t deadline_nsec);
/* Each of these prints one line of JSON. */
int traffic_burst(Load *l, double seconds);
int traffic_steady(Load *l, double deliveries_per_second, double seconds);
int traffic_idle(Load *l, double seconds);
int traffic_stall(Load *l, unsigned n);
int traffic_wake(Load *l, double seconds);
int traffic_rejoin(Load *l, double seconds);
