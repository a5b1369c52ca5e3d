/* SPDX-License-Identifier: MIT */
/*
 * We accept ourselves, and not gRPC: its own listener stops for good at the first EMFILE, cannot
 * take a socket from the service manager, and asks nobody whom to let in. At EMFILE the listeners
 * rest for a moment; the kernel keeps the queue.
 */
#include "service/listener.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "proto/base.h"
#include "service/journal.h"
#include "service/service.h"

#define ACCEPTS_PER_DISPATCH 64
#define REST_USEC UINT64_C(100000)
/* It may rest many times before there is something to accept with: a few complaints at once, then
 * one in ten seconds. */
#define COMPLAINTS 3
#define COMPLAINTS_PER_SECOND 0.1
/* Dead peers: what was sent to them stays unacknowledged for so long at most. */
#define USER_TIMEOUT_MS 30000
/* Bounds what the kernel holds for a peer that does not read. */
#define SEND_BUFFER_BYTES (256 * 1024)
/* Small enough for gRPC to empty it in one go. Where it cannot, for as long as a peer sends, it
 * goes by the sum of it all in what it makes ready for the next time, and in the end aborts. */
#define RECEIVE_BUFFER_BYTES (64 * 1024)

static void enable(Service *s, int state) {
        for (size_t i = 0; i < ELEMENTS(s->accepting); i++)
                if (s->accepting[i])
                        (void) sd_event_source_set_enabled(s->accepting[i], state);
}

static int on_accept_again(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        s->accept_again = sd_event_source_disable_unref(s->accept_again);
        enable(s, SD_EVENT_ON);
        return 0;
}

static void rest(Service *s, int why) {
        if (bucket_take(&s->accept_complaints, COMPLAINTS, COMPLAINTS_PER_SECOND,
                        service_now_usec(s)) == 0)
                log_warning("Cannot accept connections for now: %s", strerror(why));
        enable(s, SD_EVENT_OFF);
        if (sd_event_add_time_relative(s->event, &s->accept_again, CLOCK_MONOTONIC, REST_USEC,
                                       REST_USEC / 10, on_accept_again, s) < 0)
                enable(s, SD_EVENT_ON);
}

static bool is_listened_on(const Service *s, const Address *wanted) {
        char text[ADDRESS_TEXT_MAX], other[ADDRESS_TEXT_MAX];
        Address address;

        address_format(wanted, true, text);
        for (size_t i = 0; i < s->sockets.n_chat; i++) {
                if (activation_address(s->sockets.chat[i], &address) != 0)
                        continue;
                address_format(&address, true, other);
                if (strcmp(text, other) == 0)
                        return true;
        }
        return false;
}

/* The service manager's sockets are made from the configuration as it was then. */
static void warn_about_addresses(const Service *s) {
        char text[ADDRESS_TEXT_MAX];

        for (size_t i = 0; i < s->config->n_listen; i++) {
                if (is_listened_on(s, &s->config->listen[i]))
                        continue;
                address_format(&s->config->listen[i], true, text);
                log_warning("listen has %s, but the sockets are others; what is listened on "
                            "changes with: " LISTENER_RESTART,
                            text);
                return;
        }
}

static void set_options(int fd) {
        int on = 1, timeout = USER_TIMEOUT_MS, out = SEND_BUFFER_BYTES, in = RECEIVE_BUFFER_BYTES;

        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out));
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof(in));
}

static void admit(Service *s, int accepted, const struct sockaddr *sa, socklen_t size) {
        _cleanup_(closep) int fd = accepted;
        char text[ADDRESS_TEXT_MAX];
        Peer peer = {.local = false};
        int r;

        if (address_from_sockaddr(&peer.address, sa, size) != 0)
                return;
        address_format(&peer.address, true, text);
        if (!config_allows(s->config, &peer.address)) {
                log_debug("Turned away %s: not in allow", text);
                return;
        }
        r = connections_add(s->connections, fd, &peer, &s->config->limits, service_now_usec(s));
        if (r != 0) {
                log_debug("Turned away %s: %s", text,
                          r == CONNECTION_E_PEER ? "max_connections_per_address"
                                                 : "max_connections");
                return;
        }
        set_options(fd);
        if (rpc_add_connection(s->rpc, fd) == 0)
                (void) TAKE_FD(fd);
}

static int on_connection(sd_event_source *source, int listening, uint32_t events, void *userdata) {
        Service *s = userdata;

        for (int i = 0; i < ACCEPTS_PER_DISPATCH; i++) {
                struct sockaddr_storage ss;
                socklen_t size = sizeof(ss);
                int fd = accept4(listening, (struct sockaddr *) &ss, &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0 && listening == s->sockets.control) {
                        control_admit(s->control, fd);
                        continue;
                }
                if (fd >= 0) {
                        admit(s, fd, (struct sockaddr *) &ss, size);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        rest(s, errno);
                return 0;
        }
        return 0;
}

static int listen_for_control(Service *s) {
        sd_event_source **source = &s->accepting[ACTIVATION_MAX];
        int r;

        if (!s->control)
                return 0;
        r = sd_event_add_io(s->event, source, s->sockets.control, EPOLLIN, on_connection, s);
        if (r >= 0)
                r = sd_event_source_set_priority(*source, SD_EVENT_PRIORITY_IMPORTANT);
        return r < 0 ? log_errno(r, "Cannot watch the control socket") : 0;
}

int listener_start(Service *s) {
        if (s->sockets.inherited)
                warn_about_addresses(s);
        for (size_t i = 0; i < s->sockets.n_chat; i++) {
                char text[ADDRESS_TEXT_MAX] = "a socket that has no address";
                Address address;
                int r;

                r = sd_event_add_io(s->event, &s->accepting[i], s->sockets.chat[i], EPOLLIN,
                                    on_connection, s);
                if (r < 0)
                        return log_errno(r, "Cannot watch a listening socket");
                if (activation_address(s->sockets.chat[i], &address) == 0)
                        address_format(&address, true, text);
                log_info("Listening on %s", text);
        }
        return listen_for_control(s);
}

void listener_stop(Service *s) {
        for (size_t i = 0; i < ELEMENTS(s->accepting); i++)
                s->accepting[i] = sd_event_source_disable_unref(s->accepting[i]);
        s->accept_again = sd_event_source_disable_unref(s->accept_again);
        activation_close(&s->sockets);
}
