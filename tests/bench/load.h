/* SPDX-License-Identifier: MIT */
/*
 * The load generator: one thread, one epoll set, N receivers and S senders in one room of whatever
 * server is measured. The senders are the first S connections; everybody receives. A message is a
 * text of TEXT_SIZE bytes that carries its number, so that every delivery of it is recognised,
 * counted for its connection and for the message, and timed.
 *
 *   load.c        main: arguments, the commands on standard input
 *   connection.c  sockets: opening, reading, writing, ending
 *   traffic.c     messages: sending them in a closed loop or at a rate, and accounting for them
 *   protocol-*.c  what is said on the wire, one file for each kind of server
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/buffer.h"

#define TEXT_SIZE 60
#define ROOM "bench"
#define EPOCH_MAX 40 /* bytes of a log's name, and a null */

typedef struct Load Load;
typedef struct Connection Connection;

typedef enum ConnectionState {
        CONNECTION_UNOPENED,
        CONNECTION_CONNECTING,
        CONNECTION_OPEN,    /* TCP is up, the protocol is introducing itself */
        CONNECTION_READY,   /* the protocol has nothing left to ask */
        CONNECTION_STALLED, /* it has stopped reading, as it was told to */
        CONNECTION_ENDED,   /* by the server, or by an error: a run with one of these is void */
} ConnectionState;

typedef struct Protocol {
        const char *name;
        bool echoes; /* the server sends a sender his own messages too */
        /* Says what a new connection has to say; connection_ready() once it is answered. */
        int (*hello)(Connection *c);
        /* NULL, or a second step that starts when everybody has done the first. */
        int (*enter)(Connection *c);
        /* Takes what it can from n bytes and returns how many it took, or a negative errno. */
        ssize_t (*consume)(Connection *c, const uint8_t *bytes, size_t n);
        int (*say)(Connection *c, const char text[static TEXT_SIZE]);
        /* NULL, or says that the server may send no more. */
        int (*stall)(Connection *c);
        /* NULL, or frees c->wire. */
        void (*forget)(Connection *c);
        const void *detail; /* the protocol's own */
} Protocol;

extern const Protocol protocol_raw;
extern const Protocol protocol_irc;
extern const Protocol protocol_mqtt;
extern const Protocol protocol_nats;
extern const Protocol protocol_seed;
extern const Protocol protocol_v1;

struct Connection {
        Load *load;
        int fd;
        unsigned index;
        ConnectionState state;
        bool probed; /* has heard a probe: it is in the room */
        Buffer in;   /* the beginning of something whose end is not here yet */
        Buffer out;
        uint64_t n_received;
        uint64_t n_said;
        uint64_t last_id; /* of the messages that came, where messages have ids */
        uint64_t order;   /* fingerprint of the order in which messages came */
        void *wire;       /* the protocol's own */
};

/* A message under way. */
typedef struct Flight {
        uint64_t sent_nsec;
        uint32_t number;
        uint32_t n_missing; /* deliveries */
} Flight;

#define FLIGHTS 65536U /* a power of two */

struct Load {
        const Protocol *protocol;
        bool echoes;
        uint16_t port;
        pid_t pid; /* the server's, 0: do not measure it */
        const char *token;
        unsigned n_senders;
        unsigned window;        /* messages under way at a time in a burst */
        unsigned opening;       /* connections being opened at a time */
        unsigned drain_seconds; /* how long the last deliveries may take */

        int epoll_fd;
        Connection *connections;
        unsigned n_connections;
        unsigned n_opened;
        unsigned n_ready;
        unsigned n_probed;
        unsigned n_ended;
        bool ending;     /* connections are to end: that is no reason to complain */
        unsigned n_over; /* connections that ended as they should */
        unsigned n_stalled;
        unsigned n_exhausted; /* ended with RESOURCE_EXHAUSTED */
        bool hung_up;         /* standard input has ended */
        uint8_t *scratch;     /* what a read reads into */
        char epoch[EPOCH_MAX];
        uint64_t next_id; /* no message before had it, in this process or another */

        Flight *flights;
        uint32_t n_sent;            /* messages, ever; also the number of the next */
        uint32_t n_done;            /* of these, delivered to everybody */
        uint32_t n_before;          /* of these, sent before some stalled */
        uint64_t n_expected_before; /* deliveries of those */
        uint64_t n_delivered;       /* deliveries, ever */
        uint64_t n_unexpected;      /* deliveries of what was never sent, or once too often */
        bool refill;                /* a message that is done makes place for the next */

        uint32_t *latencies; /* microseconds */
        size_t n_latencies;
        size_t max_latencies;
        uint64_t time_from_nsec; /* messages sent from here on are timed; 0: none */
};

/* connection.c */
int load_open(Load *l, unsigned n_receivers);
void load_close(Load *l);
/* Handles what has happened, waiting at most timeout_nsec for something to. */
int load_turn(Load *l, uint64_t timeout_nsec);
/* Connects everybody and has them enter, until deadline_nsec (-ETIMEDOUT). */
int load_connect(Load *l, uint64_t deadline_nsec);
/* Waits until the server has ended everybody, then has them all connect again, at once. hail() is
 * called as soon as the senders have, which is before most others have. */
int load_reconnect(Load *l, int (*hail)(Load *l), uint64_t deadline_nsec);
/* The last n connections stop reading. They count no more. */
int load_stall(Load *l, unsigned n);
/* Those who stalled read on, until the server has ended them. */
int load_wake(Load *l, uint64_t deadline_nsec);
void connection_ready(Connection *c);
int connection_write(Connection *c, const void *bytes, size_t n);
void connection_flush(Connection *c);
/* Ends it and says on standard error why, for the first few. */
void connection_end(Connection *c, const char *why);

/* traffic.c */
/* To be called by consume() for every chat text. */
void connection_delivered(Connection *c, const uint8_t *text, size_t n);
