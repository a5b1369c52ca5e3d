/* SPDX-License-Identifier: MIT */
/*
 * Fan-out. A worker is a thread that owns a share of the readers; a reader is a session's cursor on
 * the ring, and at most one send in flight. Publishing wakes the workers; each brings its idle
 * readers up to the head. A reader that is busy costs nothing, and takes all that it missed in one
 * go when its send is done.
 *
 * On the v1 protocol a reader also has parts of its own to send, and can be fed with what is not in
 * the ring any more.
 *
 * All functions here are for the loop.
 */
#pragma once

#include "service/ring.h"
#include "service/rpc.h"

typedef struct Worker Worker;
typedef struct Reader Reader;

int worker_new(Worker **ret, Ring *ring);
/* Only without readers. Ends the thread. */
Worker *worker_free(Worker *w);
void worker_wake(Worker *w);
size_t worker_count_readers(const Worker *w);

/* Once a second: asks for a sign of life, and has v1 readers cut off whose send has hung for longer
 * than max_lag_age. Has the last ping been answered? */
void worker_ping(Worker *w, uint64_t max_lag_age_usec);
bool worker_answered(const Worker *w);

#define READER_NOTHING UINT64_MAX

typedef struct ReaderOptions {
        Wire wire;
        uint64_t session;  /* what it sent itself is left out on WIRE_SEED */
        uint64_t after;    /* what follows this is delivered; READER_NOTHING: no message ever */
        RpcPayload *first; /* v1: a part that goes before everything else; taken */
        bool separate;     /* v1: each part is a message of its own */
} ReaderOptions;

/* From here on the sending side of the call is the worker's. */
int reader_new(Reader **ret, Worker *w, RpcCall *call, const ReaderOptions *options);
/* The id of the last message that was sent or left out; may be old already. */
uint64_t reader_cursor(const Reader *r);

/* v1: sends a part besides the messages. Takes it. */
void reader_post(Reader *r, RpcPayload *part);
/* How many of those have not been taken by the worker. With `tell`, RPC_TAKEN is posted when that
 * has changed. */
unsigned reader_waiting(Reader *r, bool tell);
/* v1: what follows the cursor, after RPC_BEHIND; taken. It reaches up to this id; NULL: there is
 * nothing there. */
void reader_feed(Reader *r, RpcPayload *messages, uint64_t up_to);

typedef struct ReaderEnd {
        RpcStatus status;
        const char *text;    /* NULL: none */
        RpcPayload *goodbye; /* v1: a part that goes behind everything else; taken; NULL: none */
        bool flush; /* once everything up to the head of now has been sent; or else at once,
                     * even over a send that hangs */
} ReaderEnd;

/* Ends the call. At most once. */
void reader_finish(Reader *r, const ReaderEnd *end);
/* After RPC_CLOSED. The reader is gone for the caller. */
Reader *reader_detach(Reader *r);
