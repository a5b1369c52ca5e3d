/* SPDX-License-Identifier: MIT */
/*
 * A stream: one call from its opening to its end, whatever protocol it speaks: admission, login,
 * joining, the pace of receiving, the ways out. What its messages mean is its protocol's business:
 * join.h. The loop's.
 */
#pragma once

#include <systemd/sd-event.h>

#include "service/connection.h"
#include "service/rpc.h"
#include "service/session.h"
#include "service/worker.h"

typedef struct Service Service;

typedef enum StreamState {
        STREAM_OPEN,   /* has not joined */
        STREAM_JOINED, /* in the room */
        STREAM_ENDING, /* its status is decided */
} StreamState;

typedef struct Stream {
        Service *service;
        RpcCall *call;
        Connection *connection;
        StreamState state;
        TokenHash bearer_hash;
        bool has_bearer;
        bool greeted; /* its first message has come */
        bool joined_once;
        Session session;
        Reader *reader;
        sd_event_source *timer; /* to join, to receive again, or to end: one at a time */
        struct Stream *previous, *next;
} Stream;

/* One text for everything that is wrong with a token, so that it tells nobody what. */
#define STREAM_TOKEN_REFUSED "The token is missing, unknown, expired or revoked."

/* Everything that the mailbox brings about a call. */
void stream_dispatch(Service *service, RpcCall *call, unsigned events);

/* Lets the stream in. The secret is the hash of what it showed. On failure the stream has been
 * ended with the status that says why, and the result is not 0. */
int stream_login(Stream *s, const TokenHash *secret, const char *name, size_t n_name);

/* Arms the next receive: now, or when the session's rate allows. */
void stream_receive(Stream *s);

/* Ends the stream in order and in bounded time: with flush, after what is in the log now. */
void stream_end(Stream *s, RpcStatus status, const char *text, bool flush);

/* How many of the room's messages it has not been sent yet. */
uint64_t stream_lag(const Stream *s, uint64_t head);

/* The token of that secret, if it lets anybody in. */
const Token *stream_find_token(const Stream *s, const TokenHash *secret);
/* Does what let the session in, or would have, still let it in? If not, ends the stream: true. */
bool stream_check_token(Stream *s);
