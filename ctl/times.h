/* SPDX-License-Identifier: MIT */
/* Points in time, in Unix milliseconds, told by their distance from now. 0 is never. */
#pragma once

#include <stdint.h>

#define TIMES_MAX 32

int64_t times_now(void);
/* "2h ago"; "never". */
void times_ago(char ret[TIMES_MAX], int64_t now, int64_t then);
/* "in 2h"; "never"; and when it is over "2h ago". */
void times_until(char ret[TIMES_MAX], int64_t now, int64_t then);
