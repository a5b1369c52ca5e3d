/* SPDX-License-Identifier: MIT */
/*
 * What a session is told besides messages (its welcome, acknowledgements, notices) goes out as
 * parts in front of them. How many can wait is bounded: no more is received from a session than can
 * be answered.
 */
#include "service/connect.h"

#include <string.h>
#include <sys/random.h>

#include "proto/base.h"
#include "service/history.h"
#include "service/message.h"
#include "service/parts.h"
#include "service/service.h"
#include "service/text.h"
#include "wire-chatroom.pb-c.h"

static void request_free(Chatroom__ConnectRequest *m) {
        chatroom__connect_request__free_unpacked(m, NULL);
}
DEFINE_CLEANUP(Chatroom__ConnectRequest *, request_free);

static void subscription_free(Chatroom__SubscribeRequest *m) {
        chatroom__subscribe_request__free_unpacked(m, NULL);
}
DEFINE_CLEANUP(Chatroom__SubscribeRequest *, subscription_free);

/* ---- where to begin */

typedef struct Start {
        const Chatroom__Resume *resume;
        const Chatroom__History *history;
} Start;

static bool is_current(const Stream *s, const Chatroom__Resume *resume) {
        const char *epoch = history_epoch(s->service->history);

        return resume->epoch.len == strlen(epoch) &&
               memcmp(resume->epoch.data, epoch, resume->epoch.len) == 0 &&
               resume->after_id <= ring_head(room_ring(s->service->room));
}

static uint64_t choose_cursor(const Stream *s, const Start *start) {
        uint64_t head = ring_head(room_ring(s->service->room));
        uint64_t first = history_first(s->service->history);
        uint64_t kept = head + 1 > first ? head + 1 - first : 0;
        uint64_t count = s->service->config->history_replay;

        if (start->resume && is_current(s, start->resume))
                return start->resume->after_id;
        if (start->history)
                count = start->history->count;
        return head - (count < kept ? count : kept);
}

static bool is_secret(const char *secret, const ProtobufCBinaryData *shown) {
        return secret[0] && memcmp(secret, shown->data, STREAM_SECRET_CHARS) == 0;
}

/* When a session's peer does not answer, its welcome may be lost: then its owner knows no secret
 * but the one that it came with. */
static bool may_take(const Stream *old, const ProtobufCBinaryData *shown) {
        return is_secret(old->secret, shown) ||
               (is_secret(old->shown, shown) && connection_is_silent(old->connection));
}

/* Somebody who comes back may find that his old session has not been noticed to be dead. */
static void take_over(Stream *s, const StreamIdentity *identity, const Start *start) {
        const ProtobufCBinaryData *secret = start->resume ? &start->resume->secret : NULL;
        const User *user = room_find(s->service->room, &identity->name);

        if (!secret || secret->len != STREAM_SECRET_CHARS)
                return;
        memcpy(s->shown, secret->data, STREAM_SECRET_CHARS);
        for (Session *session = user ? user->sessions : NULL; session;
             session = session->user_next) {
                Stream *old = CONTAINER_OF(session, Stream, session);

                if (!may_take(old, secret) ||
                    memcmp(&session->token, &identity->token->hash, sizeof(TokenHash)) != 0)
                        continue;
                stream_end(old, RPC_ABORTED, "Your session goes on elsewhere.", false);
                return;
        }
}

static int make_secret(Stream *s) {
        uint8_t bytes[STREAM_SECRET_CHARS / 2];

        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(s->secret + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

static int make_welcome(RpcPayload **ret, Stream *s, const Start *start, uint64_t after) {
        const Service *service = s->service;
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Welcome welcome = CHATROOM__WELCOME__INIT;
        Chatroom__Gap gap = CHATROOM__GAP__INIT;

        welcome.session = s->session.id;
        welcome.user = message_text(s->session.user->name.text);
        welcome.room = message_text(room_name(service->room));
        welcome.epoch = message_text(history_epoch(service->history));
        welcome.head = ring_head(room_ring(service->room));
        welcome.first = history_first(service->history);
        welcome.resume_secret = message_text(s->secret);
        welcome.max_text = service->config->limits.max_text;
        welcome.max_unacknowledged = CONNECT_MAX_UNACKNOWLEDGED;
        response.welcome = &welcome;
        if (start->resume && !is_current(s, start->resume)) {
                gap.from_id = start->resume->after_id + 1;
                gap.to_id = after;
                response.gap = &gap;
        }
        return message_pack(ret, &response.base);
}

static int enter(Stream *s, ProtobufCBinaryData name, const Start *start) {
        const TokenHash *secret = s->has_bearer ? &s->bearer_hash : NULL;
        StreamIdentity identity;
        RpcPayload *welcome;
        uint64_t after;
        int r;

        r = stream_identify(s, secret, (const char *) name.data, name.len, &identity);
        if (r != 0)
                return r;
        take_over(s, &identity, start);
        r = stream_join(s, &identity);
        if (r != 0)
                return r;
        after = choose_cursor(s, start);
        if (make_secret(s) != 0 || make_welcome(&welcome, s, start, after) != 0)
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY);
        return stream_deliver(s, after, welcome);
}

/* ---- Connect */

static bool is_client_id(const ProtobufCBinaryData *id) {
        return id->len > 0 && id->len <= LOG_CLIENT_ID_MAX &&
               text_check_line((const char *) id->data, id->len, LOG_CLIENT_ID_MAX) == 0;
}

/* The next message is received when its answer is sure to have a place. */
static void receive_next(Stream *s) {
        if (s->n_posts + reader_waiting(s->reader, true) < CONNECT_MAX_UNACKNOWLEDGED) {
                s->waiting = false;
                stream_receive(s);
        } else
                s->waiting = true;
}

static void on_outgoing(Stream *s, const Chatroom__Outgoing *m) {
        char client_id[LOG_CLIENT_ID_MAX + 1] = "";
        Draft draft = {.user = s->session.user->name.text,
                       .text = (const char *) m->text.data,
                       .n_text = m->text.len,
                       .client_id = client_id,
                       .token = &s->session.token};
        int r = text_check(draft.text, draft.n_text, s->service->config->limits.max_text);

        if (!is_client_id(&m->client_id))
                parts_notice(s, m->client_id, RPC_INVALID_ARGUMENT,
                             "A client_id has 1 to 36 bytes, and no control characters.");
        else if (r != 0 || m->text.len == 0)
                parts_notice(s, m->client_id, RPC_INVALID_ARGUMENT,
                             r != 0 ? text_strerror(r) : "The text is empty.");
        else if (stream_is_own_token(s, draft.text, draft.n_text))
                parts_notice(s, m->client_id, RPC_INVALID_ARGUMENT,
                             "That was your token, not a message; nobody has seen it.");
        else {
                memcpy(client_id, m->client_id.data, m->client_id.len);
                if (history_post(s->service->history, s, &draft) != 0)
                        parts_notice(s, m->client_id, RPC_UNAVAILABLE, STREAM_OUT_OF_MEMORY);
        }
}

static bool is_here(const Stream *s, const ProtobufCBinaryData *name) {
        const char *here = room_name(s->service->room);

        return name->len == 0 ||
               (name->len == strlen(here) && memcmp(name->data, here, name->len) == 0);
}

static void on_hello(Stream *s, const Chatroom__ConnectRequest *m) {
        const Chatroom__Hello *hello;
        Start start = {0};

        if (m->event_case != CHATROOM__CONNECT_REQUEST__EVENT_HELLO) {
                stream_end(s, RPC_INVALID_ARGUMENT, "The first request has to be a hello.", false);
                return;
        }
        hello = m->hello;
        if (!is_here(s, &hello->room)) {
                stream_end(s, RPC_INVALID_ARGUMENT, "There is no such room.", false);
                return;
        }
        if (hello->start_case == CHATROOM__HELLO__START_RESUME)
                start.resume = hello->resume;
        else if (hello->start_case == CHATROOM__HELLO__START_HISTORY)
                start.history = hello->history;
        s->wants_presence = hello->presence;
        if (enter(s, hello->user, &start) == 0)
                receive_next(s);
}

static void on_event(Stream *s, const Chatroom__ConnectRequest *m) {
        switch (m->event_case) {
        case CHATROOM__CONNECT_REQUEST__EVENT_SEND:
                s->session.received++;
                on_outgoing(s, m->send);
                break;
        case CHATROOM__CONNECT_REQUEST__EVENT_PING:
                parts_pong(s, m->ping->number);
                break;
        case CHATROOM__CONNECT_REQUEST__EVENT_HELLO:
                stream_end(s, RPC_INVALID_ARGUMENT, "You have said hello already.", true);
                return;
        default:
                stream_end(s, RPC_INVALID_ARGUMENT, "The request is empty, or not known here.",
                           true);
                return;
        }
        receive_next(s);
}

static int connect_opened(Stream *s) {
        return 0;
}

static void connect_received(Stream *s) {
        _cleanup_(request_freep) Chatroom__ConnectRequest *m = NULL;
        const uint8_t *bytes;
        size_t n;

        bytes = rpc_call_received(s->call, &n);
        m = chatroom__connect_request__unpack(NULL, n, bytes);
        if (!m)
                stream_end(s, RPC_INVALID_ARGUMENT, "The request cannot be decoded.", true);
        else if (s->state == STREAM_OPEN)
                on_hello(s, m);
        else
                on_event(s, m);
}

static void connect_posted(Stream *s, const LogMessage *m, int result) {
        if (s->state != STREAM_JOINED)
                return;
        if (result != 0)
                parts_notice(s, message_text(m->client_id), RPC_UNAVAILABLE, STREAM_NOT_STORED);
        else if (m->result == LOG_CONFLICT)
                parts_notice(s, message_text(m->client_id), RPC_INVALID_ARGUMENT,
                             "Another message was sent as this client_id.");
        else
                parts_ack(s, m);
        if (s->leaving && s->n_posts == 0)
                stream_end(s, RPC_OK, NULL, true);
        else if (s->waiting)
                receive_next(s);
}

static void connect_taken(Stream *s) {
        if (s->waiting)
                receive_next(s);
}

static void connect_half_closed(Stream *s) {
        if (s->state == STREAM_OPEN)
                stream_end(s, RPC_UNAUTHENTICATED, STREAM_TOKEN_REFUSED, false);
        else if (s->n_posts == 0)
                stream_end(s, RPC_OK, NULL, true);
        else
                s->leaving = true;
}

const StreamProtocol connect_protocol = {
        .name = "v1",
        .wire = WIRE_V1,
        .retry_after_ms = CONNECT_RETRY_AFTER_MS,
        .opened = connect_opened,
        .received = connect_received,
        .half_closed = connect_half_closed,
        .posted = connect_posted,
        .taken = connect_taken,
        .tell_presence = parts_presence,
        .goodbye = parts_goodbye,
};

/* ---- Subscribe */

static void subscribe_received(Stream *s) {
        _cleanup_(subscription_freep) Chatroom__SubscribeRequest *m = NULL;
        const Token *token = s->has_bearer ? stream_find_token(s, &s->bearer_hash) : NULL;
        Start start = {0};
        const uint8_t *bytes;
        size_t n;

        bytes = rpc_call_received(s->call, &n);
        m = chatroom__subscribe_request__unpack(NULL, n, bytes);
        if (!m) {
                stream_end(s, RPC_INVALID_ARGUMENT, "The request cannot be decoded.", false);
                return;
        }
        if (stream_may_login(s) != 0)
                return;
        if (token && token->any_name) {
                stream_end(s, RPC_PERMISSION_DENIED, STREAM_NAMELESS, false);
                return;
        }
        if (m->start_case == CHATROOM__SUBSCRIBE_REQUEST__START_RESUME)
                start.resume = m->resume;
        else if (m->start_case == CHATROOM__SUBSCRIBE_REQUEST__START_HISTORY)
                start.history = m->history;
        s->wants_presence = m->presence;
        (void) enter(s, message_text(""), &start);
}

/* A client of a server stream half-closes at once; it does not leave by that. */
static void subscribe_half_closed(Stream *s) {
        if (s->state == STREAM_OPEN)
                stream_end(s, RPC_INVALID_ARGUMENT, "There was no request.", false);
}

static void subscribe_posted(Stream *s, const LogMessage *m, int result) {
}

const StreamProtocol subscribe_protocol = {
        .name = "v1",
        .wire = WIRE_V1,
        .retry_after_ms = CONNECT_RETRY_AFTER_MS,
        .opened = connect_opened,
        .received = subscribe_received,
        .half_closed = subscribe_half_closed,
        .posted = subscribe_posted,
        .tell_presence = parts_presence,
        .goodbye = parts_goodbye,
};
