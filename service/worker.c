/* SPDX-License-Identifier: MIT */
/*
 * A reader's fields belong to the worker's thread from its attachment on; the loop speaks to it
 * through the mailbox only. The worker frees a reader when it is detached and no send of it is out.
 *
 * Readers of one shard mostly stand at the same place, so the entries behind that place are taken
 * from the ring once per pass and kept in the window for all of them.
 */
#include "service/worker.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "proto/base.h"

#define WINDOW 64

/* Flags on a reader's item, next to RPC_SENT and RPC_BROKEN. */
enum {
        READER_ATTACH = 1 << 8,
        READER_FINISH = 1 << 9,
        READER_DETACH = 1 << 10,
};

/* Flags on the worker's own item. */
enum {
        WORKER_PING = 1 << 0,
        WORKER_QUIT = 1 << 1,
};

struct Reader {
        MailboxItem item;
        Worker *worker;
        RpcCall *call;
        uint64_t session;
        uint64_t cursor;               /* id of the last entry that was sent or skipped */
        _Atomic uint64_t shown_cursor; /* the same, for the loop */
        size_t index;                  /* in worker->readers */
        bool busy;                     /* a send is out */
        bool dead;                     /* nothing will be sent any more */
        bool detached;
        bool finishing;

        /* written by the loop before READER_FINISH */
        RpcStatus status;
        char *status_text;
        uint64_t flush_to; /* 0: do not wait */
};

struct Worker {
        MailboxItem item;
        Mailbox *mailbox;
        Ring *ring;
        pthread_t thread;
        size_t n_attached; /* the loop's count */
        atomic_uint pings, answers;

        /* the thread's */
        Reader **readers;
        size_t n_readers, capacity;
        uint64_t head;  /* what this pass goes up to */
        uint64_t first; /* the oldest entry there was when it began */
        bool behind;    /* an idle reader has not reached it */
        RingEntry *window[WINDOW];
        uint64_t window_after;
        size_t window_n;
};

static void window_clear(Worker *w) {
        for (size_t i = 0; i < w->window_n; i++)
                ring_entry_unref(w->window[i]);
        w->window_n = 0;
}

/* Fills the window with what follows the cursor, unless it is there already. */
static int window_fill(Worker *w, uint64_t cursor) {
        size_t n = w->head - cursor < WINDOW ? w->head - cursor : WINDOW;

        if (w->window_n == n && w->window_after == cursor)
                return 0;
        window_clear(w);
        w->window_after = cursor;
        return ring_read(w->ring, cursor, w->window, n, &w->window_n);
}

/* Sends the window to a reader, without what it sent itself. */
static int send_window(Worker *w, Reader *r) {
        RpcPayload *payloads[WINDOW];
        uint64_t ids[WINDOW];
        size_t n = 0, taken = 0;
        int result = 0;

        for (size_t i = 0; i < w->window_n; i++) {
                if (w->window[i]->session == r->session)
                        continue;
                ids[n] = w->window[i]->id;
                payloads[n++] = w->window[i]->payload;
        }
        if (n > 0)
                result = rpc_call_send(r->call, payloads, n, &taken);
        r->cursor = taken < n ? ids[taken] - 1 : w->window_after + w->window_n;
        atomic_store_explicit(&r->shown_cursor, r->cursor, memory_order_relaxed);
        return result;
}

static void finish_if_due(Reader *r) {
        if (!r->finishing)
                return;
        if (r->dead || (r->busy && r->flush_to == 0)) {
                rpc_call_cancel(r->call, r->status, r->status_text);
                r->dead = true;
        } else if (!r->busy && r->cursor >= r->flush_to) {
                rpc_call_finish(r->call, r->status, r->status_text);
                r->dead = true;
        }
}

static void give_up(Reader *r) {
        r->dead = true;
        rpc_call_post(r->call, RPC_LAGGED);
}

static void step(Worker *w, Reader *r) {
        int result;

        if (window_fill(w, r->cursor) != 0) {
                give_up(r);
                return;
        }
        result = send_window(w, r);
        r->busy = result == RPC_SEND_PENDING;
        r->dead = result == RPC_SEND_BROKEN;
}

/* One batch at most, so that no reader keeps the others waiting. */
static void pump(Worker *w, Reader *r) {
        if (!r->busy && !r->dead && r->cursor < w->head)
                step(w, r);
        else if (r->busy && !r->dead && r->cursor + 1 < w->first)
                give_up(r); /* its send hangs, and what it needs next is gone */
        finish_if_due(r);
        if (!r->busy && !r->dead && r->cursor < w->head)
                w->behind = true;
}

static void attach(Worker *w, Reader *r) {
        if (w->n_readers == w->capacity) {
                size_t capacity = w->capacity ? w->capacity * 2 : 64;
                Reader **readers = realloc(w->readers, capacity * sizeof(*readers));

                if (!readers) {
                        give_up(r);
                        return;
                }
                w->readers = readers;
                w->capacity = capacity;
        }
        r->index = w->n_readers;
        w->readers[w->n_readers++] = r;
}

static void reader_free(Reader *r) {
        rpc_call_unref(r->call);
        free(r->status_text);
        free(r);
}

static void detach(Worker *w, Reader *r) {
        if (r->index < w->n_readers && w->readers[r->index] == r) {
                w->readers[r->index] = w->readers[--w->n_readers];
                w->readers[r->index]->index = r->index;
        }
        r->detached = true;
        r->dead = true;
}

static void handle(Worker *w, Reader *r, unsigned flags) {
        if (flags & READER_ATTACH)
                attach(w, r);
        if (flags & (RPC_SENT | RPC_BROKEN))
                r->busy = false;
        if (flags & RPC_BROKEN)
                r->dead = true;
        if (flags & READER_FINISH)
                r->finishing = true;
        if (flags & READER_DETACH)
                detach(w, r);
        if (!r->detached)
                pump(w, r);
        else if (!r->busy)
                reader_free(r);
}

static void pass(Worker *w) {
        w->behind = false;
        for (size_t i = 0; i < w->n_readers; i++)
                pump(w, w->readers[i]);
}

static void *worker_thread(void *userdata) {
        Worker *w = userdata;
        MailboxItem *item;
        unsigned flags;

        for (;;) {
                uint64_t head;

                if (!w->behind)
                        mailbox_wait(w->mailbox);
                while ((item = mailbox_take(w->mailbox, &flags))) {
                        if (item != &w->item)
                                handle(w, CONTAINER_OF(item, Reader, item), flags);
                        else if (flags & WORKER_QUIT)
                                return NULL;
                        else
                                atomic_store(&w->answers, atomic_load(&w->pings));
                }
                head = ring_head(w->ring);
                if (head != w->head || w->behind) {
                        w->head = head;
                        w->first = ring_first(w->ring);
                        pass(w);
                        if (!w->behind)
                                window_clear(w);
                }
        }
}

int worker_new(Worker **ret, Ring *ring) {
        _cleanup_(freep) Worker *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->ring = ring;
        w->head = ring_head(ring);
        r = mailbox_new(&w->mailbox);
        if (r != 0)
                return r;
        r = -pthread_create(&w->thread, NULL, worker_thread, w);
        if (r != 0) {
                mailbox_free(w->mailbox);
                return r;
        }
        *ret = TAKE_PTR(w);
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        mailbox_post(w->mailbox, &w->item, WORKER_QUIT);
        pthread_join(w->thread, NULL);
        assert(w->n_readers == 0);
        window_clear(w);
        mailbox_free(w->mailbox);
        free(w->readers);
        free(w);
        return NULL;
}

void worker_wake(Worker *w) {
        mailbox_wake(w->mailbox);
}

size_t worker_count_readers(const Worker *w) {
        return w->n_attached;
}

void worker_ping(Worker *w) {
        atomic_fetch_add(&w->pings, 1);
        mailbox_post(w->mailbox, &w->item, WORKER_PING);
}

bool worker_answered(const Worker *w) {
        return atomic_load(&w->answers) == atomic_load(&w->pings);
}

int reader_new(Reader **ret, Worker *w, RpcCall *call, uint64_t session, uint64_t after) {
        Reader *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->worker = w;
        r->call = rpc_call_ref(call);
        r->session = session;
        r->cursor = after;
        atomic_init(&r->shown_cursor, after);
        r->index = SIZE_MAX;
        rpc_call_set_sender(call, w->mailbox, &r->item);
        w->n_attached++;
        mailbox_post(w->mailbox, &r->item, READER_ATTACH);
        *ret = r;
        return 0;
}

int reader_finish(Reader *r, RpcStatus status, const char *text, bool flush) {
        r->status = status;
        r->status_text = text ? strdup(text) : NULL;
        r->flush_to = flush ? ring_head(r->worker->ring) : 0;
        mailbox_post(r->worker->mailbox, &r->item, READER_FINISH);
        return 0;
}

uint64_t reader_cursor(const Reader *r) {
        return atomic_load_explicit(&r->shown_cursor, memory_order_relaxed);
}

Reader *reader_detach(Reader *r) {
        if (!r)
                return NULL;
        r->worker->n_attached--;
        mailbox_post(r->worker->mailbox, &r->item, READER_DETACH);
        return NULL;
}
