/* SPDX-License-Identifier: MIT */
/*
 * A call here is one message each way, so its whole life stands in this file: it opens, its request
 * comes or is waited for in vain, the method runs and answers, it closes. A call whose method is
 * not done yet outlives its stream.
 *
 * Somebody who may not use the socket gets an answer that says so, rather than a connection that
 * ends: file modes keep most of them away already.
 */
#include "service/control.h"

#include <grp.h>
#include <string.h>
#include <sys/epoll.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/drain.h"
#include "service/journal.h"
#include "service/service.h"

#define DEFAULT_PATH "/run/chatroom/control.sock"
#define MAX_REQUEST 65536
#define MAX_STREAMS 64
#define EVENTS_PER_DISPATCH 256
#define REQUEST_USEC UINT64_C(10000000)

struct Control {
        Service *service;
        Mailbox *mailbox;
        Rpc *rpc;
        Connections *connections;
        sd_event_source *source;
        gid_t group;
        bool has_group;
        AdminCall *calls;
};

static const Limits limits = {
        .max_connections = 128,
        .max_connections_per_address = 64, /* per uid, here */
        .max_streams_per_connection = MAX_STREAMS,
        .join_timeout_ms = 10000,
};

/* ---- calls */

static void call_free(Control *c, AdminCall *a) {
        if (a->previous)
                a->previous->next = a->next;
        else
                c->calls = a->next;
        if (a->next)
                a->next->previous = a->previous;
        admin_call_free(a);
}

static const char *not_allowed(const Control *c, char *buffer, size_t size) {
        snprintf(buffer, size, "Only root%s%s may do this.",
                 c->has_group ? " and members of the group " : "",
                 c->has_group ? c->service->config->admin_group : "");
        return buffer;
}

static int admit(Control *c, AdminCall *a) {
        uint64_t now = service_now_usec(c->service);
        int r = connection_open_stream(a->connection, &limits, now);
        char text[128];

        if (!a->peer.operator) {
                if (connection_may_log(a->connection, now))
                        log_warning("Refused uid %u (pid %d) on the control socket", a->peer.uid,
                                    a->peer.pid);
                connection_close_soon(a->connection);
                rpc_call_finish(a->call, RPC_PERMISSION_DENIED, not_allowed(c, text, sizeof(text)));
                return -EACCES;
        }
        if (r == CONNECTION_E_CLOSING) {
                rpc_call_finish(a->call, RPC_UNAVAILABLE, "The connection is about to be closed.");
                return -ESHUTDOWN;
        }
        if (r == CONNECTION_E_STREAMS || r == CONNECTION_E_UNJOINED) {
                rpc_call_finish(a->call, RPC_RESOURCE_EXHAUSTED, "Too many requests at a time.");
                return -EBUSY;
        }
        if (rpc_call_method(a->call) == RPC_METHOD_UNKNOWN) {
                rpc_call_finish(a->call, RPC_UNIMPLEMENTED, "There is no such method.");
                return -ENOSYS;
        }
        return 0;
}

static void on_opened(Control *c, RpcCall *call) {
        Connection *connection = connections_get(c->connections, rpc_call_fd(call));
        AdminCall *a = connection ? calloc(1, sizeof(*a)) : NULL;

        if (!a) {
                rpc_call_cancel(call, RPC_UNAVAILABLE, "The server is out of memory.");
                return;
        }
        a->service = c->service;
        a->call = rpc_call_ref(call);
        a->connection = connection;
        a->peer = connection->peer;
        a->next = c->calls;
        if (a->next)
                a->next->previous = a;
        c->calls = a;
        rpc_call_set_userdata(call, a);
        if (admit(c, a) != 0) {
                a->answered = true;
                return;
        }
        a->method = (AdminMethod) rpc_call_method(call);
        a->due_usec = service_now_usec(c->service) + REQUEST_USEC;
        (void) rpc_call_receive(call);
}

static void on_received(AdminCall *a) {
        const uint8_t *bytes;
        const char *wrong;
        size_t n;

        a->due_usec = 0;
        bytes = rpc_call_received(a->call, &n);
        wrong = admin_request_decode(&a->request, a->method, bytes, n);
        if (rpc_call_is_compressed(a->call))
                admin_refuse(a, RPC_UNIMPLEMENTED, "Compressed requests are not taken.");
        else if (wrong)
                admin_refuse(a, RPC_INVALID_ARGUMENT, wrong);
        else
                admin_run(a);
}

static void on_closed(Control *c, AdminCall *a) {
        connection_close_stream(a->connection, false, service_now_usec(c->service));
        a->connection = NULL;
        a->closed = true;
        rpc_call_set_userdata(a->call, NULL);
        if (!a->busy)
                call_free(c, a);
}

static void dispatch(Control *c, RpcCall *call, unsigned events) {
        AdminCall *a;

        if (events & RPC_OPENED)
                on_opened(c, call);
        a = rpc_call_userdata(call);
        if (!a)
                return;
        if ((events & RPC_RECEIVED) && !a->answered)
                on_received(a);
        if ((events & RPC_HALF_CLOSED) && !a->answered && !a->busy)
                admin_refuse(a, RPC_INVALID_ARGUMENT, "The request is missing or too large.");
        if (events & RPC_CLOSED)
                on_closed(c, a);
}

static int on_mailbox(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Control *c = userdata;

        for (int i = 0; i < EVENTS_PER_DISPATCH; i++) {
                unsigned flags;
                MailboxItem *item = mailbox_take(c->mailbox, &flags);
                RpcCall *call;

                if (!item)
                        break;
                call = rpc_call_from_item(item);
                dispatch(c, call, flags);
                rpc_call_taken(call, flags);
        }
        drain_advance(c->service);
        return 0;
}

void control_done(AdminCall *a) {
        a->busy = false;
        if (a->closed)
                call_free(a->service->control, a);
}

/* ---- connections */

void control_configure(Control *c) {
        const char *name = c ? c->service->config->admin_group : NULL;
        char buffer[16384];
        struct group group, *found = NULL;

        if (!name)
                return;
        if (getgrnam_r(name, &group, buffer, sizeof(buffer), &found) != 0 || !found)
                log_warning("There is no group %s (admin_group): only root can use the control "
                            "socket",
                            name);
        c->has_group = found != NULL;
        if (found)
                c->group = found->gr_gid;
}

void control_admit(Control *c, int accepted) {
        _cleanup_(closep) int fd = accepted;
        Peer peer;
        int r;

        r = peer_from_socket(&peer, fd, c->has_group ? &c->group : NULL);
        if (r == 0)
                r = connections_add(c->connections, fd, &peer, &limits,
                                    service_now_usec(c->service));
        if (r != 0) {
                log_debug("Turned away a connection to the control socket: %s",
                          r < 0 ? strerror(-r) : "too many");
                return;
        }
        if (rpc_add_connection(c->rpc, fd) == 0)
                (void) TAKE_FD(fd);
}

static void give_up(AdminCall *a) {
        a->due_usec = 0;
        if (a->answered) {
                connection_shutdown(a->connection);
                return;
        }
        a->answered = true;
        rpc_call_finish(a->call, RPC_INVALID_ARGUMENT, "The request did not come.");
}

void control_sweep(Control *c) {
        uint64_t now;

        if (!c)
                return;
        now = service_now_usec(c->service);
        connections_sweep(c->connections, now);
        for (AdminCall *a = c->calls; a; a = a->next)
                if (a->due_usec && now >= a->due_usec && !a->closed)
                        give_up(a);
}

/* ---- beginning and end */

/* Without a service manager and without being asked for, the socket is a convenience. */
static bool may_do_without(const Service *s, int r) {
        if (s->options.control || strcmp(s->config->control, DEFAULT_PATH) != 0)
                return false;
        return r == -ENOENT || (s->sockets.inherited && (r == -EACCES || r == -EROFS));
}

static int open_socket(const Control *c) {
        Service *s = c->service;
        const char *path = s->options.control ? s->options.control : s->config->control;
        int r;

        if (s->sockets.control >= 0)
                return 0;
        r = activation_bind_control(&s->sockets, path, c->has_group ? &c->group : NULL);
        if (r == 0) {
                log_info("The control socket is %s", path);
                return 0;
        }
        if (may_do_without(s, r)) {
                log_warning("There is no control socket: %s: %s", path, strerror(-r));
                return 0;
        }
        return log_errno(r, "Cannot make the control socket %s", path);
}

DEFINE_CLEANUP(Control *, control_free);

int control_new(Control **ret, Service *s) {
        _cleanup_(control_freep) Control *c = calloc(1, sizeof(*c));
        int r;

        *ret = NULL;
        if (!c)
                return log_errno(-ENOMEM, "Cannot serve the control socket");
        c->service = s;
        control_configure(c);
        r = open_socket(c);
        if (r == 0 && s->sockets.control >= 0)
                *ret = TAKE_PTR(c);
        return r;
}

static int watch_mailbox(Control *c) {
        int r = mailbox_new(&c->mailbox);

        if (r == 0)
                r = sd_event_add_io(c->service->event, &c->source, mailbox_fd(c->mailbox), EPOLLIN,
                                    on_mailbox, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->source, SD_EVENT_PRIORITY_IMPORTANT);
        return r;
}

int control_start(Control *c) {
        RpcMethod methods[ADMIN_METHODS];
        RpcConfig config = {.methods = methods,
                            .n_methods = ADMIN_METHODS,
                            .n_queues = 1,
                            .max_frame = MAX_REQUEST,
                            .max_streams_per_connection = MAX_STREAMS};
        int r;

        if (!c)
                return 0;
        admin_list_methods(methods);
        r = connections_new(&c->connections, c->service->max_fd);
        if (r == 0)
                r = watch_mailbox(c);
        if (r >= 0)
                r = rpc_new(&c->rpc, &config, c->mailbox);
        return r < 0 ? log_errno(r, "Cannot serve the control socket") : 0;
}

Control *control_free(Control *c) {
        if (!c)
                return NULL;
        c->source = sd_event_source_disable_unref(c->source);
        if (c->rpc && rpc_drained(c->rpc))
                rpc_free(c->rpc);
        mailbox_free(c->mailbox);
        connections_free(c->connections);
        free(c);
        return NULL;
}

void control_drain(Control *c) {
        if (c)
                rpc_drain(c->rpc);
}

bool control_idle(const Control *c) {
        return !c || !c->calls;
}

bool control_drained(const Control *c) {
        return !c || rpc_drained(c->rpc);
}

void control_linger_over(Control *c) {
        if (c)
                connections_shutdown_all(c->connections);
}

void control_cut(Control *c) {
        if (c)
                rpc_cancel_all(c->rpc);
        control_linger_over(c);
}
