/* SPDX-License-Identifier: MIT */
/*
 * Channels: one completion queue and one thread each. The thread turns what comes back from gRPC
 * into events on a queue that the owner's loop reads. Calls are in rpc_client_call.c; these two
 * files are the only ones on the clients' side that know gRPC.
 */
#include "proto/rpc_client.h"

#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <sys/eventfd.h>

#include "proto/rpc_client_call.h"

#define RECEIVE_MAX (4 * 1024 * 1024)
#define KEEPALIVE_TIME_MS 30000
#define KEEPALIVE_TIMEOUT_MS 20000

static void *channel_run(void *userdata) {
        RpcChannel *c = userdata;

        for (;;) {
                grpc_event e =
                        grpc_completion_queue_next(c->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

                if (e.type == GRPC_QUEUE_SHUTDOWN)
                        return NULL;
                pthread_mutex_lock(&c->mutex);
                call_op_done(e.tag, e.success);
                pthread_mutex_unlock(&c->mutex);
        }
}

/* gRPC logs to stderr, also what the peer sent: not on a user's terminal, unless asked for. */
static void log_nothing(gpr_log_func_args *args) {
}

static void library_open(void) {
        if (!getenv("GRPC_VERBOSITY"))
                gpr_set_log_function(log_nothing);
        /* Names mean here what they mean to every other program: nsswitch, MagicDNS, mDNS. */
        (void) setenv("GRPC_DNS_RESOLVER", "native", 0);
        grpc_init();
}

#define INTEGER(k, v)                                                                              \
        { .type = GRPC_ARG_INTEGER, .key = (char *) (k), .value.integer = (v) }
#define STRING(k, v)                                                                               \
        { .type = GRPC_ARG_STRING, .key = (char *) (k), .value.string = (char *) (v) }

static grpc_channel *channel_open(const char *target, unsigned attempt_ms) {
        grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
        grpc_channel *channel;
        grpc_arg args[] = {
                INTEGER(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_TIME_MS),
                INTEGER(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),
                INTEGER(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
                INTEGER(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
                INTEGER(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, RECEIVE_MAX),
                INTEGER(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
                /* What was sent and may have arrived is not for gRPC to send again. */
                INTEGER(GRPC_ARG_ENABLE_RETRIES, 0),
                /* http_proxy is about the web; a chatroom stands on the same private network. */
                INTEGER(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
                INTEGER(GRPC_ARG_ENABLE_CHANNELZ, 0),
                INTEGER(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
                STRING(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "chatroom/" CHATROOM_VERSION),
                INTEGER(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, (int) attempt_ms),
        };
        grpc_channel_args all = {
                .num_args = ELEMENTS(args) - (attempt_ms > 0 ? 0 : 1),
                .args = args,
        };

        channel = grpc_channel_create(target, credentials, &all);
        grpc_channel_credentials_release(credentials);
        return channel;
}

int rpc_channel_new(RpcChannel **ret, const char *target, unsigned attempt_ms) {
        _cleanup_(rpc_channel_freep) RpcChannel *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        library_open();
        pthread_mutex_init(&c->mutex, NULL);
        pthread_cond_init(&c->unary, NULL);
        queue_init(&c->events);
        c->cq = grpc_completion_queue_create_for_next(NULL);
        c->channel = channel_open(target, attempt_ms);
        c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->fd < 0)
                return -errno;
        r = pthread_create(&c->thread, NULL, channel_run, c);
        if (r > 0)
                return -r;
        c->running = true;
        *ret = TAKE_PTR(c);
        return 0;
}

RpcChannel *rpc_channel_free(RpcChannel *c) {
        if (!c)
                return NULL;
        grpc_channel_destroy(c->channel);
        grpc_completion_queue_shutdown(c->cq);
        if (c->running)
                pthread_join(c->thread, NULL);
        grpc_completion_queue_destroy(c->cq);
        close_fd(c->fd);
        pthread_cond_destroy(&c->unary);
        pthread_mutex_destroy(&c->mutex);
        free(c);
        grpc_shutdown();
        return NULL;
}

int rpc_channel_fd(const RpcChannel *c) {
        return c->fd;
}

bool rpc_channel_next(RpcChannel *c, RpcEvent *ret) {
        eventfd_t seen;
        Node *n;

        pthread_mutex_lock(&c->mutex);
        n = queue_pop(&c->events);
        if (n)
                call_fill_event(n->call, n->kind, ret);
        else
                (void) eventfd_read(c->fd, &seen);
        pthread_mutex_unlock(&c->mutex);
        return n;
}

void rpc_event_done(RpcEvent *e) {
        free(TAKE_PTR(e->data));
        free(TAKE_PTR(e->text));
}

static void unary_wait(RpcChannel *c, Queue *q, RpcReply *ret) {
        RpcEvent e;
        Node *n;

        pthread_mutex_lock(&c->mutex);
        do {
                while (!(n = queue_pop(q)))
                        pthread_cond_wait(&c->unary, &c->mutex);
                call_fill_event(n->call, n->kind, &e);
                if (e.data && !ret->data) {
                        ret->data = TAKE_PTR(e.data);
                        ret->size = e.size;
                }
                if (e.kind == RPC_ENDED) {
                        ret->status = e.status;
                        ret->text = TAKE_PTR(e.text);
                        ret->reached = e.reached;
                }
                rpc_event_done(&e);
        } while (e.kind != RPC_ENDED);
        pthread_mutex_unlock(&c->mutex);
}

int rpc_unary(RpcReply *ret, RpcChannel *c, const char *method, RpcBytes request,
              const RpcCallOptions *options) {
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;
        RpcReply reply = {0};
        Queue queue;
        int r;

        queue_init(&queue);
        r = call_new(&call, c, &queue, method, options);
        if (r < 0)
                return r;
        r = rpc_call_send(call, request);
        if (r < 0 && r != -EPIPE) /* -EPIPE: it has ended already, and says why */
                return r;
        rpc_call_half_close(call);
        unary_wait(c, &queue, &reply);
        *ret = reply;
        return 0;
}

void rpc_reply_done(RpcReply *r) {
        free(TAKE_PTR(r->data));
        free(TAKE_PTR(r->text));
}
