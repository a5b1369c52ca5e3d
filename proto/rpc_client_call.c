/* SPDX-License-Identifier: MIT */
/*
 * Calls. Every batch of operations comes back exactly once, also after a cancel. A call counts
 * those that are under way; its status batch is under way until the very end, so the count reaches
 * 0 once, and that is when the call is over: RPC_ENDED is the last event, and memory is freed no
 * earlier. A call that its owner has freed (queue is NULL) is taken apart by the thread then.
 */
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/time.h>
#include <string.h>
#include <sys/eventfd.h>

#include "proto/rpc_client_call.h"

void queue_init(Queue *q) {
        q->head = NULL;
        q->tail = &q->head;
}

Node *queue_pop(Queue *q) {
        Node *n = q->head;

        if (!n)
                return NULL;
        q->head = n->next;
        if (!q->head)
                q->tail = &q->head;
        return n;
}

static void queue_drop(Queue *q, const RpcCall *call) {
        Node **n = &q->head;

        q->tail = &q->head;
        while (*n) {
                if ((*n)->call == call) {
                        *n = (*n)->next;
                        continue;
                }
                n = &(*n)->next;
                q->tail = n;
        }
}

static void call_tell(RpcCall *call, RpcEventKind kind) {
        RpcChannel *c = call->channel;
        Node *n = &call->nodes[kind];

        if (!call->queue)
                return;
        *n = (Node){.call = call, .kind = kind};
        *call->queue->tail = n;
        call->queue->tail = &n->next;
        if (call->queue == &c->events)
                (void) eventfd_write(c->fd, 1);
        else
                pthread_cond_broadcast(&c->unary);
}

static int call_start(RpcCall *call, OpKind kind, const grpc_op *ops, size_t n) {
        if (grpc_call_start_batch(call->call, ops, n, &call->ops[kind], NULL) != GRPC_CALL_OK)
                return -EINVAL;
        call->pending++;
        return 0;
}

static void call_receive(RpcCall *call) {
        grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

        op.data.recv_message.recv_message = &call->received;
        if (call_start(call, OP_RECEIVE, &op, 1) < 0)
                grpc_call_cancel(call->call, NULL);
}

static void call_close(RpcCall *call) {
        grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

        call->closing = false;
        call->closed = true;
        if (call_start(call, OP_HALF_CLOSE, &op, 1) < 0)
                grpc_call_cancel(call->call, NULL);
}

static void call_destroy(RpcCall *call) {
        if (call->call)
                grpc_call_unref(call->call);
        grpc_byte_buffer_destroy(call->received);
        grpc_metadata_array_destroy(&call->initial);
        grpc_metadata_array_destroy(&call->trailing);
        grpc_slice_unref(call->details);
        free(call->data);
        free(call);
}

/* Makes an event of what was received. No message means that there will be no more of them. */
static void call_take_received(RpcCall *call) {
        grpc_byte_buffer_reader reader;
        grpc_slice all;

        if (!call->received)
                return;
        if (!call->queue || !grpc_byte_buffer_reader_init(&reader, call->received)) {
                grpc_call_cancel(call->call, NULL);
                return;
        }
        all = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
        grpc_byte_buffer_destroy(TAKE_PTR(call->received));

        call->size = GRPC_SLICE_LENGTH(all);
        call->data = malloc(call->size + 1);
        if (call->data) {
                memcpy(call->data, GRPC_SLICE_START_PTR(all), call->size);
                call_tell(call, RPC_MESSAGE);
        } else
                grpc_call_cancel(call->call, NULL);
        grpc_slice_unref(all);
}

void call_op_done(Op *op, bool ok) {
        RpcCall *call = op->call;

        call->pending--;
        switch (op->kind) {
        case OP_OPEN:
                call->opened = ok;
                if (ok)
                        call_tell(call, RPC_OPENED);
                break;
        case OP_RECEIVE:
                call_take_received(call);
                break;
        case OP_SEND:
                call->writing = false;
                if (ok)
                        call_tell(call, RPC_SENT);
                if (call->closing && call->queue)
                        call_close(call);
                break;
        default:
                break;
        }
        if (call->pending > 0)
                return;

        grpc_call_unref(TAKE_PTR(call->call));
        if (call->queue)
                call_tell(call, RPC_ENDED);
        else
                call_destroy(call);
}

static char *slice_text(grpc_slice s) {
        return strndup((const char *) GRPC_SLICE_START_PTR(s), GRPC_SLICE_LENGTH(s));
}

void call_fill_event(RpcCall *call, RpcEventKind kind, RpcEvent *ret) {
        *ret = (RpcEvent){.kind = kind, .call = call, .reached = call->opened};
        if (kind == RPC_MESSAGE) {
                ret->data = TAKE_PTR(call->data);
                ret->size = call->size;
                if (call->call)
                        call_receive(call);
        } else if (kind == RPC_SENT) {
                call->sending = false;
        } else if (kind == RPC_ENDED) {
                ret->status = (RpcStatus) call->status;
                ret->text = slice_text(call->details);
        }
}

static int call_send_headers(RpcCall *call, const RpcCallOptions *options) {
        _cleanup_(freep) grpc_metadata *metadata = NULL;
        grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
        int r;

        metadata = calloc(options->n_metadata + 1, sizeof(*metadata));
        if (!metadata)
                return -ENOMEM;
        for (size_t i = 0; i < options->n_metadata; i++) {
                metadata[i].key = grpc_slice_from_copied_string(options->metadata[i].key);
                metadata[i].value = grpc_slice_from_copied_string(options->metadata[i].value);
        }
        op.data.send_initial_metadata.count = options->n_metadata;
        op.data.send_initial_metadata.metadata = metadata;
        r = call_start(call, OP_OPEN, &op, 1);
        for (size_t i = 0; i < options->n_metadata; i++) {
                grpc_slice_unref(metadata[i].key);
                grpc_slice_unref(metadata[i].value);
        }
        return r;
}

static int call_expect_status(RpcCall *call) {
        grpc_op ops[2] = {
                {.op = GRPC_OP_RECV_INITIAL_METADATA},
                {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
        };

        ops[0].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
        ops[1].data.recv_status_on_client.trailing_metadata = &call->trailing;
        ops[1].data.recv_status_on_client.status = &call->status;
        ops[1].data.recv_status_on_client.status_details = &call->details;
        return call_start(call, OP_STATUS, ops, ELEMENTS(ops));
}

static int call_open(RpcCall *call, const char *method, const RpcCallOptions *options) {
        gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
        grpc_slice path = grpc_slice_from_copied_string(method);
        int r;

        if (options->timeout_ms > 0)
                deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                        gpr_time_from_millis(options->timeout_ms, GPR_TIMESPAN));
        call->call = grpc_channel_create_call(call->channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                              call->channel->cq, path, NULL, deadline, NULL);
        grpc_slice_unref(path);
        r = call_send_headers(call, options);
        if (r < 0)
                return r;
        r = call_expect_status(call);
        if (r < 0)
                return r;
        call_receive(call);
        return 0;
}

int call_new(RpcCall **ret, RpcChannel *c, Queue *queue, const char *method,
             const RpcCallOptions *options) {
        static const RpcCallOptions none;
        RpcCall *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;
        call->channel = c;
        call->queue = queue;
        call->details = grpc_empty_slice();
        grpc_metadata_array_init(&call->initial);
        grpc_metadata_array_init(&call->trailing);
        for (size_t i = 0; i < OP_KINDS; i++)
                call->ops[i] = (Op){.call = call, .kind = (OpKind) i};

        pthread_mutex_lock(&c->mutex);
        r = call_open(call, method, options ? options : &none);
        pthread_mutex_unlock(&c->mutex);
        if (r < 0) {
                rpc_call_free(call);
                return r;
        }
        *ret = call;
        return 0;
}

int rpc_call_new(RpcCall **ret, RpcChannel *c, const char *method, const RpcCallOptions *options) {
        return call_new(ret, c, &c->events, method, options);
}

RpcCall *rpc_call_free(RpcCall *call) {
        RpcChannel *c;

        if (!call)
                return NULL;
        c = call->channel;
        pthread_mutex_lock(&c->mutex);
        queue_drop(call->queue, call);
        call->queue = NULL;
        if (call->pending > 0)
                grpc_call_cancel(call->call, NULL); /* the thread does the rest */
        else
                call_destroy(call);
        pthread_mutex_unlock(&c->mutex);
        return NULL;
}

int rpc_call_send(RpcCall *call, RpcBytes message) {
        RpcChannel *c = call->channel;
        grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
        grpc_slice slice;
        int r = 0;

        slice = grpc_slice_from_copied_buffer(message.data ? message.data : "", message.size);
        op.data.send_message.send_message = grpc_raw_byte_buffer_create(&slice, 1);
        pthread_mutex_lock(&c->mutex);
        if (!call->call || call->closing || call->closed)
                r = -EPIPE;
        else if (call->sending)
                r = -EBUSY;
        else
                r = call_start(call, OP_SEND, &op, 1);
        if (r == 0)
                call->sending = call->writing = true;
        pthread_mutex_unlock(&c->mutex);
        grpc_byte_buffer_destroy(op.data.send_message.send_message);
        grpc_slice_unref(slice);
        return r;
}

void rpc_call_half_close(RpcCall *call) {
        RpcChannel *c = call->channel;

        pthread_mutex_lock(&c->mutex);
        if (call->writing)
                call->closing = true;
        else if (call->call && !call->closed)
                call_close(call);
        pthread_mutex_unlock(&c->mutex);
}

void rpc_call_cancel(RpcCall *call) {
        RpcChannel *c = call->channel;

        pthread_mutex_lock(&c->mutex);
        if (call->call)
                grpc_call_cancel(call->call, NULL);
        pthread_mutex_unlock(&c->mutex);
}
