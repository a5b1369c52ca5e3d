/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's sockets cost without a chat server around them: one thread, one epoll set,
 * frames with four bytes of length relayed to everybody but their sender. Two ways:
 *
 *   yardstick one-send    one send() per message and recipient, at once: the usual way
 *   yardstick coalesce    all that is readable is read first, then everything that a recipient
 *                         has not got goes out in one writev(): the least that TCP allows
 *
 * Messages stand in one ring and a client is a place in it; whoever falls LOG messages behind is
 * cut. Prints "Listening on 127.0.0.1:PORT" to standard error; SIGTERM ends it.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/base.h"

#define LOG 65536U /* a power of two */
#define MESSAGE_MAX 124U
#define READ_BYTES 16384U
#define EVENTS 512
#define BACKLOG 1024

typedef struct Client {
        int fd;
        unsigned index;  /* in Server.clients */
        bool blocked;    /* its socket is full; EPOLLOUT will say when it is not */
        uint64_t cursor; /* the next message it gets */
        uint32_t offset; /* of that message, this much is sent */
        uint32_t n_in;   /* the beginning of a frame */
        uint8_t in[MESSAGE_MAX];
} Client;

typedef struct Message {
        const Client *from; /* compared, never followed */
        uint32_t size;
        uint8_t bytes[MESSAGE_MAX];
} Message;

typedef struct Server {
        bool coalesce;
        int epoll_fd;
        int listen_fd;
        Client **clients;
        unsigned n_clients;
        unsigned max_clients;
        uint64_t head; /* the number of messages so far */
        Message *log;
} Server;

static void client_end(Server *s, Client *c) {
        assert(s->clients && s->n_clients > 0);
        Client *last = s->clients[--s->n_clients];

        last->index = c->index;
        s->clients[c->index] = last;
        close_fd(c->fd);
        free(c);
}

static bool client_is_behind(const Server *s, const Client *c) {
        return s->head - c->cursor > LOG;
}

/* Skips what it said itself, and collects at most max of the messages after that. */
static int client_collect(const Server *s, Client *c, struct iovec *ret, int max) {
        uint32_t offset;
        int n = 0;

        while (c->cursor < s->head && s->log[c->cursor % LOG].from == c)
                c->cursor++;
        offset = c->offset;
        for (uint64_t at = c->cursor; at < s->head && n < max; at++) {
                Message *m = &s->log[at % LOG];
                if (m->from == c)
                        continue;
                ret[n++] = (struct iovec){m->bytes + offset, m->size - offset};
                offset = 0;
        }
        return n;
}

static void client_advance(const Server *s, Client *c, size_t sent) {
        while (sent > 0) {
                const Message *m = &s->log[c->cursor % LOG];
                size_t left = m->size - c->offset;
                if (m->from != c && sent < left) {
                        c->offset += (uint32_t) sent;
                        return;
                }
                if (m->from != c)
                        sent -= left;
                c->offset = 0;
                c->cursor++;
        }
}

/* Sends what the client lacks until its socket is full. False: it has gone, and is to end. */
static bool client_pump(Server *s, Client *c) {
        struct iovec parts[IOV_MAX];
        int n;

        c->blocked = false;
        while ((n = client_collect(s, c, parts, s->coalesce ? IOV_MAX : 1)) > 0) {
                ssize_t sent =
                        n > 1 ? writev(c->fd, parts, n)
                              : send(c->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
                if (sent < 0 && errno == EAGAIN) {
                        c->blocked = true;
                        return true;
                }
                if (sent < 0 && errno != EINTR)
                        return false;
                if (sent > 0)
                        client_advance(s, c, (size_t) sent);
        }
        return true;
}

static void server_fan_out(Server *s) {
        for (unsigned i = s->n_clients; i-- > 0;) {
                Client *c = s->clients[i];
                if (client_is_behind(s, c)) {
                        fprintf(stderr, "a client fell %u messages behind\n", LOG);
                        shutdown(c->fd, SHUT_RDWR); /* its next event ends it */
                        c->cursor = s->head;
                } else if (!c->blocked && !client_pump(s, c)) {
                        shutdown(c->fd, SHUT_RDWR);
                }
        }
}

static void server_publish(Server *s, const Client *from, const uint8_t *bytes, size_t n) {
        Message *m = &s->log[s->head++ % LOG];

        m->from = from;
        m->size = (uint32_t) n;
        memcpy(m->bytes, bytes, n);
        if (!s->coalesce)
                server_fan_out(s);
}

/* Publishes the whole frames among n bytes. Returns how many bytes these were, or -EBADMSG. */
static ssize_t client_frames(Server *s, const Client *c, const uint8_t *bytes, size_t n) {
        size_t used = 0;

        for (uint32_t size; n - used >= sizeof(size); used += size) {
                memcpy(&size, bytes + used, sizeof(size));
                size = ntohl(size);
                if (size > MESSAGE_MAX - sizeof(size))
                        return -EBADMSG;
                size += sizeof(size);
                if (n - used < size)
                        break;
                server_publish(s, c, bytes + used, size);
        }
        return (ssize_t) used;
}

/* False: the client has gone. */
static bool client_read(Server *s, Client *c) {
        uint8_t bytes[MESSAGE_MAX + READ_BYTES];

        for (;;) {
                memcpy(bytes, c->in, c->n_in);
                ssize_t n = recv(c->fd, bytes + c->n_in, READ_BYTES, 0);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                if (n == 0)
                        return false;
                size_t size = c->n_in + (size_t) n;
                ssize_t used = client_frames(s, c, bytes, size);
                if (used < 0)
                        return false;
                c->n_in = (uint32_t) (size - (size_t) used);
                memcpy(c->in, bytes + used, c->n_in);
                if (n < (ssize_t) READ_BYTES)
                        return true;
        }
}

static void server_on_client(Server *s, Client *c, uint32_t events) {
        bool alive = !(events & (EPOLLERR | EPOLLHUP));

        if (alive && (events & EPOLLOUT) && c->blocked)
                alive = client_pump(s, c);
        if (alive && (events & (EPOLLIN | EPOLLRDHUP)))
                alive = client_read(s, c);
        if (!alive)
                client_end(s, c);
}

static int server_add(Server *s, int fd) {
        const int on = 1;

        _cleanup_(closep) int owned = fd;
        if (s->n_clients == s->max_clients) {
                unsigned max = s->max_clients ? s->max_clients * 2 : 64;
                Client **clients = reallocarray(s->clients, max, sizeof(*clients));
                if (!clients)
                        return -ENOMEM;
                s->clients = clients;
                s->max_clients = max;
        }
        Client *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Client){.fd = TAKE_FD(owned), .index = s->n_clients, .cursor = s->head};
        s->clients[s->n_clients++] = c;

        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = c};
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
            epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                int r = -errno;
                client_end(s, c);
                return r;
        }
        return 0;
}

static void server_accept(Server *s) {
        for (int fd; (fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                int r = server_add(s, fd);
                if (r < 0)
                        fprintf(stderr, "a client was not accepted: %s\n", strerror(-r));
        }
}

static int server_listen(Server *s) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof(address);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *) &address, size) < 0 ||
            listen(s->listen_fd, BACKLOG) < 0 ||
            getsockname(s->listen_fd, (struct sockaddr *) &address, &size) < 0)
                return -errno;
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &event) < 0)
                return -errno;
        s->log = calloc(LOG, sizeof(*s->log));
        if (!s->log)
                return -ENOMEM;
        fprintf(stderr, "Listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
        return 0;
}

static int server_turn(Server *s) {
        struct epoll_event events[EVENTS];
        uint64_t head = s->head;

        int n = epoll_wait(s->epoll_fd, events, EVENTS, -1);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                if (!events[i].data.ptr)
                        server_accept(s);
                else
                        server_on_client(s, events[i].data.ptr, events[i].events);
        }
        if (s->coalesce && s->head != head)
                server_fan_out(s);
        return 0;
}

int main(int argc, char **argv) {
        Server server = {.epoll_fd = -1, .listen_fd = -1};

        if (argc != 2 || (strcmp(argv[1], "one-send") != 0 && strcmp(argv[1], "coalesce") != 0)) {
                fprintf(stderr, "yardstick one-send|coalesce\n");
                return 2;
        }
        server.coalesce = strcmp(argv[1], "coalesce") == 0;
        int r = server_listen(&server);
        while (r == 0)
                r = server_turn(&server);
        fprintf(stderr, "yardstick: %s\n", strerror(-r));
        while (server.n_clients > 0)
                client_end(&server, server.clients[0]);
        free(server.clients);
        free(server.log);
        return 1;
}
