/* SPDX-License-Identifier: MIT */
/*
 * A stream has one timer, because it is only ever waiting for one thing: to join, to be allowed its
 * next message, or to be gone. Whatever a peer does, one of them fires.
 *
 * Nothing is received before it is asked for, and the next message is asked for when the last one
 * has been dealt with: what a peer can make us hold is one message, and a peer that sends faster
 * than it may is slowed down by its own flow control.
 */
#include "service/stream.h"

#include <string.h>

#include "proto/base.h"
#include "service/guest.h"
#include "service/history.h"
#include "service/journal.h"
#include "service/routes.h"
#include "service/service.h"

#define USEC_PER_MSEC UINT64_C(1000)
/* How long a stream that was ended may take to hand over what it still owes its peer. */
#define END_TIMEOUT_USEC (5000 * USEC_PER_MSEC)

static uint64_t now_usec(const Stream *s) {
        return service_now_usec(s->service);
}

static const Limits *limits(const Stream *s) {
        return &s->service->config->limits;
}

static void set_timer(Stream *s, uint64_t usec, sd_event_time_handler_t handler) {
        int r;

        s->timer = sd_event_source_disable_unref(s->timer);
        if (!handler)
                return;
        r = sd_event_add_time_relative(s->service->event, &s->timer, CLOCK_MONOTONIC, usec,
                                       usec / 64 + 1, handler, s);
        if (r < 0) /* without its timer a stream could stay for ever */
                rpc_call_cancel(s->call, RPC_INTERNAL, "The server is out of memory.");
}

/* ---- the log */

static void log_stream(const Stream *s, int priority, JournalKind kind, const char *reason) {
        static const char *const what[JOURNAL_KINDS] = {
                [JOURNAL_JOINED] = "joined",
                [JOURNAL_LEFT] = "left",
                [JOURNAL_CUT] = "was cut off",
        };
        const char *user = s->session.user ? s->session.user->name.text : NULL;
        char address[ADDRESS_TEXT_MAX];
        JournalEvent event = {.kind = kind,
                              .user = user,
                              .session = s->session.id,
                              .address = address,
                              .reason = reason,
                              .token_id = s->session.token_id};

        if (!user && !connection_may_log(s->connection, now_usec(s)))
                return;
        address_format(&s->connection->peer.address, true, address);
        if (!user)
                journal_write(priority, &event, "Refused %s: %s", address, reason);
        else
                journal_write(priority, &event, "%s @%llu from %s %s%s%s", user,
                              (unsigned long long) s->session.id, address, what[kind],
                              reason ? ": " : "", reason ? reason : "");
}

/* ---- the ways out */

static void begin_to_end(Stream *s, sd_event_time_handler_t too_late) {
        s->state = STREAM_ENDING;
        guest_leave(s);
        set_timer(s, END_TIMEOUT_USEC, too_late);
}

static int on_cancel_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Stream *s = userdata;

        connection_shutdown(s->connection);
        return 0;
}

/* Not in order, but for certain: if even that does not end it, its connection is cut. */
static void cancel(Stream *s, RpcStatus status, const char *text) {
        begin_to_end(s, on_cancel_timeout);
        rpc_call_cancel(s->call, status, text);
        connection_close_soon(s->connection);
}

/* Whoever leaves, and still takes what he is owed, however slowly, is given it all. */
static bool is_taking(Stream *s) {
        uint64_t before = s->taken;

        if (!s->owed || !s->reader)
                return false;
        s->taken = reader_cursor(s->reader);
        return s->taken != before;
}

static int on_end_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Stream *s = userdata;

        if (is_taking(s))
                set_timer(s, END_TIMEOUT_USEC, on_end_timeout);
        else
                cancel(s, RPC_UNAVAILABLE, "The stream could not be ended in order.");
        return 0;
}

/* Whose rate is it? A token that lets in any name would be as many users as there are names; and no
 * name begins with an asterisk. */
static const char *rate_owner(const Stream *s, char buffer[static TOKEN_ID_CHARS + 2]) {
        if (!s->session.any_name)
                return s->session.user->name.key;
        snprintf(buffer, TOKEN_ID_CHARS + 2, "*%s", s->session.token_id);
        return buffer;
}

static void drop_out(Stream *s) {
        char buffer[TOKEN_ID_CHARS + 2];

        rates_leave(s->service->rates, rate_owner(s, buffer), &s->session.rate, limits(s),
                    now_usec(s));
        if (s->session.user->n_sessions == 1)
                presence_go(s->service->presence, &s->session.user->name, now_usec(s));
        room_leave(s->service->room, &s->session);
}

static void leave_room(Stream *s, const char *reason) {
        if (!s->session.user)
                return;
        log_stream(s, LOG_INFO, JOURNAL_LEFT, reason);
        drop_out(s);
}

static void finish_reader(Stream *s, RpcStatus status, const char *text, bool flush) {
        ReaderEnd end = {.status = status, .text = text, .flush = flush};

        if (s->protocol->goodbye && status != RPC_OK)
                end.goodbye = s->protocol->goodbye(status, text);
        reader_finish(s->reader, &end);
}

void stream_end(Stream *s, RpcStatus status, const char *text, bool flush) {
        if (s->state == STREAM_ENDING)
                return;
        if (s->state == STREAM_OPEN && status != RPC_OK && !s->guest) {
                log_stream(s, LOG_NOTICE, JOURNAL_REFUSED, text);
                s->service->n_refused++;
        }
        leave_room(s, text);
        begin_to_end(s, on_end_timeout);
        s->owed = flush;
        s->taken = s->reader ? reader_cursor(s->reader) : 0;
        if (s->reader)
                finish_reader(s, status, text, flush);
        else
                rpc_call_finish(s->call, status, text);
}

void stream_replied(Stream *s) {
        begin_to_end(s, on_end_timeout);
}

void stream_set_retry(Stream *s, uint64_t after_usec) {
        uint64_t ms = after_usec / USEC_PER_MSEC + 1;

        if (s->protocol->retry_after_ms)
                rpc_call_set_retry(s->call, ms < UINT32_MAX ? (unsigned) ms : UINT32_MAX);
}

void stream_stop_timer(Stream *s) {
        set_timer(s, 0, NULL);
}

/* It does not read, or cannot be given any more what it missed. */
static void cut_off(Stream *s) {
        if (s->state == STREAM_JOINED) {
                log_stream(s, LOG_NOTICE, JOURNAL_CUT, "too far behind");
                drop_out(s);
        }
        cancel(s, RPC_RESOURCE_EXHAUSTED,
               "You are too far behind the room (max_lag_messages, max_lag_bytes, "
               "max_lag_age_ms).");
}

static void stream_free(Stream *s) {
        leave_room(s, NULL);
        guest_leave(s);
        connection_close_stream(s->connection, s->joined_once, now_usec(s));
        s->timer = sd_event_source_disable_unref(s->timer);
        history_forget(s->service->history, s);
        reader_detach(s->reader);
        rpc_call_set_userdata(s->call, NULL);
        if (s->previous)
                s->previous->next = s->next;
        else
                s->service->streams = s->next;
        if (s->next)
                s->next->previous = s->previous;
        free(s);
}

/* ---- the way in */

static int on_join_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Stream *s = userdata;

        if (s->protocol->guest)
                guest_timeout(s);
        else
                stream_end(s, RPC_UNAUTHENTICATED, STREAM_TOKEN_REFUSED, false);
        return 0;
}

int stream_refuse(Stream *s, RpcStatus status, const char *text) {
        stream_end(s, status, text, false);
        return -EACCES;
}

int stream_join(Stream *s, const StreamIdentity *identity) {
        Service *service = s->service;
        const Token *token = identity->token;
        char buffer[TOKEN_ID_CHARS + 2];
        int r;

        s->session.id = ++service->last_session;
        s->session.token = token->hash;
        memcpy(s->session.token_id, token->id, sizeof(token->id));
        s->session.any_name = token->any_name;
        s->session.joined_ms = service_now_ms();
        r = room_join(service->room, &s->session, &identity->name,
                      limits(s)->max_sessions_per_user);
        if (r == ROOM_E_TAKEN)
                return stream_refuse(s, RPC_ALREADY_EXISTS, "The name is taken.");
        if (r == ROOM_E_FULL)
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED,
                                     "You have too many sessions (max_sessions_per_user).");
        if (r == 0 && s->session.user->n_sessions == 1)
                r = presence_come(service->presence, &identity->name);
        if (r != 0)
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY);
        rates_enter(service->rates, rate_owner(s, buffer), &s->session.rate);
        s->state = STREAM_JOINED;
        s->joined_once = true;
        token_table_use(access_tokens(service->access), &token->hash, service_now_ms());
        connection_joined(s->connection);
        set_timer(s, 0, NULL);
        log_stream(s, LOG_INFO, JOURNAL_JOINED, NULL);
        return 0;
}

int stream_deliver(Stream *s, uint64_t after, RpcPayload *first) {
        ReaderOptions options = {.wire = s->protocol->wire,
                                 .session = s->session.id,
                                 .after = after,
                                 .first = first,
                                 .separate = s->protocol->guest};

        if (reader_new(&s->reader, service_pick_worker(s->service), s->call, &options) != 0)
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY);
        return 0;
}

uint64_t stream_lag(const Stream *s, uint64_t head) {
        uint64_t cursor = s->reader ? reader_cursor(s->reader) : head;

        return head > cursor ? head - cursor : 0;
}

/* ---- receiving */

static int on_may_receive(sd_event_source *source, uint64_t usec, void *userdata) {
        stream_receive(userdata);
        return 0;
}

void stream_receive(Stream *s) {
        uint64_t wait = 0;

        if (s->state == STREAM_ENDING || (s->state == STREAM_JOINED && s->service->draining))
                return;
        if (s->state == STREAM_JOINED)
                wait = session_charge(&s->session, limits(s), now_usec(s));
        if (wait > 0)
                set_timer(s, wait, on_may_receive);
        else
                (void) rpc_call_receive(s->call);
}

static int on_may_take(sd_event_source *source, uint64_t usec, void *userdata) {
        Stream *s = userdata;

        if (s->state == STREAM_JOINED && !s->service->draining)
                s->protocol->received(s);
        return 0;
}

bool stream_charge(Stream *s) {
        uint64_t wait = session_charge(&s->session, limits(s), now_usec(s));

        if (wait > 0)
                set_timer(s, wait, on_may_take);
        return wait == 0;
}

static void find_bearer(Stream *s) {
        const char *bearer = rpc_call_bearer(s->call);

        s->has_bearer = bearer && token_hash_secret(&s->bearer_hash, bearer, strlen(bearer)) == 0;
}

static int admit(Stream *s) {
        switch (connection_open_stream(s->connection, limits(s), now_usec(s))) {
        case 0:
                break;
        case CONNECTION_E_FLOOD:
                connection_shutdown(s->connection);
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED, "Streams are opened too fast.");
        case CONNECTION_E_CLOSING:
                return stream_refuse(s, RPC_UNAVAILABLE,
                                     "The connection is about to be closed; make another.");
        case CONNECTION_E_STREAMS:
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED,
                                     "Too many streams on this connection "
                                     "(max_streams_per_connection).");
        default:
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED,
                                     "Too many streams from your address that have not joined.");
        }
        if (s->service->draining)
                return stream_refuse(s, RPC_UNAVAILABLE, SERVICE_GOING_DOWN);
        if (!s->protocol)
                return stream_refuse(s, RPC_UNIMPLEMENTED, "There is no such method.");
        return s->protocol->guest ? guest_admit(s) : 0;
}

static uint64_t patience_usec(const Stream *s) {
        unsigned times = s->protocol->lifetime ? s->protocol->lifetime : 1;

        return times * limits(s)->join_timeout_ms * USEC_PER_MSEC;
}

static void on_opened(Service *service, RpcCall *call) {
        Connection *c = connections_get(service->connections, rpc_call_fd(call));
        Stream *s = c ? calloc(1, sizeof(*s)) : NULL;

        if (!s) {
                rpc_call_cancel(call, RPC_UNAVAILABLE, "The server is out of memory.");
                return;
        }
        s->service = service;
        s->call = call;
        s->connection = c;
        s->protocol = routes_protocol(service->config, rpc_call_method(call));
        if (s->protocol)
                rpc_call_set_retry(call, s->protocol->retry_after_ms);
        s->next = service->streams;
        if (s->next)
                s->next->previous = s;
        service->streams = s;
        rpc_call_set_userdata(call, s);
        if (admit(s) != 0)
                return;
        set_timer(s, patience_usec(s), on_join_timeout);
        if (!s->protocol->guest)
                find_bearer(s);
        if (s->protocol->opened(s) == 0)
                stream_receive(s);
}

static void on_received(Stream *s) {
        size_t n;

        (void) rpc_call_received(s->call, &n);
        connection_received(s->connection, n);
        if (rpc_call_is_compressed(s->call))
                stream_end(s, RPC_UNIMPLEMENTED, "Compressed messages are not taken.", true);
        else
                s->protocol->received(s);
}

void stream_dispatch(Service *service, RpcCall *call, unsigned events) {
        Stream *s;

        if (events & RPC_OPENED)
                on_opened(service, call);
        s = rpc_call_userdata(call);
        if (!s)
                return;
        if ((events & RPC_RECEIVED) && s->state != STREAM_ENDING)
                on_received(s);
        if ((events & RPC_HALF_CLOSED) && s->state != STREAM_ENDING)
                s->protocol->half_closed(s);
        if ((events & RPC_TAKEN) && s->state != STREAM_ENDING && s->protocol->taken)
                s->protocol->taken(s);
        if ((events & RPC_BEHIND) && history_fetch(service->history, s) != 0)
                stream_end(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY, false);
        if (events & RPC_LAGGED)
                cut_off(s);
        if (events & RPC_CLOSED)
                stream_free(s);
}
