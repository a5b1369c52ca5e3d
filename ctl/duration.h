/* SPDX-License-Identifier: MIT */
/* Durations as people type and read them: 500ms, 90s, 5m, 2h, 7d, 4w. */
#pragma once

#include <stdint.h>

#define DURATION_TEXT_MAX 24

typedef enum DurationError {
        DURATION_E_SYNTAX = 1, /* not a whole number and a unit */
        DURATION_E_RANGE,      /* longer than a hundred years */
} DurationError;

/* In milliseconds; 0 of a unit is a duration. */
int duration_parse(int64_t *ret_ms, const char *text);
/* One number and one unit, rounded down: 90s, 36h, 7d. What duration_parse() took as s, m, h or d
 * and is less than two of the next unit is given back as it was. Negative: 0s. */
void duration_format(char ret[DURATION_TEXT_MAX], int64_t ms);
