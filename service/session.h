/* SPDX-License-Identifier: MIT */
/* A session: one stream that has joined a room, written @17. A user may have several. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/limits.h"
#include "service/name.h"
#include "service/token.h"

typedef struct User User;

typedef struct Session {
        uint64_t id;
        TokenHash token; /* what it came in with */
        char token_id[TOKEN_ID_CHARS + 1];
        bool any_name;     /* that was a `*` token */
        int64_t joined_ms; /* Unix time */
        uint64_t received; /* messages taken from it */
        Bucket rate;
        User *user;                /* set by room_join() */
        struct Session *user_next; /* the user's other sessions; owned by room.c */
} Session;

/* Microseconds until the session may send again; 0 if this message is within its rate, and then it
 * has been charged. */
uint64_t session_charge(Session *s, const Limits *limits, uint64_t now_usec);
