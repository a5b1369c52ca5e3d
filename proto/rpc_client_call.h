/* SPDX-License-Identifier: MIT */
/*
 * What rpc_client.c and rpc_client_call.c share and nobody else sees: the channel, the call, and
 * the queue of events between gRPC's thread and the owner's. All of it, and every function here,
 * is under the channel's mutex. No gRPC function calls back into these files, so the mutex may be
 * held across them.
 */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>

#include "proto/rpc_client.h"

typedef enum OpKind {
        OP_OPEN,
        OP_RECEIVE,
        OP_SEND,
        OP_HALF_CLOSE,
        OP_STATUS,
        OP_KINDS,
} OpKind;

/* What gRPC carries through a batch for us. */
typedef struct Op {
        RpcCall *call;
        OpKind kind;
} Op;

/* A call has at most one event of each kind waiting: they need no memory of their own. */
typedef struct Node {
        struct Node *next;
        RpcCall *call;
        RpcEventKind kind;
} Node;

typedef struct Queue {
        Node *head;
        Node **tail;
} Queue;

struct RpcChannel {
        grpc_channel *channel;
        grpc_completion_queue *cq;
        pthread_t thread;
        bool running;
        pthread_mutex_t mutex;
        pthread_cond_t unary; /* something was put into a queue other than events */
        int fd;
        Queue events;
};

struct RpcCall {
        RpcChannel *channel;
        grpc_call *call; /* NULL once the call is over */
        Queue *queue;    /* NULL once the owner has let go of it */
        unsigned pending;
        bool opened;
        bool writing, sending; /* until the batch is back; until RPC_SENT was taken */
        bool closing, closed;  /* when the batch is back; the half-close is under way or done */
        Op ops[OP_KINDS];
        Node nodes[RPC_ENDED + 1];
        grpc_byte_buffer *received;
        uint8_t *data; /* of the RPC_MESSAGE in the queue */
        size_t size;
        grpc_metadata_array initial, trailing;
        grpc_status_code status;
        grpc_slice details;
};

void queue_init(Queue *q);
Node *queue_pop(Queue *q);

/* Takes the mutex itself. */
int call_new(RpcCall **ret, RpcChannel *c, Queue *queue, const char *method,
             const RpcCallOptions *options);
/* A batch has come back, on gRPC's thread. */
void call_op_done(Op *op, bool ok);
/* Fills an event from its call, which keeps nothing of it, and lets the next message come. */
void call_fill_event(RpcCall *call, RpcEventKind kind, RpcEvent *ret);
