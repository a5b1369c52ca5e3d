/* SPDX-License-Identifier: MIT */
/*
 * A gRPC server as the rest of the daemon sees it: calls that open, receive, send and close. No
 * type of gRPC's appears here, and nothing but the rpc files includes its headers.
 *
 * Everything that happens to a call is posted to the server's mailbox, as flags (RPC_*) on the
 * call's item; what the flags announce is then read off the call. Whoever takes calls from the
 * mailbox is the loop. Sending belongs to one thread per call, whichever called
 * rpc_call_set_sender(), or the loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/mailbox.h"

typedef struct Rpc Rpc;
typedef struct RpcCall RpcCall;
typedef struct RpcPayload RpcPayload; /* an encoded message, ready to be sent to many */

/* gRPC's status codes, by their numbers on the wire. */
typedef enum RpcStatus {
        RPC_OK = 0,
        RPC_INVALID_ARGUMENT = 3,
        RPC_NOT_FOUND = 5,
        RPC_ALREADY_EXISTS = 6,
        RPC_PERMISSION_DENIED = 7,
        RPC_RESOURCE_EXHAUSTED = 8,
        RPC_FAILED_PRECONDITION = 9,
        RPC_ABORTED = 10,
        RPC_UNIMPLEMENTED = 12,
        RPC_INTERNAL = 13,
        RPC_UNAVAILABLE = 14,
        RPC_DATA_LOSS = 15,
        RPC_UNAUTHENTICATED = 16,
} RpcStatus;

/* What can happen to a call, in this order; some are posted by whoever feeds it. */
enum {
        RPC_OPENED = 1 << 0,
        RPC_RECEIVED = 1 << 1,    /* rpc_call_received() has it */
        RPC_HALF_CLOSED = 1 << 2, /* nothing more will be received */
        RPC_TAKEN = 1 << 3,       /* what was waiting to be sent has been taken */
        RPC_BEHIND = 1 << 4,      /* what is to be sent next is not in memory */
        RPC_LAGGED = 1 << 5,      /* it cannot follow */
        RPC_CLOSED = 1 << 6,      /* over, for whatever reason; the last event */
};

/* What is posted to the sender's item. */
enum {
        RPC_SENT = 1 << 0,   /* what was pending is on its way: send on */
        RPC_BROKEN = 1 << 1, /* it is not, and nothing ever will be again */
};

enum {
        RPC_SEND_PENDING = 1, /* the last one taken is on its way: nothing more before RPC_SENT */
        RPC_SEND_BROKEN,      /* the call is over; RPC_CLOSED follows */
};

typedef struct RpcMethod {
        const char *path; /* outlives the server */
        int method;       /* what rpc_call_method() answers; not negative */
} RpcMethod;

typedef struct RpcConfig {
        const RpcMethod *methods;
        size_t n_methods;
        unsigned n_queues; /* completion queues, a thread each */
        unsigned max_frame;
        unsigned max_streams_per_connection;
} RpcConfig;

#define RPC_METHOD_UNKNOWN (-1)

/* Call before any rpc_new(), with all signals blocked. There is no counterpart: gRPC would wait up
 * to ten seconds for a thread of its own that polls for a peer which never read. */
void rpc_library_init(void);

/* Starts serving connections that are handed to it. The mailbox outlives the server. */
int rpc_new(Rpc **ret, const RpcConfig *config, Mailbox *mailbox);
/* Only after rpc_drained(). */
Rpc *rpc_free(Rpc *rpc);

/* Takes a connected socket that is non-blocking; closes it in its own time. */
int rpc_add_connection(Rpc *rpc, int fd);

/* No new calls; tells every peer so. The calls there are have to end by themselves. */
void rpc_drain(Rpc *rpc);
/* Has everything ended? The mailbox is woken when it has. */
bool rpc_drained(const Rpc *rpc);
/* Ends every call there is, now. */
void rpc_cancel_all(Rpc *rpc);

/* A call is kept while an event of it waits, until RPC_CLOSED has been taken, and by references. */
RpcCall *rpc_call_from_item(MailboxItem *item);
RpcCall *rpc_call_ref(RpcCall *call);
RpcCall *rpc_call_unref(RpcCall *call);
/* The loop is done with what it took from the mailbox. */
void rpc_call_taken(RpcCall *call, unsigned events);

int rpc_call_method(const RpcCall *call);
const char *rpc_call_bearer(const RpcCall *call); /* token of the metadata; NULL: none */
/* One value of the metadata, for the caller to free; NULL: there is none. */
char *rpc_call_metadata(const RpcCall *call, const char *key);
int rpc_call_fd(const RpcCall *call); /* the connection's, while the call lives */
void rpc_call_set_userdata(RpcCall *call, void *userdata);
void *rpc_call_userdata(const RpcCall *call);

/* Receiving, on the loop. The first rpc_call_receive() also accepts the call (sends headers). One
 * RPC_RECEIVED or RPC_HALF_CLOSED answers each. */
int rpc_call_receive(RpcCall *call);
const uint8_t *rpc_call_received(const RpcCall *call, size_t *ret_n);

/* Does it say that what was received is compressed? Then the bytes are not the message. */
bool rpc_call_is_compressed(const RpcCall *call);

/* Posts an event as if gRPC had: RPC_TAKEN, RPC_BEHIND, RPC_LAGGED. Any thread. */
void rpc_call_post(RpcCall *call, unsigned events);

/* Sending. The results of sends that do not finish at once are posted to this item. */
void rpc_call_set_sender(RpcCall *call, Mailbox *mailbox, MailboxItem *item);
/* Sends payloads as one burst, as many as can go at once: *ret_taken of them. Outcomes: RPC_SEND_*.
 */
int rpc_call_send(RpcCall *call, RpcPayload *const *payloads, size_t n, size_t *ret_taken);
/* Sends parts as one message. Outcomes: RPC_SEND_*. */
int rpc_call_send_parts(RpcCall *call, RpcPayload *const *parts, size_t n);
/* Answers a unary call: the message, and with it the status. Copies. */
void rpc_call_reply(RpcCall *call, const void *bytes, size_t n, RpcStatus status, const char *text);
/* Calls that end for want of something (RPC_UNAVAILABLE, RPC_RESOURCE_EXHAUSTED) tell their peers
 * to try again after so long. Not in force until it is called, nor for rpc_call_cancel(). */
void rpc_call_set_retry(RpcCall *call, unsigned after_ms);
/* Ends the call in order. No send may be pending. text NULL: none. */
void rpc_call_finish(RpcCall *call, RpcStatus status, const char *text);
/* Ends the call now, whatever is pending. The peer learns the status if its connection can still
 * take it. Any thread. */
void rpc_call_cancel(RpcCall *call, RpcStatus status, const char *text);

/* Copies. */
int rpc_payload_new(RpcPayload **ret, const void *bytes, size_t n);
RpcPayload *rpc_payload_free(RpcPayload *p);
size_t rpc_payload_size(const RpcPayload *p);
const uint8_t *rpc_payload_bytes(const RpcPayload *p);
/* One with the bytes of all. */
int rpc_payload_join(RpcPayload **ret, RpcPayload *const *parts, size_t n);
