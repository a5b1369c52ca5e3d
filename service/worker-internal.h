/* SPDX-License-Identifier: MIT */
/* What worker.c and reader.c share; nobody else may include it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "service/worker.h"

#define WINDOW 64

/* Flags on a reader's item, next to RPC_SENT and RPC_BROKEN. */
enum {
        READER_ATTACH = 1 << 8,
        READER_FINISH = 1 << 9,
        READER_DETACH = 1 << 10,
        READER_PARTS = 1 << 11,
        READER_FED = 1 << 12,
};

/* Flags on the worker's own item. */
enum {
        WORKER_PING = 1 << 0,
        WORKER_QUIT = 1 << 1,
};

typedef struct Part {
        struct Part *next;
        RpcPayload *payload;
} Part;

struct Reader {
        MailboxItem item;
        Worker *worker;
        RpcCall *call;
        Wire wire;
        uint64_t session;
        bool separate;

        /* the worker's, from READER_ATTACH on */
        uint64_t cursor; /* id of the last entry that was sent or left out */
        size_t index;    /* in worker->readers */
        bool busy;       /* a send is out */
        bool dead;       /* nothing will be sent any more */
        bool detached;
        bool finishing;
        bool said_goodbye;
        bool fetching;      /* RPC_BEHIND has been posted */
        RpcPayload *fed;    /* what came of it */
        uint64_t busy_usec; /* when the send that is out was begun */

        /* for both, under worker->parts_lock */
        Part *parts, **parts_end;
        atomic_uint n_parts;
        atomic_bool tell;

        _Atomic uint64_t shown_cursor; /* the cursor, for the loop */

        /* written by the loop before READER_FINISH, READER_FED */
        RpcStatus status;
        char *status_text;
        RpcPayload *goodbye;
        bool flush; /* wait for what is on its way, and for what is there up to: */
        uint64_t flush_to;
        RpcPayload *feed;
        uint64_t fed_to;
};

struct Worker {
        MailboxItem item;
        Mailbox *mailbox;
        Ring *ring;
        pthread_t thread;
        size_t n_attached; /* the loop's count */
        atomic_uint pings, answers;
        _Atomic uint64_t max_lag_age_usec;
        pthread_mutex_t parts_lock; /* a leaf; nothing is called under it */

        /* the thread's */
        Reader **readers;
        size_t n_readers, capacity;
        size_t n_alive; /* readers, and those that are detached and wait for a send to come back */
        bool quitting;
        uint64_t head;   /* of the ring, as the reader found it whose turn it is */
        uint64_t first;  /* the oldest entry there was then */
        uint64_t passed; /* the head when the last pass began */
        bool behind;     /* an idle reader has not reached the head */
        RingEntry *window[WINDOW];
        uint64_t window_after;
        size_t window_n;
        RpcPayload *batch; /* the first batch_n entries of the window as one v1 message */
        size_t batch_n;
};

/* reader.c: on the worker's thread. */
void reader_pump(Reader *r);
/* Posts RPC_LAGGED; nothing more is sent. */
void reader_give_up(Reader *r);
void reader_check_age(Reader *r);
void reader_free(Reader *r);
void window_clear(Worker *w);
