/* SPDX-License-Identifier: MIT */
/*
 * Durations. Exactly one number and one unit: what is typed is what is meant, and a bare number,
 * which means seconds to some programs and milliseconds to others, is refused.
 */
#include "ctl/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LONGEST (36525 * DAY)

typedef struct Unit {
        const char *name;
        int64_t ms;
} Unit;

int duration_parse(int64_t *ret_ms, const char *text) {
        static const Unit units[] = {{"ms", 1},   {"s", SECOND}, {"m", MINUTE},
                                     {"h", HOUR}, {"d", DAY},    {"w", 7 * DAY}};
        const char *p = text;
        int64_t n = 0;

        for (; *p >= '0' && *p <= '9'; p++)
                if (n <= LONGEST) /* no further, so that it cannot overflow */
                        n = n * 10 + (*p - '0');
        if (p == text)
                return DURATION_E_SYNTAX;
        for (size_t i = 0; i < ELEMENTS(units); i++) {
                if (strcmp(p, units[i].name) != 0)
                        continue;
                if (n > LONGEST / units[i].ms)
                        return DURATION_E_RANGE;
                *ret_ms = n * units[i].ms;
                return 0;
        }
        return DURATION_E_SYNTAX;
}

void duration_format(char ret[DURATION_TEXT_MAX], int64_t ms) {
        static const Unit units[] = {{"d", DAY}, {"h", HOUR}, {"m", MINUTE}};
        Unit unit = ms > 0 && ms < SECOND ? (Unit){"ms", 1} : (Unit){"s", SECOND};

        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (ms >= 2 * units[i].ms || ms == units[i].ms) {
                        unit = units[i];
                        break;
                }
        snprintf(ret, DURATION_TEXT_MAX, "%" PRId64 "%s", (ms < 0 ? 0 : ms) / unit.ms, unit.name);
}
