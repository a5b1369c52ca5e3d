/* SPDX-License-Identifier: MIT */
/*
 * The generator's sockets. Edge-triggered, one read as a rule: with thousands of receivers the
 * system calls are what the generator's time goes into, and it must never be what limits a server.
 * Sources are spread over 127.0.0.0/8, PER_ADDRESS connections each, so that a server's limit per
 * address is not what is measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/base.h"
#include "tests/bench/load.h"
#include "tests/bench/meter.h"

#define PER_ADDRESS 40U
#define SCRATCH_BYTES (256U * 1024U)
#define EVENTS 512
#define COMPLAINTS 5U

void connection_end(Connection *c, const char *why) {
        if (c->state == CONNECTION_ENDED)
                return;
        if (c->load->ending || c->state == CONNECTION_STALLED)
                c->load->n_over++;
        else if (c->load->n_ended++ < COMPLAINTS)
                fprintf(stderr, "connection %u: %s\n", c->index, why);
        c->state = CONNECTION_ENDED;
        c->fd = close_fd(c->fd);
        buffer_clear(&c->in);
        buffer_clear(&c->out);
}

void connection_ready(Connection *c) {
        if (c->state != CONNECTION_OPEN)
                return;
        c->state = CONNECTION_READY;
        c->load->n_ready++;
}

int connection_write(Connection *c, const void *bytes, size_t n) {
        return buffer_append(&c->out, bytes, n);
}

void connection_flush(Connection *c) {
        while (c->out.size > 0 && c->state != CONNECTION_ENDED) {
                ssize_t n = send(c->fd, c->out.data, c->out.size, MSG_NOSIGNAL);
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n < 0 && errno != EINTR)
                        connection_end(c, strerror(errno));
                else if (n > 0)
                        buffer_drop(&c->out, (size_t) n);
        }
}

static int connection_watch(Connection *c, int fd) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = c};

        return epoll_ctl(c->load->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int connection_open(Connection *c) {
        struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
        const int on = 1;

        from.sin_addr.s_addr = htonl(0x7f010001U + c->index / PER_ADDRESS);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(c->load->port);
        _cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* The port is chosen by connect(), per destination: bind() would run out of them. */
        if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
            bind(fd, (struct sockaddr *) &from, sizeof(from)) < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &to, sizeof(to)) < 0 && errno != EINPROGRESS)
                return -errno;
        int r = connection_watch(c, fd);
        if (r < 0)
                return r;
        c->fd = TAKE_FD(fd);
        c->state = CONNECTION_CONNECTING;
        return 0;
}

static void connection_established(Connection *c) {
        int error = 0;
        socklen_t size = sizeof(error);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
                connection_end(c, error ? strerror(error) : "cannot connect");
                return;
        }
        c->state = CONNECTION_OPEN;
        int r = c->load->protocol->hello(c);
        if (r < 0)
                connection_end(c, strerror(-r));
}

/* Puts what is left of the n bytes in scratch aside, or fails the connection. */
static int connection_consume(Connection *c, size_t n) {
        uint8_t *scratch = c->load->scratch;

        ssize_t used = c->load->protocol->consume(c, scratch, n);
        if (used < 0) {
                connection_end(c, strerror((int) -used));
                return (int) used;
        }
        if (c->state == CONNECTION_ENDED)
                return -ECONNRESET;
        buffer_drop(&c->in, c->in.size);
        return buffer_append(&c->in, scratch + used, n - (size_t) used);
}

static void connection_read(Connection *c) {
        while (c->state != CONNECTION_ENDED) {
                size_t kept = c->in.size, room = SCRATCH_BYTES - kept;
                if (kept >= SCRATCH_BYTES) {
                        connection_end(c, "the server sends something endless");
                        return;
                }
                ssize_t n = recv(c->fd, c->load->scratch + kept, room, 0);
                if (n < 0) {
                        if (errno != EAGAIN && errno != EINTR)
                                connection_end(c, strerror(errno));
                        return;
                }
                if (n == 0) {
                        connection_end(c, "closed by the server");
                        return;
                }
                if (kept > 0)
                        memcpy(c->load->scratch, c->in.data, kept);
                if (connection_consume(c, kept + (size_t) n) < 0)
                        return;
                /* A short read has emptied the socket; what comes later raises a new edge. */
                if ((size_t) n < room)
                        return;
        }
}

static void connection_on_event(Connection *c, uint32_t events) {
        if (c->state == CONNECTION_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
                connection_established(c);
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                connection_read(c);
        if (c->out.size > 0)
                connection_flush(c);
}

int load_turn(Load *l, uint64_t timeout_nsec) {
        struct epoll_event events[EVENTS];
        const struct timespec timeout = {.tv_sec = (time_t) (timeout_nsec / 1000000000U),
                                         .tv_nsec = (long) (timeout_nsec % 1000000000U)};

        int n = epoll_pwait2(l->epoll_fd, events, EVENTS, &timeout, NULL);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                Connection *c = events[i].data.ptr;
                if (!c) /* a command, which can wait; or the driver has gone */
                        l->hung_up = !(events[i].events & EPOLLIN);
                else if (c->state != CONNECTION_ENDED)
                        connection_on_event(c, events[i].events);
        }
        return 0;
}

/* Has everybody do one step of joining, `opening` at a time; n_ready counts those who have. */
static int load_step(Load *l, int (*step)(Connection *c), uint64_t deadline_nsec) {
        for (l->n_opened = 0, l->n_ready = 0; l->n_ready < l->n_connections;) {
                while (l->n_opened < l->n_connections && l->n_opened - l->n_ready < l->opening) {
                        Connection *c = &l->connections[l->n_opened++];
                        int r = step(c);
                        if (r < 0)
                                return r;
                        if (c->out.size > 0)
                                connection_flush(c);
                }
                int r = load_turn(l, 100 * 1000000U);
                if (r < 0)
                        return r;
                if (l->n_ended > 0)
                        return -ECONNABORTED;
                if (meter_now_nsec() > deadline_nsec)
                        return -ETIMEDOUT;
        }
        return 0;
}

static int connection_enter(Connection *c) {
        c->state = CONNECTION_OPEN;
        return c->load->protocol->enter(c);
}

int load_connect(Load *l, uint64_t deadline_nsec) {
        int r = load_step(l, connection_open, deadline_nsec);
        if (r == 0 && l->protocol->enter)
                r = load_step(l, connection_enter, deadline_nsec);
        return r;
}

static int load_wait_until_over(Load *l, unsigned n, uint64_t deadline_nsec) {
        int r = 0;

        while (r == 0 && l->n_over + l->n_ended < n) {
                r = load_turn(l, 100 * 1000000U);
                if (r == 0 && meter_now_nsec() > deadline_nsec)
                        r = -ETIMEDOUT;
        }
        return r;
}

static bool load_senders_are_ready(const Load *l) {
        for (unsigned i = 0; i < l->n_senders; i++)
                if (l->connections[i].state != CONNECTION_READY)
                        return false;
        return true;
}

int load_reconnect(Load *l, int (*hail)(Load *l), uint64_t deadline_nsec) {
        bool hailed = false;

        l->ending = true;
        int r = load_wait_until_over(l, l->n_connections, deadline_nsec);
        l->ending = false;
        l->n_over = l->n_ended = l->n_ready = 0;
        for (unsigned i = 0; i < l->n_connections && r == 0; i++) {
                if (l->protocol->forget)
                        l->protocol->forget(&l->connections[i]);
                r = connection_open(&l->connections[i]);
        }
        while (r == 0 && (l->n_ready < l->n_connections || !hailed)) {
                r = load_turn(l, 100 * 1000000U);
                if (r == 0 && !hailed && load_senders_are_ready(l)) {
                        hailed = true;
                        r = hail(l);
                }
                if (r == 0 && l->n_ended > 0)
                        r = -ECONNABORTED;
                if (r == 0 && meter_now_nsec() > deadline_nsec)
                        r = -ETIMEDOUT;
        }
        return r;
}

int load_stall(Load *l, unsigned n) {
        for (unsigned i = l->n_connections - n; i < l->n_connections; i++) {
                Connection *c = &l->connections[i];
                int r = l->protocol->stall ? l->protocol->stall(c) : 0;
                if (r < 0)
                        return r;
                connection_flush(c);
                if (epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL) < 0)
                        return -errno;
                c->state = CONNECTION_STALLED;
        }
        l->n_stalled = n;
        return 0;
}

int load_wake(Load *l, uint64_t deadline_nsec) {
        for (unsigned i = l->n_connections - l->n_stalled; i < l->n_connections; i++) {
                int r = connection_watch(&l->connections[i], l->connections[i].fd);
                if (r < 0)
                        return r;
        }
        return load_wait_until_over(l, l->n_stalled, deadline_nsec);
}

int load_open(Load *l, unsigned n_receivers) {
        l->n_connections = n_receivers + l->n_senders;
        l->connections = calloc(l->n_connections, sizeof(*l->connections));
        l->flights = calloc(FLIGHTS, sizeof(*l->flights));
        l->scratch = malloc(SCRATCH_BYTES);
        if (!l->connections || !l->flights || !l->scratch)
                return -ENOMEM;
        for (unsigned i = 0; i < l->n_connections; i++)
                l->connections[i] = (Connection){.load = l, .fd = -1, .index = i};
        l->next_id = (uint64_t) time(NULL) << 32;
        l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (l->epoll_fd < 0)
                return -errno;
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
                return -errno;
        return 0;
}

void load_close(Load *l) {
        for (unsigned i = 0; l->connections && i < l->n_connections; i++) {
                Connection *c = &l->connections[i];
                close_fd(c->fd);
                buffer_clear(&c->in);
                buffer_clear(&c->out);
                if (l->protocol->forget)
                        l->protocol->forget(c);
        }
        free(l->connections);
        free(l->flights);
        free(l->scratch);
        free(l->latencies);
        close_fd(l->epoll_fd);
}
