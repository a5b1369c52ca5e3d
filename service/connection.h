/* SPDX-License-Identifier: MIT */
/*
 * The connections that were accepted and handed to gRPC, by descriptor: who is at the other end,
 * how many streams it has open, and what its address, or its user, has done lately. The loop's.
 *
 * gRPC owns the descriptor and never says when it closes it. While a stream of the connection is
 * open the descriptor cannot be reused; between streams SO_COOKIE tells whether the number still
 * means the same socket. Only the loop makes sockets, so a number that passed that check cannot
 * become another socket before the loop's next accept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/intake.h"
#include "service/limits.h"
#include "service/peer.h"

typedef struct Connections Connections;
typedef struct PeerGroup PeerGroup;

typedef struct Connection {
        bool used;
        int fd;
        uint64_t cookie;
        Peer peer;
        PeerGroup *group; /* whom it shares limits with */
        unsigned streams; /* open now */
        unsigned guests;  /* of them, without a token */
        Bucket opening;   /* the rate at which it opens streams */
        Intake intake;
        bool dismissed;      /* is to be closed when it has no stream any more */
        bool closing;        /* takes no other stream, and is closed whether it has one or not */
        uint64_t close_usec; /* when, unless a stream is opened before; 0: never */
} Connection;

enum {
        CONNECTION_E_FULL = 1, /* max_connections */
        CONNECTION_E_PEER,     /* max_connections_per_address */
        CONNECTION_E_STREAMS,  /* max_streams_per_connection */
        CONNECTION_E_UNJOINED, /* streams of its group that have not joined */
        CONNECTION_E_FLOOD,    /* opens streams too fast */
        CONNECTION_E_CLOSING,  /* is about to be closed */
};

/* max_fd: no descriptor will be as high as that. */
int connections_new(Connections **ret, size_t max_fd);
Connections *connections_free(Connections *cs);

/* A socket that was just accepted. Outcomes: CONNECTION_E_FULL, CONNECTION_E_PEER. */
int connections_add(Connections *cs, int fd, const Peer *peer, const Limits *limits,
                    uint64_t now_usec);
/* NULL: not one of ours. */
Connection *connections_get(Connections *cs, int fd);
/* Forgets what gRPC has closed, closes what is overdue. */
void connections_sweep(Connections *cs, uint64_t now_usec);
/* Ends the connections that send more than any honest peer, and tells about each. */
void connections_audit(Connections *cs, const Limits *limits, uint64_t now_usec,
                       void (*cut_off)(Connection *c, void *userdata), void *userdata);
/* Ends those of peers that are not welcome any more, soon: what is said to their streams until then
 * is heard. */
void connections_turn_away(Connections *cs, bool (*is_welcome)(const Peer *p, const void *userdata),
                           const void *userdata, uint64_t now_usec);
void connections_shutdown_all(Connections *cs);
size_t connections_count(const Connections *cs);

/* Outcomes: CONNECTION_E_STREAMS, _UNJOINED, _CLOSING: refuse the stream; _FLOOD: end the
 * connection. Whatever the outcome, connection_close_stream() is owed. */
int connection_open_stream(Connection *c, const Limits *limits, uint64_t now_usec);
void connection_joined(Connection *c);
void connection_close_stream(Connection *c, bool joined, uint64_t now_usec);

/* Whether one more of its streams may do without a token; then connection_close_guest() is owed,
 * before the stream is closed. */
bool connection_open_guest(Connection *c);
void connection_close_guest(Connection *c);

/* A message of so many bytes has come; see intake.h. */
void connection_received(Connection *c, size_t bytes);

/* Failed logins of the connection's group. Microseconds until it may try again; 0: it may. */
uint64_t connection_may_login(const Connection *c, const Limits *limits, uint64_t now_usec);
void connection_login_failed(Connection *c, const Limits *limits, uint64_t now_usec);

/* Whether one more line about its group should be logged: so many at once, then one a second. */
bool connection_may_log(Connection *c, uint64_t now_usec);

/* Whether the kernel sends again what its peer has not taken; only while a stream of it is open. */
bool connection_is_silent(const Connection *c);

/* Ends it soon after the last of the streams that it has, and takes none after that one: others may
 * share it who have done nothing. Only while a stream of it is open. */
void connection_close_soon(Connection *c);
/* Ends it now; only while a stream of it is open. */
void connection_shutdown(Connection *c);
