/* SPDX-License-Identifier: MIT */
/*
 * A row per descriptor, and a row per address or user for what its connections share. That row
 * outlives its connections until its failed logins, and what was logged of it, are forgotten.
 */
#include "service/connection.h"

#include <assert.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <uthash.h>

#include "proto/base.h"

#define USEC_PER_SEC UINT64_C(1000000)
/* How long a cut connection may take to carry the reason to its peer. */
#define LAST_WORDS_USEC USEC_PER_SEC
/* How long one may stay open between two calls. gRPC could see to that, too, but by a filter that
 * every message of every call goes through. */
#define IDLE_USEC (60 * USEC_PER_SEC)
/* A full table is swept when somebody knocks, but not for every knock. */
#define SWEEP_INTERVAL_USEC (USEC_PER_SEC / 10)
#define LOG_BURST 20
#define LOG_PER_SECOND 1
#define MINUTE_USEC (60 * USEC_PER_SEC)

struct PeerGroup {
        uint8_t key[16];
        unsigned connections, unjoined, guests;
        Bucket failures, logging;
        uint64_t noted_usec; /* when one of those was last taken from */
        UT_hash_handle hh;
};

struct Connections {
        Connection *rows;
        size_t n_rows, n_used;
        size_t end; /* no row from here on was ever used */
        PeerGroup *groups;
        uint64_t swept_usec;
};

int connections_new(Connections **ret, size_t max_fd) {
        _cleanup_(freep) Connections *cs = calloc(1, sizeof(*cs));

        if (!cs)
                return -ENOMEM;
        cs->rows = calloc(max_fd, sizeof(*cs->rows));
        if (!cs->rows)
                return -ENOMEM;
        cs->n_rows = max_fd;
        *ret = TAKE_PTR(cs);
        return 0;
}

static void group_free(Connections *cs, PeerGroup *g) {
        HASH_DEL(cs->groups, g);
        free(g);
}

Connections *connections_free(Connections *cs) {
        PeerGroup *g, *next;

        if (!cs)
                return NULL;
        HASH_ITER (hh, cs->groups, g, next) {
                group_free(cs, g);
        }
        free(cs->rows);
        free(cs);
        return NULL;
}

static PeerGroup *group_get(Connections *cs, const Peer *peer) {
        uint8_t key[16];
        PeerGroup *g;

        peer_group(peer, key);
        HASH_FIND(hh, cs->groups, key, sizeof(key), g);
        if (g)
                return g;
        g = calloc(1, sizeof(*g));
        if (!g)
                return NULL;
        memcpy(g->key, key, sizeof(key));
        HASH_ADD(hh, cs->groups, key, sizeof(g->key), g);
        return g;
}

static uint64_t cookie_of(int fd) {
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);

        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0 ? 0 : cookie;
}

static void forget(Connections *cs, Connection *c) {
        c->group->connections--;
        c->used = false;
        cs->n_used--;
}

static void begin_to_close(Connection *c, uint64_t now_usec) {
        if (c->closing)
                return;
        c->closing = true;
        c->close_usec = now_usec + LAST_WORDS_USEC;
}

void connections_sweep(Connections *cs, uint64_t now_usec) {
        PeerGroup *g, *next;

        cs->swept_usec = now_usec;
        for (size_t fd = 0; fd < cs->end; fd++) {
                Connection *c = &cs->rows[fd];

                if (!c->used)
                        continue;
                if (c->streams == 0 && cookie_of(c->fd) != c->cookie)
                        forget(cs, c);
                else if (c->close_usec && now_usec >= c->close_usec)
                        (void) shutdown(c->fd, SHUT_RDWR);
        }
        HASH_ITER (hh, cs->groups, g, next) {
                if (g->connections == 0 && now_usec - g->noted_usec > MINUTE_USEC)
                        group_free(cs, g);
        }
}

static bool is_full(Connections *cs, const PeerGroup *g, const Limits *limits) {
        return cs->n_used >= limits->max_connections ||
               g->connections >= limits->max_connections_per_address;
}

int connections_add(Connections *cs, int fd, const Peer *peer, const Limits *limits,
                    uint64_t now_usec) {
        Connection *c;
        PeerGroup *g;

        if ((size_t) fd >= cs->n_rows)
                return CONNECTION_E_FULL;
        c = &cs->rows[fd];
        if (c->used) /* the kernel gave us the number again: the old one is closed */
                forget(cs, c);
        g = group_get(cs, peer);
        if (!g)
                return -ENOMEM;
        if (is_full(cs, g, limits) && now_usec - cs->swept_usec >= SWEEP_INTERVAL_USEC) {
                g->connections++; /* keeps the group through the sweep */
                connections_sweep(cs, now_usec);
                g->connections--;
        }
        if (is_full(cs, g, limits))
                return g->connections >= limits->max_connections_per_address ? CONNECTION_E_PEER
                                                                             : CONNECTION_E_FULL;
        *c = (Connection){.used = true,
                          .fd = fd,
                          .cookie = cookie_of(fd),
                          .peer = *peer,
                          .group = g,
                          .intake.at_usec = now_usec,
                          .close_usec = now_usec + limits->join_timeout_ms * UINT64_C(1000)};
        g->connections++;
        cs->n_used++;
        if ((size_t) fd >= cs->end)
                cs->end = (size_t) fd + 1;
        return 0;
}

Connection *connections_get(Connections *cs, int fd) {
        if (fd < 0 || (size_t) fd >= cs->n_rows || !cs->rows[fd].used)
                return NULL;
        return &cs->rows[fd];
}

void connections_audit(Connections *cs, const Limits *limits, uint64_t now_usec,
                       void (*cut_off)(Connection *c, void *userdata), void *userdata) {
        for (size_t fd = 0; fd < cs->end; fd++) {
                Connection *c = &cs->rows[fd];

                if (!c->used || (c->streams == 0 && cookie_of(c->fd) != c->cookie) ||
                    !intake_is_excessive(&c->intake, c->fd, c->streams, limits, now_usec))
                        continue;
                (void) shutdown(c->fd, SHUT_RDWR);
                cut_off(c, userdata);
        }
}

void connections_turn_away(Connections *cs, bool (*is_welcome)(const Peer *p, const void *userdata),
                           const void *userdata, uint64_t now_usec) {
        for (size_t fd = 0; fd < cs->end; fd++)
                if (cs->rows[fd].used && !is_welcome(&cs->rows[fd].peer, userdata))
                        begin_to_close(&cs->rows[fd], now_usec);
}

void connections_shutdown_all(Connections *cs) {
        for (size_t fd = 0; fd < cs->end; fd++) {
                Connection *c = &cs->rows[fd];

                if (c->used && cookie_of(c->fd) == c->cookie)
                        (void) shutdown(c->fd, SHUT_RDWR);
        }
}

size_t connections_count(const Connections *cs) {
        return cs->n_used;
}

/* Per address, so that many connections do not buy many half-open streams; never less than what
 * the address could open by other limits, so that nobody who just logs in is hit. */
static unsigned max_unjoined(const Limits *limits) {
        return limits->max_streams_per_connection > limits->max_connections_per_address
                       ? limits->max_streams_per_connection
                       : limits->max_connections_per_address;
}

int connection_open_stream(Connection *c, const Limits *limits, uint64_t now_usec) {
        if (!c->closing)
                c->close_usec = 0;
        c->streams++;
        intake_open_stream(&c->intake);
        c->group->unjoined++;
        if (bucket_take(&c->opening, STREAM_OPEN_BURST, STREAM_OPEN_PER_SECOND, now_usec) > 0)
                return CONNECTION_E_FLOOD;
        if (c->closing)
                return CONNECTION_E_CLOSING;
        if (c->streams > limits->max_streams_per_connection)
                return CONNECTION_E_STREAMS;
        if (c->group->unjoined > max_unjoined(limits))
                return CONNECTION_E_UNJOINED;
        return 0;
}

void connection_joined(Connection *c) {
        c->group->unjoined--;
}

void connection_close_stream(Connection *c, bool joined, uint64_t now_usec) {
        assert(c->streams > 0);
        c->streams--;
        if (!joined)
                c->group->unjoined--;
        if (c->streams > 0 || c->closing)
                return;
        if (c->dismissed)
                begin_to_close(c, now_usec);
        else
                c->close_usec = now_usec + IDLE_USEC;
}

bool connection_open_guest(Connection *c) {
        if (c->guests >= GUESTS_PER_CONNECTION || c->group->guests >= GUESTS_PER_ADDRESS)
                return false;
        c->guests++;
        c->group->guests++;
        return true;
}

void connection_close_guest(Connection *c) {
        c->guests--;
        c->group->guests--;
}

void connection_received(Connection *c, size_t bytes) {
        intake_account(&c->intake, bytes);
}

uint64_t connection_may_login(const Connection *c, const Limits *limits, uint64_t now_usec) {
        Bucket copy = c->group->failures;

        return bucket_take(&copy, limits->auth_failures_per_minute,
                           limits->auth_failures_per_minute / 60.0, now_usec);
}

void connection_login_failed(Connection *c, const Limits *limits, uint64_t now_usec) {
        c->group->noted_usec = now_usec;
        (void) bucket_take(&c->group->failures, limits->auth_failures_per_minute,
                           limits->auth_failures_per_minute / 60.0, now_usec);
}

bool connection_may_log(Connection *c, uint64_t now_usec) {
        c->group->noted_usec = now_usec;
        return bucket_take(&c->group->logging, LOG_BURST, LOG_PER_SECOND, now_usec) == 0;
}

bool connection_is_silent(const Connection *c) {
        struct tcp_info info = {0};
        socklen_t size = sizeof(info);

        return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || info.tcpi_backoff > 0;
}

void connection_close_soon(Connection *c) {
        c->dismissed = true;
}

void connection_shutdown(Connection *c) {
        (void) shutdown(c->fd, SHUT_RDWR);
}
