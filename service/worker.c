/* SPDX-License-Identifier: MIT */
/*
 * The worker's thread, and the loop's side of it. A reader's fields belong to the thread from its
 * attachment on; the loop speaks to it through the mailbox only. The thread frees a reader when it
 * is detached and no send of it is out.
 */
#include <assert.h>
#include <sched.h>
#include <string.h>

#include "proto/base.h"
#include "service/worker-internal.h"

#define READERS_PER_TURN 32

static void attach(Worker *w, Reader *r) {
        if (w->n_readers == w->capacity) {
                size_t capacity = w->capacity ? w->capacity * 2 : 64;
                Reader **readers = realloc(w->readers, capacity * sizeof(*readers));

                if (!readers) {
                        reader_give_up(r);
                        return;
                }
                w->readers = readers;
                w->capacity = capacity;
        }
        r->index = w->n_readers;
        w->readers[w->n_readers++] = r;
}

static void detach(Worker *w, Reader *r) {
        if (r->index < w->n_readers && w->readers[r->index] == r) {
                w->readers[r->index] = w->readers[--w->n_readers];
                w->readers[r->index]->index = r->index;
        }
        r->detached = true;
        r->dead = true;
}

static void take_feed(Reader *r) {
        r->fed = TAKE_PTR(r->feed);
        r->fetching = false;
        if (!r->fed && r->cursor < r->fed_to)
                r->cursor = r->fed_to;
}

static void handle(Worker *w, Reader *r, unsigned flags) {
        if (flags & READER_ATTACH) {
                w->n_alive++;
                attach(w, r);
        }
        if (flags & (RPC_SENT | RPC_BROKEN))
                r->busy = false;
        if (flags & RPC_BROKEN)
                r->dead = true;
        if (flags & READER_FINISH)
                r->finishing = true;
        if (flags & READER_FED)
                take_feed(r);
        if (flags & READER_DETACH)
                detach(w, r);
        if (!r->detached)
                reader_pump(r);
        else if (!r->busy) {
                reader_free(r);
                w->n_alive--;
        }
}

/* What is published meanwhile goes to those whose turn comes later, and to the others in the next
 * pass: a burst costs most of them one send. That is worth more than the processor: the threads
 * that bring the rest of the burst are let through in between. */
static void pass(Worker *w) {
        w->behind = false;
        w->passed = ring_head(w->ring);
        for (size_t i = 0; i < w->n_readers; i++) {
                reader_pump(w->readers[i]);
                if (i % READERS_PER_TURN == READERS_PER_TURN - 1)
                        (void) sched_yield();
        }
}

static void answer(Worker *w) {
        for (size_t i = 0; i < w->n_readers; i++)
                reader_check_age(w->readers[i]);
        atomic_store(&w->answers, atomic_load(&w->pings));
}

static void *worker_thread(void *userdata) {
        Worker *w = userdata;
        MailboxItem *item;
        unsigned flags;

        for (;;) {
                if (w->quitting && w->n_alive == 0)
                        return NULL;
                if (!w->behind)
                        mailbox_wait(w->mailbox);
                while ((item = mailbox_take(w->mailbox, &flags))) {
                        if (item != &w->item)
                                handle(w, CONTAINER_OF(item, Reader, item), flags);
                        else if (flags & WORKER_QUIT)
                                w->quitting = true;
                        else
                                answer(w);
                }
                if (w->behind || w->passed != ring_head(w->ring)) {
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
        w->passed = ring_head(ring);
        pthread_mutex_init(&w->parts_lock, NULL);
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
        /* A send that is out comes back to the mailbox, which cannot go before that. */
        mailbox_post(w->mailbox, &w->item, WORKER_QUIT);
        pthread_join(w->thread, NULL);
        assert(w->n_readers == 0);
        window_clear(w);
        mailbox_free(w->mailbox);
        pthread_mutex_destroy(&w->parts_lock);
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

void worker_ping(Worker *w, uint64_t max_lag_age_usec) {
        atomic_store(&w->max_lag_age_usec, max_lag_age_usec);
        atomic_fetch_add(&w->pings, 1);
        mailbox_post(w->mailbox, &w->item, WORKER_PING);
}

bool worker_answered(const Worker *w) {
        return atomic_load(&w->answers) == atomic_load(&w->pings);
}

/* ---- readers, from the loop */

static bool append_part(Reader *r, RpcPayload *payload) {
        Part *part = malloc(sizeof(*part));

        if (!part) {
                rpc_payload_free(payload);
                return false;
        }
        *part = (Part){NULL, payload};
        pthread_mutex_lock(&r->worker->parts_lock);
        *r->parts_end = part;
        r->parts_end = &part->next;
        atomic_fetch_add(&r->n_parts, 1);
        pthread_mutex_unlock(&r->worker->parts_lock);
        return true;
}

int reader_new(Reader **ret, Worker *w, RpcCall *call, const ReaderOptions *options) {
        Reader *r = calloc(1, sizeof(*r));

        if (!r) {
                rpc_payload_free(options->first);
                return -ENOMEM;
        }
        r->worker = w;
        r->call = rpc_call_ref(call);
        r->wire = options->wire;
        r->session = options->session;
        r->separate = options->separate;
        r->cursor = options->after;
        atomic_init(&r->shown_cursor, options->after);
        r->index = SIZE_MAX;
        r->parts_end = &r->parts;
        if (options->first && !append_part(r, options->first)) {
                reader_free(r);
                return -ENOMEM;
        }
        rpc_call_set_sender(call, w->mailbox, &r->item);
        w->n_attached++;
        mailbox_post(w->mailbox, &r->item, READER_ATTACH);
        *ret = r;
        return 0;
}

uint64_t reader_cursor(const Reader *r) {
        return atomic_load_explicit(&r->shown_cursor, memory_order_relaxed);
}

void reader_post(Reader *r, RpcPayload *part) {
        if (append_part(r, part))
                mailbox_post(r->worker->mailbox, &r->item, READER_PARTS);
}

unsigned reader_waiting(Reader *r, bool tell) {
        atomic_store(&r->tell, tell);
        return atomic_load(&r->n_parts);
}

void reader_feed(Reader *r, RpcPayload *messages, uint64_t up_to) {
        r->feed = messages;
        r->fed_to = up_to;
        mailbox_post(r->worker->mailbox, &r->item, READER_FED);
}

void reader_finish(Reader *r, const ReaderEnd *end) {
        r->status = end->status;
        r->status_text = end->text ? strdup(end->text) : NULL;
        r->goodbye = end->goodbye;
        r->flush = end->flush;
        r->flush_to = end->flush ? ring_head(r->worker->ring) : 0;
        mailbox_post(r->worker->mailbox, &r->item, READER_FINISH);
}

Reader *reader_detach(Reader *r) {
        if (!r)
                return NULL;
        r->worker->n_attached--;
        mailbox_post(r->worker->mailbox, &r->item, READER_DETACH);
        return NULL;
}
