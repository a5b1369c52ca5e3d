/* SPDX-License-Identifier: MIT */
/*
 * A stream: one call from its opening to its end, whatever protocol it speaks: admission, login,
 * joining, the pace of receiving, the ways out. What its messages mean is its protocol's business:
 * join.h. The loop's.
 */
#pragma once

#include <systemd/sd-event.h>

#include "service/connection.h"
#include "service/log.h"
#include "service/rpc.h"
#include "service/session.h"
#include "service/worker.h"

#define STREAM_SECRET_CHARS 32

typedef struct Fetch Fetch;
typedef struct Service Service;
typedef struct Stream Stream;

/* What its messages mean, and what is said to it. */
typedef struct StreamProtocol {
        const char *name; /* for the operator */
        Wire wire;
        bool guest;              /* needs no token, and is in no room: guest.h */
        unsigned lifetime;       /* a guest's, in join timeouts; 0: it is asked no more than that */
        unsigned retry_after_ms; /* what it is told that is refused for now; 0: nothing */
        /* The call has been admitted. 0: receive its first message; else it has been dealt with. */
        int (*opened)(Stream *s);
        void (*received)(Stream *s);
        void (*half_closed)(Stream *s);
        /* What it sent is in the log (0), or cannot be written (negative errno). */
        void (*posted)(Stream *s, const LogMessage *m, int result);
        /* What was waiting to be sent to it has been taken. NULL: nobody asks. */
        void (*taken)(Stream *s);
        /* Who is there has changed. NULL: it is not told. */
        void (*tell_presence)(Stream *s);
        /* The last part before the status. NULL: none. */
        RpcPayload *(*goodbye)(RpcStatus status, const char *text);
} StreamProtocol;

typedef enum StreamState {
        STREAM_OPEN,   /* has not joined */
        STREAM_JOINED, /* in the room */
        STREAM_ENDING, /* its status is decided */
} StreamState;

struct Stream {
        Service *service;
        const StreamProtocol *protocol;
        RpcCall *call;
        Connection *connection;
        StreamState state;
        TokenHash bearer_hash;
        bool has_bearer;
        bool greeted; /* its first message has come */
        bool joined_once;
        bool leaving;     /* has half-closed, and is owed what became of its messages */
        bool owed;        /* has left, and is given what was said until then */
        uint64_t taken;   /* of that, when it was last looked after: reader_cursor() */
        bool waiting;     /* for its messages to be dealt with, before it may send more */
        bool guest;       /* counts as one */
        bool watching;    /* has been told that it is served, and is to be told when it is not */
        unsigned n_posts; /* messages of it on their way into the log */
        bool wants_presence;
        uint64_t presence;                    /* the version that it has been told */
        Fetch *fetch;                         /* what is being read for it */
        char secret[STREAM_SECRET_CHARS + 1]; /* with which its place can be taken; empty: not */
        char shown[STREAM_SECRET_CHARS + 1];  /* the one that it came with itself; as above */
        Session session;
        Reader *reader;
        sd_event_source *timer; /* to join, to receive again, or to end: one at a time */
        Stream *previous, *next;
};

typedef struct StreamIdentity {
        const Token *token;
        Name name;
} StreamIdentity;

/* One text for everything that is wrong with a token, so that it tells nobody what. */
#define STREAM_NOT_STORED "The message cannot be stored; try again later."
#define STREAM_NAMELESS "This takes a token that is bound to a name."
#define STREAM_OUT_OF_MEMORY "The server is out of memory."
#define STREAM_TOKEN_REFUSED "The token is missing, unknown, expired or revoked."

/* Everything that the mailbox brings about a call. */
void stream_dispatch(Service *service, RpcCall *call, unsigned events);

/* May somebody from there try a token now? If not, the stream has been ended: not 0. Before a token
 * is looked at in any other way than stream_identify(), so that the answer tells nobody what it is.
 */
int stream_may_login(Stream *s);
/* A token was tried that it had no right to try. */
void stream_count_guess(Stream *s);
/* Who is it, by the hash of the secret that it showed, and the name that it gave (if the token is
 * bound, it need not give one)? On failure the stream has been ended with the status that says why,
 * and the result is not 0. */
int stream_identify(Stream *s, const TokenHash *secret, const char *name, size_t n_name,
                    StreamIdentity *ret);
/* Lets it into the room. Fails as stream_identify() does. */
int stream_join(Stream *s, const StreamIdentity *identity);
/* Begins to deliver what follows `after`, and before it the part, which is taken. As above. */
int stream_deliver(Stream *s, uint64_t after, RpcPayload *first);

/* To be refused with RPC_RESOURCE_EXHAUSTED: tells it when to try again, if it can be told. */
void stream_set_retry(Stream *s, uint64_t after_usec);

/* Arms the next receive: now, or when the session's rate allows. */
void stream_receive(Stream *s);

/* For what was received before there was a session whose rate could allow it: may it be taken now?
 * If not, it is announced again when it may. */
bool stream_charge(Stream *s);

/* Ends the stream; always -EACCES, for whoever returns what came of it. */
int stream_refuse(Stream *s, RpcStatus status, const char *text);

/* Is the text the very secret that the session came in with? Then it is not for others to see. */
bool stream_is_own_token(const Stream *s, const void *text, size_t n);

/* The one answer of a single call has been sent. */
void stream_replied(Stream *s);
/* It waits for us now, and not we for it. */
void stream_stop_timer(Stream *s);

/* Ends the stream in order: with flush, after what is in the log now, as long as its peer goes on
 * taking it; otherwise in bounded time. */
void stream_end(Stream *s, RpcStatus status, const char *text, bool flush);

/* How many of the room's messages it has not been sent yet. */
uint64_t stream_lag(const Stream *s, uint64_t head);

/* The token of that secret, if it lets anybody in. */
const Token *stream_find_token(const Stream *s, const TokenHash *secret);
/* Does what let the session in, or would have, still let it in? If not, ends the stream: true. */
bool stream_check_token(Stream *s);
