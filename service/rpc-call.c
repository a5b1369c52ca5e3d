/* SPDX-License-Identifier: MIT */
/*
 * One call's operations. Each has a tag of its own in the call, at most one of each kind is
 * outstanding, and each comes back exactly once, also when the call was cancelled; until then it
 * holds a reference. So does a call that waits in the mailbox, and the loop itself, from RPC_OPENED
 * until it has taken RPC_CLOSED.
 *
 * A send nearly always completes inside grpc_call_start_batch(). The thread-local cache of the
 * completion queue hands that completion to the sender there and then, so that sending to many is a
 * plain loop which wakes nobody.
 */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice_buffer.h>
#include <grpc/support/alloc.h>
#include <string.h>
#include <strings.h>

#include "proto/base.h"
#include "service/rpc-internal.h"

static void call_free(RpcCall *call) {
        if (call->call)
                grpc_call_unref(call->call);
        grpc_metadata_array_destroy(&call->metadata);
        grpc_call_details_destroy(&call->details);
        grpc_byte_buffer_destroy(call->incoming);
        grpc_byte_buffer_destroy(call->outgoing);
        grpc_slice_unref(call->received);
        grpc_slice_unref(call->status_text);
        grpc_slice_unref(call->status_details);
        free(call->bearer);
        free(call);
}

RpcCall *rpc_call_ref(RpcCall *call) {
        atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
        return call;
}

RpcCall *rpc_call_unref(RpcCall *call) {
        if (call && atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) == 1)
                call_free(call);
        return NULL;
}

RpcCall *rpc_call_from_item(MailboxItem *item) {
        return CONTAINER_OF(item, RpcCall, item);
}

void rpc_call_post(RpcCall *call, unsigned events) {
        rpc_call_ref(call);
        if (!mailbox_post(call->rpc->mailbox, &call->item, events))
                rpc_call_unref(call);
}

void rpc_call_taken(RpcCall *call, unsigned events) {
        if (events & RPC_CLOSED)
                rpc_call_unref(call);
        rpc_call_unref(call);
}

/* ---- opening */

static RpcCall *call_new(Rpc *rpc, RpcQueue *queue) {
        RpcCall *call = calloc(1, sizeof(*call));

        if (!call)
                return NULL;
        atomic_init(&call->refs, 1);
        call->rpc = rpc;
        call->queue = queue;
        call->fd = -1;
        call->received = grpc_empty_slice();
        call->status_text = grpc_empty_slice();
        call->status_details = grpc_empty_slice();
        grpc_metadata_array_init(&call->metadata);
        grpc_call_details_init(&call->details);
        for (int i = 0; i < OPERATIONS; i++)
                call->tags[i] = (RpcTag){call, i};
        return call;
}

/* For whatever method: those that are registered with gRPC cost each connection a table of them. */
int rpc_call_request(Rpc *rpc, RpcQueue *queue) {
        RpcCall *call = call_new(rpc, queue);
        RpcTag *tag;

        if (!call)
                return -ENOMEM;
        tag = &call->tags[OPERATION_OPEN];
        RPC_HAND_OVER(tag);
        if (grpc_server_request_call(rpc->server, &call->call, &call->details, &call->metadata,
                                     queue->cq, queue->cq, tag) != GRPC_CALL_OK) {
                rpc_call_unref(call);
                return -EINVAL;
        }
        return 0;
}

/* Starts operations whose completion comes to a queue's thread, which then drops the reference. */
static void start(RpcCall *call, const grpc_op *ops, size_t n, RpcOperation operation) {
        RpcTag *tag = &call->tags[operation];

        rpc_call_ref(call);
        RPC_HAND_OVER(tag);
        if (grpc_call_start_batch(call->call, ops, n, tag, NULL) != GRPC_CALL_OK)
                rpc_call_unref(call);
}

static char *slice_to_string(grpc_slice slice) {
        return strndup((const char *) GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
}

/* RFC 6750: the scheme's name has no case; the metadata's key is lower-case by HTTP/2. */
static char *find_bearer(const grpc_metadata_array *metadata) {
        static const char scheme[] = "Bearer ";
        const size_t n = sizeof(scheme) - 1;

        for (size_t i = 0; i < metadata->count; i++) {
                const grpc_metadata *m = &metadata->metadata[i];
                const char *value = (const char *) GRPC_SLICE_START_PTR(m->value);

                if (grpc_slice_str_cmp(m->key, "authorization") == 0 &&
                    GRPC_SLICE_LENGTH(m->value) > n && strncasecmp(value, scheme, n) == 0)
                        return strndup(value + n, GRPC_SLICE_LENGTH(m->value) - n);
        }
        return NULL;
}

static int find_method(const Rpc *rpc, grpc_slice path) {
        for (size_t i = 0; i < rpc->n_methods; i++)
                if (grpc_slice_str_cmp(path, rpc->methods[i].path) == 0)
                        return rpc->methods[i].method;
        return RPC_METHOD_UNKNOWN;
}

/* A connection that was handed over is called "fd:N" by gRPC. */
static int find_fd(grpc_call *call) {
        char *peer = grpc_call_get_peer(call);
        int fd = -1;

        if (!peer || sscanf(peer, "fd:%d", &fd) != 1)
                fd = -1;
        gpr_free(peer);
        return fd;
}

static void on_open(RpcCall *call, bool ok) {
        grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

        if (!ok || !call->call) {
                rpc_call_unref(call);
                return;
        }
        if (!atomic_load(&call->rpc->draining))
                (void) rpc_call_request(call->rpc, call->queue);
        call->method = find_method(call->rpc, call->details.method);
        call->bearer = find_bearer(&call->metadata);
        call->fd = find_fd(call->call);
        op.data.recv_close_on_server.cancelled = &call->cancelled;
        /* Posted first: RPC_OPENED precedes RPC_CLOSED. The first reference becomes the loop's. */
        rpc_call_post(call, RPC_OPENED);
        start(call, &op, 1, OPERATION_CLOSE);
}

/* ---- receiving */

static grpc_op headers_op(void) {
        return (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
}

int rpc_call_receive(RpcCall *call) {
        grpc_op ops[2];
        size_t n = 0;

        if (!call->accepted)
                ops[n++] = headers_op();
        call->accepted = true;
        ops[n++] = (grpc_op){.op = GRPC_OP_RECV_MESSAGE,
                             .data.recv_message.recv_message = &call->incoming};
        start(call, ops, n, OPERATION_RECEIVE);
        return 0;
}

static void on_receive(RpcCall *call, bool ok) {
        grpc_byte_buffer_reader reader;
        bool whole = false;

        if (ok && call->incoming && grpc_byte_buffer_reader_init(&reader, call->incoming)) {
                grpc_slice_unref(call->received);
                call->received = grpc_byte_buffer_reader_readall(&reader);
                grpc_byte_buffer_reader_destroy(&reader);
                whole = true;
        }
        grpc_byte_buffer_destroy(TAKE_PTR(call->incoming));
        rpc_call_post(call, whole ? RPC_RECEIVED : RPC_HALF_CLOSED);
        rpc_call_unref(call);
}

const uint8_t *rpc_call_received(const RpcCall *call, size_t *ret_n) {
        *ret_n = GRPC_SLICE_LENGTH(call->received);
        return GRPC_SLICE_START_PTR(call->received);
}

/* gRPC keeps the encoding to itself, refuses those it knows as it has been told to, and hands over
 * the bytes of all others as if they were the message. The flag that tells them apart, the highest
 * bit, it shows to nobody but its own tests, by a C++ name. A libgrpc without it is believed. */
uint32_t message_flags(grpc_call *call) __asm__(
        "_Z37grpc_call_test_only_get_message_flagsP9grpc_call") __attribute__((weak));

bool rpc_call_is_compressed(const RpcCall *call) {
        return message_flags && message_flags(call->call) >> 31;
}

/* ---- sending */

void rpc_call_set_sender(RpcCall *call, Mailbox *mailbox, MailboxItem *item) {
        call->sender = mailbox;
        call->sender_item = item;
}

static bool prepare_outgoing(RpcCall *call, RpcPayload *const *parts, size_t n) {
        if (!call->outgoing)
                call->outgoing = grpc_raw_byte_buffer_create(NULL, 0);
        if (!call->outgoing)
                return false;
        /* A batch takes the slices and leaves the buffer empty, ready for the next message. */
        for (size_t i = 0; i < n; i++)
                grpc_slice_buffer_add(&call->outgoing->data.raw.slice_buffer,
                                      grpc_slice_ref(parts[i]->slice));
        return true;
}

/* Returns 0 when it went out at once. */
static int send_one(RpcCall *call, RpcPayload *const *parts, size_t n, bool more) {
        RpcTag *tag = &call->tags[OPERATION_SEND];
        grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
        grpc_call_error e;
        void *done = NULL;
        int got, ok = 0;

        if (!prepare_outgoing(call, parts, n))
                return RPC_SEND_BROKEN;
        op.data.send_message.send_message = call->outgoing;
        /* A hinted message stays in gRPC's buffer until one without the hint follows. */
        op.flags = more ? GRPC_WRITE_BUFFER_HINT : 0;
        rpc_call_ref(call);
        RPC_HAND_OVER(tag);
        grpc_completion_queue_thread_local_cache_init(call->queue->cq);
        e = grpc_call_start_batch(call->call, &op, 1, tag, NULL);
        got = grpc_completion_queue_thread_local_cache_flush(call->queue->cq, &done, &ok);
        if (got && done != tag) { /* another operation's, which happened to finish here */
                RPC_TAKE_OVER(done);
                rpc_dispatch(call->rpc, done, ok != 0);
                got = 0;
        }
        if (e != GRPC_CALL_OK) {
                rpc_call_unref(call);
                return RPC_SEND_BROKEN;
        }
        if (!got)
                return RPC_SEND_PENDING;
        RPC_TAKE_OVER(tag);
        rpc_call_unref(call);
        return ok ? 0 : RPC_SEND_BROKEN;
}

int rpc_call_send(RpcCall *call, RpcPayload *const *payloads, size_t n, size_t *ret_taken) {
        int r = 0;
        size_t i = 0;

        while (i < n && r == 0) {
                r = send_one(call, &payloads[i], 1, i + 1 < n);
                i++;
        }
        *ret_taken = i;
        return r;
}

int rpc_call_send_parts(RpcCall *call, RpcPayload *const *parts, size_t n) {
        return send_one(call, parts, n, false);
}

static void on_send(RpcCall *call, bool ok) {
        mailbox_post(call->sender, call->sender_item, ok ? RPC_SENT : RPC_BROKEN);
        rpc_call_unref(call);
}

/* ---- ending */

static grpc_op status_op(RpcCall *call, RpcStatus status, const char *text) {
        grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};

        if (text) {
                call->status_text = grpc_slice_from_copied_string(text);
                op.data.send_status_from_server.status_details = &call->status_text;
        }
        op.data.send_status_from_server.status = (grpc_status_code) status;
        op.data.send_status_from_server.trailing_metadata_count =
                rpc_call_add_details(call, status, text);
        op.data.send_status_from_server.trailing_metadata = &call->trailer;
        return op;
}

void rpc_call_finish(RpcCall *call, RpcStatus status, const char *text) {
        grpc_op ops[2];
        size_t n = 0;

        if (atomic_exchange(&call->finished, true))
                return;
        if (!call->accepted)
                ops[n++] = headers_op();
        ops[n++] = status_op(call, status, text);
        start(call, ops, n, OPERATION_FINISH);
}

void rpc_call_reply(RpcCall *call, const void *bytes, size_t n_bytes, RpcStatus status,
                    const char *text) {
        grpc_slice slice = grpc_slice_from_copied_buffer(bytes, n_bytes);
        grpc_op ops[3];
        size_t n = 0;

        call->outgoing = grpc_raw_byte_buffer_create(&slice, 1);
        grpc_slice_unref(slice);
        if (atomic_exchange(&call->finished, true))
                return;
        if (!call->accepted)
                ops[n++] = headers_op();
        ops[n++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE,
                             .data.send_message.send_message = call->outgoing};
        ops[n++] = status_op(call, status, text);
        start(call, ops, n, OPERATION_FINISH);
}

void rpc_call_cancel(RpcCall *call, RpcStatus status, const char *text) {
        atomic_store(&call->finished, true);
        grpc_call_cancel_with_status(call->call, (grpc_status_code) status, text, NULL);
}

void rpc_call_dispatch(RpcTag *tag, bool ok) {
        RpcCall *call = tag->call;

        switch (tag->operation) {
        case OPERATION_OPEN:
                on_open(call, ok);
                break;
        case OPERATION_CLOSE:
                rpc_call_post(call, RPC_CLOSED);
                rpc_call_unref(call);
                break;
        case OPERATION_RECEIVE:
                on_receive(call, ok);
                break;
        case OPERATION_SEND:
                on_send(call, ok);
                break;
        case OPERATION_FINISH:
        case OPERATIONS:
                rpc_call_unref(call);
                break;
        }
}

/* ---- what the loop asks */

int rpc_call_method(const RpcCall *call) {
        return call->method;
}

const char *rpc_call_bearer(const RpcCall *call) {
        return call->bearer;
}

char *rpc_call_metadata(const RpcCall *call, const char *key) {
        for (size_t i = 0; i < call->metadata.count; i++)
                if (grpc_slice_str_cmp(call->metadata.metadata[i].key, key) == 0)
                        return slice_to_string(call->metadata.metadata[i].value);
        return NULL;
}

int rpc_call_fd(const RpcCall *call) {
        return call->fd;
}

void rpc_call_set_userdata(RpcCall *call, void *userdata) {
        call->userdata = userdata;
}

void *rpc_call_userdata(const RpcCall *call) {
        return call->userdata;
}
