/* SPDX-License-Identifier: MIT */
/* What the rpc files share; nobody else may include it. */
#pragma once

#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <pthread.h>
#include <stdatomic.h>

#include "service/rpc.h"

#define RPC_DOORS_MAX 4

/* One per operation that can be outstanding on a call: what comes back from a completion queue. */
typedef enum RpcOperation {
        OPERATION_OPEN,
        OPERATION_CLOSE,
        OPERATION_RECEIVE,
        OPERATION_SEND,
        OPERATION_FINISH,
        OPERATIONS,
} RpcOperation;

typedef struct RpcTag {
        RpcCall *call; /* NULL: the server's own, rpc->drain_tag */
        RpcOperation operation;
} RpcTag;

typedef struct RpcQueue {
        Rpc *rpc;
        grpc_completion_queue *cq;
        pthread_t thread;
        bool started;
} RpcQueue;

struct RpcCall {
        atomic_uint refs;
        Rpc *rpc;
        RpcQueue *queue;
        grpc_call *call;
        RpcTag tags[OPERATIONS];
        MailboxItem item;
        void *userdata;

        /* opening */
        grpc_metadata_array metadata;
        grpc_call_details details;
        int method;
        char *bearer;
        int fd;
        int cancelled;

        /* receiving: the loop's, or a queue thread's between rpc_call_receive() and its event */
        grpc_byte_buffer *incoming;
        grpc_slice received;
        bool accepted;

        /* sending: the sender's */
        grpc_byte_buffer *outgoing;
        Mailbox *sender;
        MailboxItem *sender_item;
        atomic_bool finished; /* a status is on its way, or the call has been cancelled */
        unsigned retry_after_ms;
        grpc_slice status_text, status_details;
        grpc_metadata trailer; /* those details, when they are sent */
};

struct RpcPayload {
        grpc_slice slice;
};

struct Rpc {
        grpc_server *server;
        Mailbox *mailbox;
        RpcMethod *methods;
        size_t n_methods;
        RpcQueue *queues;
        size_t n_queues;
        RpcTag drain_tag;
        atomic_bool draining, drained;
        Mailbox *newcomers; /* connections, on their way to the doors */
        pthread_t doors[RPC_DOORS_MAX];
        size_t n_doors;
        MailboxItem doors_closed;
};

/* ThreadSanitizer does not see the hand-over inside gRPC, which is not instrumented. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define RPC_HAND_OVER(tag) __tsan_release(tag)
#define RPC_TAKE_OVER(tag) __tsan_acquire(tag)
#else
#define RPC_HAND_OVER(tag) ((void) (tag))
#define RPC_TAKE_OVER(tag) ((void) (tag))
#endif

/* rpc.c: whatever came back from a queue. */
void rpc_dispatch(Rpc *rpc, RpcTag *tag, bool ok);

/* rpc-door.c: the threads that hand connections over, as many as asked for or RPC_DOORS_MAX. */
int rpc_doors_open(Rpc *rpc, size_t n);
void rpc_doors_close(Rpc *rpc);

/* rpc-call.c: a call's life as the queue threads see it. */
int rpc_call_request(Rpc *rpc, RpcQueue *queue);
void rpc_call_dispatch(RpcTag *tag, bool ok);

/* rpc-details.c: metadata for the status, in call->trailer. How many; 0: nothing is to be added. */
size_t rpc_call_add_details(RpcCall *call, RpcStatus status, const char *text);
