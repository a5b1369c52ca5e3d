/* SPDX-License-Identifier: MIT */
/*
 * Ids grow by one and never come back within an epoch, so the newest one seen says all about what
 * was seen. What was said is kept in its order, and sent again in that order; the server knows a
 * client_id that it has seen before, so nothing is said twice.
 */
#include "client/session.h"

#include <inttypes.h>
#include <string.h>

typedef struct Bytes {
        char *data;
        size_t size;
} Bytes;

struct Session {
        char prefix[18]; /* of client_ids: 16 hex digits and a dash */
        uint64_t counter;
        uint32_t history;
        Bytes user, epoch, secret;
        bool placed; /* position means something in this epoch */
        bool anew;   /* this connection did not go on where the last one was */
        uint64_t position;
        uint32_t window;
        Outgoing *queue[SESSION_WINDOW_MAX];
        size_t n_queue;
};

static RpcBytes view(const Bytes *b) {
        return (RpcBytes){b->data, b->size};
}

static bool same(const Bytes *a, RpcBytes b) {
        return a->size == b.size && (b.size == 0 || memcmp(a->data, b.data, b.size) == 0);
}

static int keep(Bytes *b, RpcBytes value) {
        char *copy = malloc(value.size + 1);

        if (!copy)
                return -ENOMEM;
        if (value.size > 0)
                memcpy(copy, value.data, value.size);
        free(b->data);
        *b = (Bytes){copy, value.size};
        return 0;
}

int session_new(Session **ret, uint64_t random, uint32_t history) {
        Session *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        snprintf(s->prefix, sizeof(s->prefix), "%016" PRIx64 "-", random);
        s->history = history;
        s->window = 1;
        *ret = s;
        return 0;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_queue; i++)
                free(s->queue[i]);
        free(s->user.data);
        free(s->epoch.data);
        free(s->secret.data);
        free(s);
        return NULL;
}

SessionStart session_start(const Session *s) {
        return (SessionStart){
                .resume = s->placed,
                .count = s->history,
                .after_id = s->position,
                .epoch = view(&s->epoch),
                .secret = view(&s->secret),
        };
}

/* Where a session stands that begins with the last messages, before the first of them has come. */
static uint64_t place_before_history(const Session *s, const SessionWelcome *w) {
        uint64_t kept = w->first > 0 && w->first <= w->head ? w->head - w->first + 1 : 0;

        return w->head - (s->history < kept ? s->history : kept);
}

int session_welcome(Session *s, const SessionWelcome *w) {
        bool known = s->epoch.data;
        int r;

        s->window = w->window < 1                    ? 1
                    : w->window > SESSION_WINDOW_MAX ? SESSION_WINDOW_MAX
                                                     : w->window;
        /* An older copy of the log that was put back is another log, too: it gives ids that were
         * seen to other messages. */
        s->anew = known && (!same(&s->epoch, w->epoch) || s->position > w->head);
        if (s->anew) {
                /* How much of the new log it will show is up to the server. */
                s->placed = false;
                s->position = 0;
        } else if (!s->placed) {
                s->position = place_before_history(s, w);
                s->placed = true;
        }
        r = keep(&s->user, w->user);
        if (r == 0)
                r = keep(&s->epoch, w->epoch);
        if (r == 0)
                r = keep(&s->secret, w->secret);
        return r < 0 ? r : s->anew ? SESSION_E_BEGAN_ANEW : 0;
}

void session_lost(Session *s) {
        for (size_t i = 0; i < s->n_queue; i++)
                s->queue[i]->sent = false;
}

uint64_t session_position(const Session *s) {
        return s->position;
}

void session_seek(Session *s, uint64_t after_id) {
        s->position = after_id;
        s->placed = true;
}

bool session_see(Session *s, uint64_t id) {
        if (id <= s->position)
                return false;
        s->position = id;
        s->placed = true;
        return true;
}

uint64_t session_gap(Session *s, uint64_t from, uint64_t to) {
        if (s->anew || from == 0 || to < from)
                return 0;
        if (from <= s->position)
                from = s->position + 1;
        if (to > s->position)
                s->position = to;
        return to < from ? 0 : to - from + 1;
}

bool session_is_own(const Session *s, RpcBytes user, RpcBytes client_id) {
        size_t n = strlen(s->prefix);

        return same(&s->user, user) && client_id.size > n &&
               memcmp(client_id.data, s->prefix, n) == 0;
}

bool session_may_say(const Session *s) {
        return s->n_queue < s->window;
}

int session_say(Session *s, RpcBytes text, size_t line) {
        Outgoing *o;

        if (s->n_queue == SESSION_WINDOW_MAX)
                return -ENOBUFS;
        o = calloc(1, sizeof(*o) + text.size + 1);
        if (!o)
                return -ENOMEM;
        snprintf(o->client_id, sizeof(o->client_id), "%s%" PRIu64, s->prefix, ++s->counter);
        o->line = line;
        o->size = text.size;
        if (text.size > 0)
                memcpy(o->text, text.data, text.size);
        s->queue[s->n_queue++] = o;
        return 0;
}

/* What is not acknowledged and what is only waiting to be sent share the queue: no more is under
 * way than the window allows, also when a server that came back allows less. */
Outgoing *session_next(Session *s) {
        for (size_t i = 0; i < s->n_queue && i < s->window; i++)
                if (!s->queue[i]->sent)
                        return s->queue[i];
        return NULL;
}

static bool is_called(const Outgoing *o, RpcBytes client_id) {
        return strlen(o->client_id) == client_id.size &&
               memcmp(o->client_id, client_id.data, client_id.size) == 0;
}

static size_t find(const Session *s, RpcBytes client_id) {
        size_t i = 0;

        while (i < s->n_queue && !is_called(s->queue[i], client_id))
                i++;
        return i;
}

Outgoing *session_take(Session *s, RpcBytes client_id) {
        size_t i = find(s, client_id);
        Outgoing *o;

        if (i == s->n_queue)
                return NULL;
        o = s->queue[i];
        s->n_queue--;
        memmove(&s->queue[i], &s->queue[i + 1], (s->n_queue - i) * sizeof(*s->queue));
        return o;
}

void session_again(Session *s, RpcBytes client_id) {
        size_t i = find(s, client_id);

        if (i < s->n_queue)
                s->queue[i]->sent = false;
}

size_t session_pending(const Session *s) {
        return s->n_queue;
}
