/* SPDX-License-Identifier: MIT */
/*
 * Where to begin reading the log: behind an id, or at a time. The server knows ids only, so a time
 * is found by starting further and further back, and looking at the first message that comes.
 */
#pragma once

#include <stdbool.h>

#include "client/complaint.h"
#include "client/session.h"

typedef enum SinceKind {
        SINCE_NOTHING,
        SINCE_ID,   /* behind id */
        SINCE_TIME, /* from time_ms on */
} SinceKind;

typedef struct Since {
        SinceKind kind;
        uint64_t id;
        int64_t time_ms; /* Unix time */
} Since;

enum {
        SINCE_E_SYNTAX = 1,
};
/* An id; a duration, which is that long ago (90s, 10m, 2h, 7d); a local time (14:30,
 * 2026-01-31, "2026-01-31 14:30:00", 2026-01-31T14:30). Outcome: SINCE_E_SYNTAX. */
int since_parse(Since *ret, const char *text, int64_t now_ms, Complaint *complaint);

typedef struct Search {
        Since since;
        bool begun;
        bool done;            /* the session is where it has to be */
        uint64_t first, head; /* as the first welcome told */
        uint64_t after, step;
} Search;

/* After the first welcome, once. True: the session has to start again, where it was put. */
bool search_begin(Search *s, Session *session, const SessionWelcome *w);

typedef enum SearchVerdict {
        SEARCH_SHOW,
        SEARCH_SKIP,
        SEARCH_AGAIN, /* the session has to start again, where it was put */
} SearchVerdict;
/* To be asked about each message before session_see(). */
SearchVerdict search_message(Search *s, Session *session, uint64_t id, int64_t time_ms);
