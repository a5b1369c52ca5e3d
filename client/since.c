/* SPDX-License-Identifier: MIT */
/*
 * Times never decrease from one message to the next, so the first message of a stretch says
 * whether the stretch reaches back far enough. Each stretch is eight times as long as the one
 * before: little is read twice, and a log of a million messages takes five attempts.
 */
#include "client/since.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define STEP_FIRST 256
#define STEP_FACTOR 8

static bool parse_digits(uint64_t *ret, const char **text) {
        const char *p = *text;
        uint64_t n = 0;

        for (; isdigit((unsigned char) *p); p++) {
                if (n > (INT64_MAX - 9) / 10)
                        return false;
                n = n * 10 + (uint64_t) (*p - '0');
        }
        *ret = n;
        if (p == *text)
                return false;
        *text = p;
        return true;
}

/* An id or a duration. */
static bool parse_number(Since *ret, const char *text, int64_t now_ms) {
        static const struct {
                char unit;
                int64_t ms;
        } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
        uint64_t n;

        if (!parse_digits(&n, &text))
                return false;
        if (!*text) {
                *ret = (Since){.kind = SINCE_ID, .id = n};
                return true;
        }
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (text[0] == units[i].unit && !text[1] &&
                    n <= (uint64_t) (now_ms / units[i].ms)) {
                        *ret = (Since){.kind = SINCE_TIME,
                                       .time_ms = now_ms - (int64_t) n * units[i].ms};
                        return true;
                }
        return false;
}

static bool parse_local_time(Since *ret, const char *text, int64_t now_ms) {
        static const struct {
                const char *format;
                bool today; /* it has no date of its own */
        } formats[] = {
                {"%Y-%m-%dT%H:%M:%S", false},
                {"%Y-%m-%d %H:%M:%S", false},
                {"%Y-%m-%dT%H:%M", false},
                {"%Y-%m-%d %H:%M", false},
                {"%Y-%m-%d", false},
                {"%H:%M:%S", true},
                {"%H:%M", true},
        };
        time_t now = (time_t) (now_ms / 1000), seconds;

        for (size_t i = 0; i < ELEMENTS(formats); i++) {
                struct tm tm = {.tm_mday = 1};
                const char *end;

                if (formats[i].today) {
                        if (!localtime_r(&now, &tm))
                                return false;
                        tm.tm_sec = 0;
                }
                end = strptime(text, formats[i].format, &tm);
                if (!end || *end)
                        continue;
                tm.tm_isdst = -1;
                seconds = mktime(&tm);
                if (seconds < 0)
                        return false;
                *ret = (Since){.kind = SINCE_TIME, .time_ms = (int64_t) seconds * 1000};
                return true;
        }
        return false;
}

int since_parse(Since *ret, const char *text, int64_t now_ms, Complaint *complaint) {
        if (parse_number(ret, text, now_ms) || parse_local_time(ret, text, now_ms))
                return 0;
        return complain(complaint, SINCE_E_SYNTAX,
                        "--since \"%s\" is neither an id nor a time (10m, 2h, 14:30, "
                        "\"2026-01-31 14:30\")",
                        text);
}

static void put(Search *s, Session *session, uint64_t after) {
        s->after = after;
        session_seek(session, after);
}

/* The next stretch; what is not kept any more is not asked for. */
static void reach_back(Search *s, Session *session) {
        uint64_t least = s->first - 1, all = s->head - least;

        s->step = s->step == 0 ? STEP_FIRST : s->step * STEP_FACTOR;
        put(s, session, s->step < all ? s->head - s->step : least);
}

bool search_begin(Search *s, Session *session, const SessionWelcome *w) {
        s->begun = true;
        s->head = w->head;
        s->first = w->first;
        if (s->since.kind == SINCE_NOTHING || w->head == 0 || w->first == 0 || w->first > w->head ||
            (s->since.kind == SINCE_ID && s->since.id >= w->head)) {
                s->done = true;
                return false;
        }
        if (s->since.kind == SINCE_ID) {
                s->done = true;
                put(s, session, s->since.id);
        } else
                reach_back(s, session);
        return true;
}

SearchVerdict search_message(Search *s, Session *session, uint64_t id, int64_t time_ms) {
        if (s->since.kind != SINCE_TIME)
                return SEARCH_SHOW;
        if (!s->done && time_ms >= s->since.time_ms && s->after >= s->first && id <= s->head) {
                reach_back(s, session);
                return SEARCH_AGAIN;
        }
        s->done = true;
        return time_ms < s->since.time_ms ? SEARCH_SKIP : SEARCH_SHOW;
}
