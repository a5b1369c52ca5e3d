/* SPDX-License-Identifier: MIT */
/*
 * The end of service, in order and in bounded time: no newcomers; every session gets what is in the
 * log and then UNAVAILABLE; whoever does not take it is cut off; then the loop ends. The loop's.
 */
#pragma once

typedef struct Service Service;

void drain_start(Service *s);
/* Something has ended. */
void drain_advance(Service *s);
