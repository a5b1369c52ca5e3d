/* SPDX-License-Identifier: MIT */
/*
 * What one reader is sent, on its worker's thread.
 *
 * Readers of one shard mostly stand at the same place, so the entries behind that place are taken
 * from the ring once and kept in the window for all of them; and since every v1 session is
 * sent the same messages in the same form, they are joined once, too.
 */
#include <time.h>

#include "proto/base.h"
#include "service/worker-internal.h"

/* Each reader that stands at a place of its own, and does not read, holds so much. */
#define BATCH_BYTES (64 * 1024)
#define PARTS_PER_SEND 32

static uint64_t now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* ---- the window */

void window_clear(Worker *w) {
        for (size_t i = 0; i < w->window_n; i++)
                ring_entry_unref(w->window[i]);
        w->window_n = 0;
        w->batch = rpc_payload_free(w->batch);
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

static int window_join(Worker *w) {
        RpcPayload *payloads[WINDOW];
        size_t n = 0, bytes = 0;

        if (w->batch)
                return 0;
        for (; n < w->window_n; n++) {
                payloads[n] = w->window[n]->payloads[WIRE_V1];
                bytes += rpc_payload_size(payloads[n]);
                if (n > 0 && bytes > BATCH_BYTES)
                        break;
        }
        w->batch_n = n;
        return rpc_payload_join(&w->batch, payloads, n);
}

/* ---- sending */

void reader_give_up(Reader *r) {
        r->dead = true;
        rpc_call_post(r->call, RPC_LAGGED);
}

static void settle(Reader *r, int result) {
        r->busy = result == RPC_SEND_PENDING;
        r->dead = result == RPC_SEND_BROKEN;
        if (r->busy)
                r->busy_usec = now_usec();
        atomic_store_explicit(&r->shown_cursor, r->cursor, memory_order_relaxed);
}

static void send_seed(Worker *w, Reader *r) {
        RpcPayload *payloads[WINDOW];
        uint64_t ids[WINDOW];
        size_t n = 0, taken = 0;
        int result = 0;

        if (window_fill(w, r->cursor) != 0) {
                reader_give_up(r);
                return;
        }
        for (size_t i = 0; i < w->window_n; i++) {
                if (w->window[i]->session == r->session)
                        continue;
                ids[n] = w->window[i]->id;
                payloads[n++] = w->window[i]->payloads[WIRE_SEED];
        }
        if (n > 0)
                result = rpc_call_send(r->call, payloads, n, &taken);
        r->cursor = taken < n ? ids[taken] - 1 : w->window_after + w->window_n;
        settle(r, result);
}

static Part *take_parts(Reader *r) {
        size_t most = r->separate ? 1 : PARTS_PER_SEND;
        Part *parts, **end = &parts;

        pthread_mutex_lock(&r->worker->parts_lock);
        parts = r->parts;
        for (size_t n = 0; *end && n < most; n++) {
                end = &(*end)->next;
                atomic_fetch_sub(&r->n_parts, 1);
        }
        r->parts = *end;
        if (!r->parts)
                r->parts_end = &r->parts;
        *end = NULL;
        pthread_mutex_unlock(&r->worker->parts_lock);
        if (parts && atomic_exchange(&r->tell, false))
                rpc_call_post(r->call, RPC_TAKEN);
        return parts;
}

static void parts_free(Part *part) {
        while (part) {
                Part *next = part->next;

                rpc_payload_free(part->payload);
                free(part);
                part = next;
        }
}

/* The messages that are next: NULL, *ret_to unchanged, when there are none at hand. */
static RpcPayload *next_messages(Worker *w, Reader *r, uint64_t *ret_to) {
        if (r->fed) {
                *ret_to = r->fed_to;
                return r->fed;
        }
        if (r->fetching || r->cursor >= w->head)
                return NULL;
        if (r->cursor + 1 < w->first || window_fill(w, r->cursor) != 0) {
                r->fetching = true;
                rpc_call_post(r->call, RPC_BEHIND);
                return NULL;
        }
        if (window_join(w) != 0)
                return NULL;
        *ret_to = r->cursor + w->batch_n;
        return w->batch;
}

/* Parts first: a welcome comes before the first message, and a gap before what follows it. */
static void send_v1(Worker *w, Reader *r) {
        RpcPayload *payloads[PARTS_PER_SEND + 1], *messages;
        Part *parts = take_parts(r);
        uint64_t to = r->cursor;
        size_t n = 0;

        for (Part *part = parts; part; part = part->next)
                payloads[n++] = part->payload;
        messages = next_messages(w, r, &to);
        if (messages)
                payloads[n++] = messages;
        r->cursor = to;
        settle(r, n > 0 ? rpc_call_send_parts(r->call, payloads, n) : 0);
        if (messages && messages == r->fed)
                r->fed = rpc_payload_free(r->fed);
        parts_free(parts);
}

/* ---- the end */

static bool flushed(const Reader *r) {
        return r->cursor >= r->flush_to && atomic_load(&r->n_parts) == 0;
}

static void cancel(Reader *r) {
        rpc_call_cancel(r->call, r->status, r->status_text);
        r->dead = true;
}

static void finish(Reader *r) {
        if (r->goodbye) {
                r->said_goodbye = true;
                settle(r, rpc_call_send_parts(r->call, &r->goodbye, 1));
                r->goodbye = rpc_payload_free(r->goodbye);
                if (r->busy || r->dead)
                        return;
        }
        rpc_call_finish(r->call, r->status, r->status_text);
        r->dead = true;
}

/* A dead one has nothing left to end: its call is over, or the loop is about to cut it off and says
 * why; the status of an orderly end, behind what it was not sent, would be a lie. */
static void finish_if_due(Reader *r) {
        if (!r->finishing || r->dead)
                return;
        if (r->busy && !r->flush && !r->said_goodbye)
                cancel(r);
        else if (!r->busy && flushed(r))
                finish(r);
}

static bool has_work(const Worker *w, const Reader *r) {
        if (r->busy || r->dead || r->said_goodbye)
                return false;
        if (r->wire == WIRE_SEED)
                return r->cursor < w->head;
        return atomic_load(&r->n_parts) > 0 || r->fed || (r->cursor < w->head && !r->fetching);
}

/* One batch at most, so that no reader keeps the others waiting. */
void reader_pump(Reader *r) {
        Worker *w = r->worker;

        w->head = ring_head(w->ring);
        w->first = ring_first(w->ring);
        if (has_work(w, r))
                r->wire == WIRE_SEED ? send_seed(w, r) : send_v1(w, r);
        else if (r->busy && !r->dead && r->wire == WIRE_SEED && r->cursor + 1 < w->first)
                reader_give_up(r); /* its send hangs, and what it needs next is gone */
        finish_if_due(r);
        if (has_work(w, r))
                w->behind = true;
}

void reader_check_age(Reader *r) {
        if (r->wire == WIRE_V1 && r->busy && !r->dead &&
            now_usec() - r->busy_usec > atomic_load(&r->worker->max_lag_age_usec))
                reader_give_up(r);
}

void reader_free(Reader *r) {
        parts_free(r->parts);
        rpc_payload_free(r->fed);
        rpc_payload_free(r->feed);
        rpc_payload_free(r->goodbye);
        rpc_call_unref(r->call);
        free(r->status_text);
        free(r);
}
