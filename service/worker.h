/* SPDX-License-Identifier: MIT */
/*
 * Fan-out. A worker is a thread that owns a share of the readers; a reader is a session's cursor on
 * the ring, and at most one send in flight. Publishing wakes the workers; each brings its idle
 * readers up to the head. A reader that is busy costs nothing, and takes all that it missed in one
 * go when its send is done.
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

/* Asks for a sign of life; has the last one been answered? */
void worker_ping(Worker *w);
bool worker_answered(const Worker *w);

/* From here on the sending side of the call is the worker's. Delivers what follows `after`, but for
 * what the session itself sent. */
int reader_new(Reader **ret, Worker *w, RpcCall *call, uint64_t session, uint64_t after);
/* Ends the call: with flush, once everything up to the head of now has been sent; without, at once,
 * even over a send that hangs. At most once. */
int reader_finish(Reader *r, RpcStatus status, const char *text, bool flush);
/* The id of the last message that it was given, or that was its own. */
uint64_t reader_cursor(const Reader *r);
/* After RPC_CLOSED. The reader is gone for the caller. */
Reader *reader_detach(Reader *r);
