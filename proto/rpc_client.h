/* SPDX-License-Identifier: MIT */
/*
 * The clients' side of gRPC: channels, calls, and their events. Messages are opaque bytes.
 *
 * One thread owns a channel and its calls and makes all the calls below; what happens on the wire
 * reaches it as events, whenever rpc_channel_fd() is readable. A message is received only after the
 * one before it was taken with rpc_channel_next(): a reader that stops reading slows the sender
 * down instead of filling memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"
#include "proto/rpc_status.h"

typedef struct RpcChannel RpcChannel;
typedef struct RpcCall RpcCall;

typedef struct RpcBytes {
        const void *data;
        size_t size;
} RpcBytes;

typedef struct RpcMetadata {
        const char *key; /* lower case */
        const char *value;
} RpcMetadata;

typedef struct RpcCallOptions {
        const RpcMetadata *metadata;
        size_t n_metadata;
        unsigned timeout_ms; /* of the whole call; 0: none */
} RpcCallOptions;

typedef enum RpcEventKind {
        RPC_OPENED,  /* connected, and the call's headers are on their way */
        RPC_MESSAGE, /* data, size: a message has come */
        RPC_SENT,    /* what was sent last has been handed to the kernel: the next may follow */
        RPC_ENDED,   /* status, text, reached: the call's last event */
} RpcEventKind;

typedef struct RpcEvent {
        RpcEventKind kind;
        RpcCall *call;
        uint8_t *data; /* owned by the event */
        size_t size;
        RpcStatus status;
        char *text;   /* owned by the event; from the network, not fit for a terminal as it is */
        bool reached; /* false: there never was a connection, the status is not the server's */
} RpcEvent;

/* How a unary call ended. data is NULL when there was no message in it. */
typedef struct RpcReply {
        RpcStatus status;
        char *text;
        bool reached;
        uint8_t *data;
        size_t size;
} RpcReply;

/* target: "dns:///host:50051", "unix:/path". Connects when there is a call to make. One address
 * that does not answer is given up after attempt_ms (0: gRPC's own 20 s) for the next one. */
int rpc_channel_new(RpcChannel **ret, const char *target, unsigned attempt_ms);
/* All its calls must have been freed. */
RpcChannel *rpc_channel_free(RpcChannel *c);
int rpc_channel_fd(const RpcChannel *c);
/* False when there is no event (left). Whoever takes one calls rpc_event_done() on it. */
bool rpc_channel_next(RpcChannel *c, RpcEvent *ret);
void rpc_event_done(RpcEvent *e);

/* options may be NULL. Metadata that HTTP/2 cannot carry: -EINVAL. */
int rpc_call_new(RpcCall **ret, RpcChannel *c, const char *method, const RpcCallOptions *options);
/* Also when the call has not ended: it is cancelled, and none of its events comes any more. */
RpcCall *rpc_call_free(RpcCall *call);
/* Copies. One at a time: -EBUSY until RPC_SENT was taken. -EPIPE when the call has ended or is
 * closed. */
int rpc_call_send(RpcCall *call, RpcBytes message);
/* Says that nothing more will be sent, after what is being sent now. */
void rpc_call_half_close(RpcCall *call);
/* RPC_ENDED follows. */
void rpc_call_cancel(RpcCall *call);

/* Sends one message and blocks until the answer or the time-out. Events of other calls wait. Fails
 * only for want of memory or bad metadata: whatever the network does is a status in *ret. */
int rpc_unary(RpcReply *ret, RpcChannel *c, const char *method, RpcBytes request,
              const RpcCallOptions *options);
void rpc_reply_done(RpcReply *r);

DEFINE_CLEANUP(RpcChannel *, rpc_channel_free);
DEFINE_CLEANUP(RpcCall *, rpc_call_free);
