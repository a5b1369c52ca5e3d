/* SPDX-License-Identifier: MIT */
/*
 * The gRPC server: its arguments, its completion queues and their threads, its end.
 *
 * Debian's libgrpc checks every completion against a list of all that are outstanding on the same
 * queue, so a queue gets slower with every call on it: there are many queues, and one thread each,
 * because two threads on one queue wake each other for every event.
 */
#include <ctype.h>
#include <grpc/support/log.h>
#include <limits.h>
#include <string.h>

#include "proto/base.h"
#include "service/journal.h"
#include "service/rpc-internal.h"

#define REQUESTS_PER_QUEUE 16
#define KEEPALIVE_MS 30000
#define KEEPALIVE_TIMEOUT_MS 20000
#define MIN_PING_INTERVAL_MS 5000
#define MAX_METADATA_BYTES 8192

/* gRPC quotes what peers sent it, line ends included, and can be made to do so at any rate. */
static void on_grpc_log(gpr_log_func_args *args) {
        char text[256];
        size_t n = 0;

        for (const char *p = args->message; *p && n < sizeof(text) - 1; p++)
                text[n++] = isprint((unsigned char) *p) ? *p : '?';
        text[n] = '\0';
        log_debug("gRPC: %s", text);
}

/* Debian's Abseil looks for deadlocks whenever it locks anything, in a graph of all locks there are
 * that has one lock for all threads: two KiB a connection, and time on every send. Told 0, kIgnore,
 * it does not. There is no C name for it; where a version calls it otherwise, it goes on looking.
 */
void set_deadlock_detection(int mode) __asm__(
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE")
        __attribute__((weak));

void rpc_library_init(void) {
        if (set_deadlock_detection)
                set_deadlock_detection(0);
        gpr_set_log_function(on_grpc_log);
        grpc_init();
}

static grpc_channel_args server_args(const RpcConfig *config, grpc_arg *args, size_t n_args) {
        const struct {
                const char *key;
                int value;
        } table[] = {
                {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int) config->max_frame},
                {GRPC_ARG_MAX_CONCURRENT_STREAMS, (int) config->max_streams_per_connection},
                {GRPC_ARG_MAX_METADATA_SIZE, MAX_METADATA_BYTES},
                {GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS},
                {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS},
                {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
                {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
                {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_INTERVAL_MS},
                {GRPC_ARG_HTTP2_BDP_PROBE, 0},
                {GRPC_ARG_ENABLE_CHANNELZ, 0},
                /* Not used, but their records are: 320 bytes each, on every connection. */
                {GRPC_ARG_TCP_TX_ZEROCOPY_MAX_SIMULT_SENDS, 1},
                {GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0},
                /* Only "identity": merely not decompressing would take gzip bytes for chat. */
                {GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1},
                {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0},
        };
        size_t n = 0;

        for (; n < ELEMENTS(table) && n < n_args; n++)
                args[n] = (grpc_arg){.type = GRPC_ARG_INTEGER,
                                     .key = (char *) table[n].key,
                                     .value.integer = table[n].value};
        return (grpc_channel_args){.num_args = n, .args = args};
}

void rpc_dispatch(Rpc *rpc, RpcTag *tag, bool ok) {
        if (tag != &rpc->drain_tag) {
                rpc_call_dispatch(tag, ok);
                return;
        }
        atomic_store(&rpc->drained, true);
        mailbox_wake(rpc->mailbox);
}

static void *queue_thread(void *userdata) {
        RpcQueue *queue = userdata;

        for (;;) {
                grpc_event event = grpc_completion_queue_next(
                        queue->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

                if (event.type == GRPC_QUEUE_SHUTDOWN)
                        return NULL;
                RPC_TAKE_OVER(event.tag);
                rpc_dispatch(queue->rpc, event.tag, event.success != 0);
        }
}

static int copy_methods(Rpc *rpc, const RpcConfig *config) {
        rpc->methods = calloc(config->n_methods, sizeof(*rpc->methods));
        if (!rpc->methods)
                return -ENOMEM;
        memcpy(rpc->methods, config->methods, config->n_methods * sizeof(*rpc->methods));
        rpc->n_methods = config->n_methods;
        return 0;
}

static int request_calls(Rpc *rpc, RpcQueue *queue) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < REQUESTS_PER_QUEUE; i++)
                r = rpc_call_request(rpc, queue);
        return r;
}

static int start_queues(Rpc *rpc) {
        int r;

        grpc_server_start(rpc->server);
        for (size_t i = 0; i < rpc->n_queues; i++) {
                RpcQueue *queue = &rpc->queues[i];

                r = request_calls(rpc, queue);
                if (r != 0)
                        return r;
                r = -pthread_create(&queue->thread, NULL, queue_thread, queue);
                if (r != 0)
                        return r;
                queue->started = true;
        }
        return 0;
}

/* A failure here is the end of the daemon, so what was made is left to the end of the process: gRPC
 * cannot take back a server that has begun to start. */
int rpc_new(Rpc **ret, const RpcConfig *config, Mailbox *mailbox) {
        grpc_arg args[32];
        grpc_channel_args channel_args = server_args(config, args, ELEMENTS(args));
        Rpc *rpc = calloc(1, sizeof(*rpc));
        int r;

        if (!rpc)
                return -ENOMEM;
        rpc->mailbox = mailbox;
        rpc->queues = calloc(config->n_queues, sizeof(*rpc->queues));
        if (!rpc->queues)
                return -ENOMEM;
        rpc->n_queues = config->n_queues;
        rpc->server = grpc_server_create(&channel_args, NULL);
        r = copy_methods(rpc, config);
        if (r != 0)
                return r;
        for (size_t i = 0; i < rpc->n_queues; i++) {
                rpc->queues[i].rpc = rpc;
                rpc->queues[i].cq = grpc_completion_queue_create_for_next(NULL);
                grpc_server_register_completion_queue(rpc->server, rpc->queues[i].cq, NULL);
        }
        r = start_queues(rpc);
        if (r == 0)
                r = rpc_doors_open(rpc, rpc->n_queues);
        if (r != 0)
                return r;
        *ret = rpc;
        return 0;
}

Rpc *rpc_free(Rpc *rpc) {
        if (!rpc)
                return NULL;
        rpc_doors_close(rpc);
        for (size_t i = 0; i < rpc->n_queues; i++)
                grpc_completion_queue_shutdown(rpc->queues[i].cq);
        for (size_t i = 0; i < rpc->n_queues; i++)
                if (rpc->queues[i].started)
                        pthread_join(rpc->queues[i].thread, NULL);
        grpc_server_destroy(rpc->server);
        for (size_t i = 0; i < rpc->n_queues; i++)
                grpc_completion_queue_destroy(rpc->queues[i].cq);
        free(rpc->queues);
        free(rpc->methods);
        free(rpc);
        return NULL;
}

void rpc_drain(Rpc *rpc) {
        if (atomic_exchange(&rpc->draining, true))
                return;
        RPC_HAND_OVER(&rpc->drain_tag);
        grpc_server_shutdown_and_notify(rpc->server, rpc->queues[0].cq, &rpc->drain_tag);
}

bool rpc_drained(const Rpc *rpc) {
        return atomic_load(&rpc->drained);
}

void rpc_cancel_all(Rpc *rpc) {
        grpc_server_cancel_all_calls(rpc->server);
}
