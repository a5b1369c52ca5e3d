/* SPDX-License-Identifier: MIT */
/*
 * Two groups of messages: one that is being written, one that fills meanwhile. The log assigns the
 * ids; the ring's are the same, because everything that is in the log is published, in its order.
 */
#include "service/history.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-id128.h>

#include "proto/base.h"
#include "service/drain.h"
#include "service/history-internal.h"
#include "service/journal.h"
#include "service/message.h"
#include "service/service.h"

#define COMPLETIONS_PER_DISPATCH 16
#define FILL_MESSAGES 256
#define FILL_BYTES (512 * 1024)

static Room *room(const History *h) {
        return h->service->room;
}

/* ---- publishing */

static void payload_free(void *payload) {
        rpc_payload_free(payload);
}

/* What is in the log has to be in the ring: there is no way back from here. */
static void publish(History *h, const LogMessage *m, uint64_t session) {
        RpcPayload *payloads[WIRES];
        RingEntry *entry;
        uint64_t id;

        if (message_encode(payloads, m) != 0 ||
            ring_entry_new(&entry, (void **) payloads, payload_free,
                           2 * m->n_text + sizeof(*entry)) != 0) {
                log_error("Out of memory");
                abort();
        }
        entry->session = session;
        entry->time_ms = m->time_ms;
        id = room_publish(room(h), entry);
        assert(id == m->id);
        (void) id;
}

/* ---- writing */

static void group_clear(Group *g) {
        for (size_t i = 0; i < g->n; i++) {
                free(g->messages[i].user);
                free(g->messages[i].text);
        }
        g->n = 0;
}

static int group_grow(Group *g) {
        size_t capacity = g->capacity ? 2 * g->capacity : 64;
        LogMessage *messages = realloc(g->messages, capacity * sizeof(*messages));
        Stream **senders = NULL;
        uint64_t *sessions;

        if (messages) {
                g->messages = messages;
                senders = realloc(g->senders, capacity * sizeof(*senders));
        }
        if (!senders)
                return -ENOMEM;
        g->senders = senders;
        sessions = realloc(g->sessions, capacity * sizeof(*sessions));
        if (!sessions)
                return -ENOMEM;
        g->sessions = sessions;
        g->capacity = capacity;
        return 0;
}

static void run_group(StoreRequest *request) {
        Group *g = CONTAINER_OF(request, Group, request);

        g->result = log_append(g->history->log, g->messages, g->n);
}

static void write_next(History *h);

/* What was found damaged is set aside when it is opened the next time: that has to be soon. */
static void start_over(History *h) {
        log_error("The log of messages is damaged: starting over with a new one");
        h->service->failed = true;
        drain_start(h->service);
}

static void report(History *h, int result) {
        if (result == -EUCLEAN && !h->service->failed)
                start_over(h);
        if (result < 0 && h->last_result != result)
                log_errno(result, "Cannot write the log of messages; senders are refused");
        else if (result == 0 && h->last_result < 0)
                log_info("The log of messages can be written again");
        h->last_result = result;
}

static void on_written(StoreRequest *request) {
        Group *g = CONTAINER_OF(request, Group, request);
        History *h = g->history;

        h->writing = NULL;
        report(h, g->result);
        for (size_t i = 0; g->result == 0 && i < g->n; i++)
                if (g->messages[i].result == LOG_APPENDED)
                        publish(h, &g->messages[i], g->sessions[i]);
        if (g->result == 0)
                service_wake_workers(h->service);
        for (size_t i = 0; i < g->n; i++) {
                Stream *s = g->senders[i];

                if (!s)
                        continue;
                s->n_posts--;
                s->protocol->posted(s, &g->messages[i], g->result);
        }
        group_clear(g);
        write_next(h);
        drain_advance(h->service);
}

static void write_next(History *h) {
        if (h->writing || h->filling->n == 0)
                return;
        h->writing = h->filling;
        h->filling = h->filling == &h->groups[0] ? &h->groups[1] : &h->groups[0];
        store_submit(h->store, &h->writing->request);
}

/* Whose message it is and what he calls it, in a form that nothing else can have. */
static int make_key(uint8_t ret[static LOG_KEY_BYTES], const Draft *d, const char *user) {
        char text[NAME_MAX_BYTES + LOG_CLIENT_ID_MAX + TOKEN_HASH_BYTES * 2 + 4];
        char hash[TOKEN_HASH_BYTES * 2 + 1];
        TokenHash key;
        int r;

        token_hash_format(d->token, hash);
        snprintf(text, sizeof(text), "%s\n%s\n%s", hash, user, d->client_id);
        r = token_hash_secret(&key, text, strlen(text));
        memcpy(ret, key.bytes, LOG_KEY_BYTES);
        return r;
}

static int fill_in(LogMessage *m, const Draft *d, int64_t time_ms) {
        *m = (LogMessage){.time_ms = time_ms, .n_text = d->n_text};
        if (d->client_id) {
                snprintf(m->client_id, sizeof(m->client_id), "%s", d->client_id);
                m->has_key = true;
                if (make_key(m->key, d, d->user) != 0)
                        return -EINVAL;
        }
        m->user = strdup(d->user);
        m->text = malloc(d->n_text + 1);
        if (!m->user || !m->text) {
                free(m->user);
                free(m->text);
                return -ENOMEM;
        }
        memcpy(m->text, d->text, d->n_text);
        m->text[d->n_text] = '\0';
        return 0;
}

int history_post(History *h, Stream *s, const Draft *draft) {
        Group *g = h->filling;
        int r = 0;

        if (g->n == g->capacity)
                r = group_grow(g);
        if (r == 0)
                r = fill_in(&g->messages[g->n], draft, room_stamp(room(h), service_now_ms()));
        if (r != 0)
                return r;
        g->senders[g->n] = s;
        g->sessions[g->n] = s->session.id;
        g->n++;
        s->n_posts++;
        write_next(h);
        return 0;
}

/* ---- beginning and end */

LogOptions history_log_options(const History *h) {
        const Config *c = h->service->config;

        return (LogOptions){.full_sync = c->history_sync == HISTORY_SYNC_FULL,
                            .keep_messages = c->history_keep_messages,
                            .keep_ms = c->history_keep_days * INT64_C(86400000),
                            .keep_bytes = c->history_keep_bytes,
                            .boot_id = h->boot_id};
}

/* The service's sandbox hides the kernel's own word for it, so that the unit passes it. */
static void find_boot(History *h) {
        const char *passed = getenv("CHATROOM_BOOT_ID");
        sd_id128_t boot;

        if ((passed ? sd_id128_from_string(passed, &boot) : sd_id128_get_boot(&boot)) >= 0)
                sd_id128_to_string(boot, h->boot_id);
}

static int open_log(History *h) {
        const char *directory = h->service->state_directory;
        LogError error = {""};
        LogOptions options;
        int r;

        find_boot(h);
        options = history_log_options(h);
        if (!h->service->config->history_enabled)
                directory = NULL;
        else if (!directory)
                log_warning("There is no state directory: the history ends with the process");
        r = log_open(&h->log, directory, &options, &error);
        if (r != 0 && !error.text[0])
                log_errno(fold(r), "Cannot open the log of messages");
        else if (error.text[0])
                journal_write(r != 0 ? LOG_ERR : LOG_WARNING, NULL, "%s", error.text);
        if (r != 0)
                return fold(r);
        h->first = log_first(h->log);
        memcpy(h->epoch, log_epoch(h->log), LOG_EPOCH_CHARS);
        return 0;
}

static void group_init(Group *g, History *h) {
        g->history = h;
        g->request.run = run_group;
        g->request.done = on_written;
}

DEFINE_CLEANUP(History *, history_free);

int history_new(History **ret, Service *s) {
        _cleanup_(history_freep) History *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        h->service = s;
        h->filling = &h->groups[0];
        h->waiting_end = &h->waiting;
        group_init(&h->groups[0], h);
        group_init(&h->groups[1], h);
        history_init_trim(h);
        r = open_log(h);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

/* Reads on until the head: the ring drops what is too old for it by itself. */
static int fill_ring(History *h, uint64_t after) {
        LogRange range = {after, FILL_MESSAGES, FILL_BYTES};
        size_t n;
        int r;

        do {
                LogMessage *messages = NULL;

                r = log_read(h->log, &range, &messages, &n);
                if (r != 0)
                        return r;
                for (size_t i = 0; i < n; i++) {
                        (void) room_stamp(room(h), messages[i].time_ms);
                        publish(h, &messages[i], 0);
                        range.after = messages[i].id;
                }
                log_messages_free(messages, n);
        } while (n > 0);
        return 0;
}

static int make_room(History *h, Room **ret, const char *name) {
        const Limits *limits = &h->service->config->limits;
        uint64_t head = log_head(h->log), after = 0;
        int r;

        if (head > limits->max_lag_messages)
                after = head - limits->max_lag_messages;
        if (after + 1 < h->first)
                after = h->first - 1;
        r = room_new(ret, name, limits, after);
        return r != 0 ? r : fill_ring(h, after);
}

/* A log that turns out to be damaged is marked as such, and set aside when it is opened again. */
int history_make_room(History *h, Room **ret, const char *name) {
        int r = make_room(h, ret, name);

        if (r != -EUCLEAN)
                return r;
        *ret = room_free(*ret);
        h->log = log_free(h->log);
        r = open_log(h);
        return r != 0 ? r : make_room(h, ret, name);
}

static int on_completion(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        History *h = userdata;

        store_dispatch(h->store, COMPLETIONS_PER_DISPATCH);
        return 0;
}

int history_start(History *h) {
        int r = store_new(&h->store);

        if (r != 0)
                return r;
        r = sd_event_add_io(h->service->event, &h->completions, store_fd(h->store), EPOLLIN,
                            on_completion, h);
        return r < 0 ? r : 0;
}

History *history_free(History *h) {
        if (!h)
                return NULL;
        h->completions = sd_event_source_disable_unref(h->completions);
        /* First: when the store hands back the last that it did, nothing may follow. */
        while (h->waiting) {
                Fetch *f = h->waiting;

                h->waiting = f->next;
                free(f);
        }
        store_free(h->store);
        log_free(h->log);
        for (size_t k = 0; k < ELEMENTS(h->groups); k++) {
                group_clear(&h->groups[k]);
                free(h->groups[k].messages);
                free(h->groups[k].senders);
                free(h->groups[k].sessions);
        }
        free(h);
        return NULL;
}

const char *history_epoch(const History *h) {
        return h->epoch;
}

uint64_t history_first(const History *h) {
        return h->first;
}

bool history_busy(const History *h) {
        return h->writing || h->filling->n > 0;
}

int history_last_result(const History *h) {
        return h->last_result;
}
