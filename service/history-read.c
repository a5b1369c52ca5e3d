/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the log besides writing: what somebody missed that is not in memory any more,
 * and to drop what need not be kept.
 */
#include "proto/base.h"
#include "service/history-internal.h"
#include "service/journal.h"
#include "service/message.h"

#define FETCH_MESSAGES 256
/* Little, because it is held until it has been read: by whoever opens a session, for as long as
 * max_lag_age, on each stream that one may have. */
#define FETCH_BYTES (64 * 1024)
#define READING_MAX 4
#define TRIM_ROWS 500
/* Whoever is refused comes back and asks again: of complaints a few at once, then one a minute. */
#define COMPLAINTS 3
#define COMPLAINTS_PER_SECOND (1 / 60.0)

static void run_fetch(StoreRequest *request) {
        Fetch *f = CONTAINER_OF(request, Fetch, request);
        LogMessage *messages = NULL;
        size_t n = 0;
        LogRange range = {f->after, FETCH_MESSAGES, FETCH_BYTES};
        uint64_t head = log_head(f->history->log);

        f->result = log_read(f->history->log, &range, &messages, &n);
        if (f->result == 0)
                f->result = message_encode_batch(&f->payload, messages, n, f->after, head);
        f->up_to = n > 0 ? messages[n - 1].id : head;
        log_messages_free(messages, n);
}

/* Few at a time: what is to be written does not wait behind many who read. */
static void read_next(History *h) {
        while (h->waiting && h->n_reading < READING_MAX) {
                Fetch *f = h->waiting;

                h->waiting = f->next;
                if (!h->waiting)
                        h->waiting_end = &h->waiting;
                if (!f->stream) {
                        free(f);
                        continue;
                }
                h->n_reading++;
                store_submit(h->store, &f->request);
        }
}

static void complain(History *h, int result) {
        if (bucket_take(&h->complaints, COMPLAINTS, COMPLAINTS_PER_SECOND,
                        service_now_usec(h->service)) == 0)
                log_errno(result, "Cannot read the log of messages");
}

static void on_fetched(StoreRequest *request) {
        Fetch *f = CONTAINER_OF(request, Fetch, request);
        History *h = f->history;

        if (f->stream)
                f->stream->fetch = NULL;
        if (f->stream && f->result == 0)
                reader_feed(f->stream->reader, TAKE_PTR(f->payload), f->up_to);
        else if (f->stream) {
                complain(h, f->result);
                stream_end(f->stream, RPC_UNAVAILABLE, "The history cannot be read.", false);
        }
        rpc_payload_free(f->payload);
        free(f);
        h->n_reading--;
        read_next(h);
}

int history_fetch(History *h, Stream *s) {
        Fetch *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->request.run = run_fetch;
        f->request.done = on_fetched;
        f->history = h;
        f->stream = s;
        f->after = reader_cursor(s->reader);
        s->fetch = f;
        *h->waiting_end = f;
        h->waiting_end = &f->next;
        read_next(h);
        return 0;
}

void history_forget(History *h, Stream *s) {
        if (s->fetch)
                s->fetch->stream = NULL;
        for (size_t k = 0; s->n_posts > 0 && k < ELEMENTS(h->groups); k++)
                for (size_t i = 0; i < h->groups[k].n; i++)
                        if (h->groups[k].senders[i] == s)
                                h->groups[k].senders[i] = NULL;
}

/* ---- keeping */

static void run_trim(StoreRequest *request) {
        Trim *t = CONTAINER_OF(request, Trim, request);

        if (log_trim(t->history->log, t->now_ms, TRIM_ROWS, &t->more) != 0)
                t->more = false;
        t->first = log_first(t->history->log);
}

static void on_trimmed(StoreRequest *request) {
        Trim *t = CONTAINER_OF(request, Trim, request);
        History *h = t->history;

        t->running = false;
        h->first = t->first;
        if (t->more && !h->service->draining)
                history_tick(h);
}

void history_init_trim(History *h) {
        h->trim.history = h;
        h->trim.request.run = run_trim;
        h->trim.request.done = on_trimmed;
}

void history_tick(History *h) {
        if (h->trim.running)
                return;
        h->trim.running = true;
        h->trim.now_ms = service_now_ms();
        store_submit(h->store, &h->trim.request);
}

static void run_configure(StoreRequest *request) {
        Configure *c = CONTAINER_OF(request, Configure, request);

        log_configure(c->history->log, &c->options);
}

static void on_configured(StoreRequest *request) {
        free(CONTAINER_OF(request, Configure, request));
}

void history_configure(History *h) {
        Configure *c = calloc(1, sizeof(*c));

        if (!c) {
                log_warning("Out of memory: [history] stays as it was");
                return;
        }
        c->request.run = run_configure;
        c->request.done = on_configured;
        c->history = h;
        c->options = history_log_options(h);
        store_submit(h->store, &c->request);
}
