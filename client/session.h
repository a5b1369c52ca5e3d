/* SPDX-License-Identifier: MIT */
/*
 * One's place in the room, whatever becomes of the connections: which messages were seen, and what
 * was said that the room has not acknowledged yet. Knows nothing of networks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/rpc_client.h"

#define SESSION_CLIENT_ID_MAX 36
/* Texts that may be unacknowledged at the same time, if the server takes as many. */
#define SESSION_WINDOW_MAX 64

typedef struct Session Session;

/* Something said. It is said again, under the same client_id, until the room has answered. */
typedef struct Outgoing {
        char client_id[SESSION_CLIENT_ID_MAX + 1];
        bool sent;   /* on this connection */
        size_t line; /* of the input, to call it by; 0: it has no number */
        size_t size;
        char text[];
} Outgoing;

/* How the next connection begins. */
typedef struct SessionStart {
        bool resume; /* else: with the last count messages */
        uint32_t count;
        uint64_t after_id;
        RpcBytes epoch, secret;
} SessionStart;

typedef struct SessionWelcome {
        RpcBytes user, epoch, secret;
        uint64_t head, first;
        uint32_t window;
} SessionWelcome;

/* random: tells this session's client_ids from all others. */
int session_new(Session **ret, uint64_t random, uint32_t history);
Session *session_free(Session *s);

/* Valid until the next call that changes something. */
SessionStart session_start(const Session *s);

enum {
        SESSION_E_BEGAN_ANEW = 1, /* the log is another one: what is missing cannot be told */
};
/* Outcome: SESSION_E_BEGAN_ANEW. */
int session_welcome(Session *s, const SessionWelcome *w);
/* The connection is gone: all that was not acknowledged is to be sent again. */
void session_lost(Session *s);

/* Id of the newest message seen, or of the one before those that will come. */
uint64_t session_position(const Session *s);
/* The next connection starts behind this one. */
void session_seek(Session *s, uint64_t after_id);
/* Whether a message is to be shown: it was not seen before. */
bool session_see(Session *s, uint64_t id);
/* The number of messages that are missing; 0: nobody can say how many. */
uint64_t session_gap(Session *s, uint64_t from, uint64_t to);
/* Whether a message was said by this session. */
bool session_is_own(const Session *s, RpcBytes user, RpcBytes client_id);

/* Whether session_say() has room for another text. */
bool session_may_say(const Session *s);
/* Copies. line: see Outgoing. */
int session_say(Session *s, RpcBytes text, size_t line);
/* The next thing to be sent on this connection; NULL: there is none. */
Outgoing *session_next(Session *s);
/* Takes out what was acknowledged or refused, for the caller to free. NULL: no such thing waits. */
Outgoing *session_take(Session *s, RpcBytes client_id);
/* It is to be sent again. */
void session_again(Session *s, RpcBytes client_id);
/* Number of texts that are not acknowledged. */
size_t session_pending(const Session *s);

DEFINE_CLEANUP(Session *, session_free);
