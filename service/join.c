/* SPDX-License-Identifier: MIT */
/*
 * This protocol can say nothing about a single message, so a bad one ends the session; and it has
 * no way to tell a client anything but chat, so that is all it is told.
 */
#include "service/join.h"

#include <string.h>

#include "chat.pb-c.h"
#include "proto/base.h"
#include "service/journal.h"
#include "service/service.h"
#include "service/text.h"

static void message_free(Wire__ChatMessage *m) {
        wire__chat_message__free_unpacked(m, NULL);
}
DEFINE_CLEANUP(Wire__ChatMessage *, message_free);

static bool is_own_token(const Stream *s, const ProtobufCBinaryData *text) {
        TokenHash hash;

        return token_hash_secret(&hash, text->data, text->len) == 0 &&
               memcmp(&hash, &s->session.token, sizeof(hash)) == 0;
}

static void payload_free(void *payload) {
        rpc_payload_free(payload);
}

static int encode(RpcPayload **ret, const char *user, const ProtobufCBinaryData *text) {
        Wire__ChatMessage m = WIRE__CHAT_MESSAGE__INIT;
        _cleanup_(freep) uint8_t *bytes = NULL;
        size_t n;

        m.user = (ProtobufCBinaryData){strlen(user), (uint8_t *) user};
        m.text = *text;
        n = wire__chat_message__get_packed_size(&m);
        bytes = malloc(n ? n : 1);
        if (!bytes)
                return -ENOMEM;
        wire__chat_message__pack(&m, bytes);
        return rpc_payload_new(ret, bytes, n);
}

static int publish(Stream *s, const ProtobufCBinaryData *text) {
        Room *room = s->service->room;
        RpcPayload *payload;
        RingEntry *entry;
        int r;

        r = encode(&payload, s->session.user->name.text, text);
        if (r != 0)
                return r;
        r = ring_entry_new(&entry, payload, payload_free, text->len + sizeof(*entry));
        if (r != 0) {
                rpc_payload_free(payload);
                return r;
        }
        entry->session = s->session.id;
        entry->time_ms = room_stamp(room, service_now_ms());
        room_publish(room, entry);
        s->session.received++;
        service_wake_workers(s->service);
        return 0;
}

static void on_chat(Stream *s, const ProtobufCBinaryData *text) {
        int r = text_check((const char *) text->data, text->len,
                           s->service->config->limits.max_text);

        if (r != 0) {
                stream_end(s, RPC_INVALID_ARGUMENT, text_strerror(r), true);
                return;
        }
        if (is_own_token(s, text)) {
                stream_end(s, RPC_INVALID_ARGUMENT,
                           "That was your token, not a message; nobody has seen it.", true);
                return;
        }
        if (publish(s, text) != 0) {
                stream_end(s, RPC_RESOURCE_EXHAUSTED, "The server is out of memory.", true);
                return;
        }
        stream_receive(s);
}

static void log_in(Stream *s, const TokenHash *shown, const ProtobufCBinaryData *user) {
        const TokenHash *secret = s->has_bearer ? &s->bearer_hash : shown;

        (void) stream_login(s, secret, (const char *) user->data, user->len);
}

/* Its text is a token and never chat, unless the call brought a token of its own; and even then not
 * if it is one. */
static void on_first(Stream *s, const Wire__ChatMessage *m) {
        TokenHash shown;

        s->greeted = true;
        if (token_hash_secret(&shown, m->text.data, m->text.len) != 0) {
                stream_end(s, RPC_INTERNAL, "The token could not be checked.", false);
                return;
        }
        if (s->state == STREAM_OPEN)
                log_in(s, &shown, &m->user);
        if (s->state != STREAM_JOINED)
                return;
        if (s->has_bearer && m->text.len > 0 &&
            !token_table_find(access_tokens(s->service->access), &shown))
                on_chat(s, &m->text);
        else
                stream_receive(s);
}

int join_opened(Stream *s) {
        const Token *token;

        if (!s->has_bearer)
                return 0;
        token = stream_find_token(s, &s->bearer_hash);
        if (token && token->any_name)
                return 0; /* its name comes with the first message */
        return stream_login(s, &s->bearer_hash, token ? token->name.text : "",
                            token ? strlen(token->name.text) : 0);
}

void join_received(Stream *s) {
        _cleanup_(message_freep) Wire__ChatMessage *m = NULL;
        const uint8_t *bytes;
        size_t n;

        bytes = rpc_call_received(s->call, &n);
        connection_received(s->connection, n);
        m = wire__chat_message__unpack(NULL, n, bytes);
        if (!m)
                stream_end(s, RPC_INVALID_ARGUMENT, "The message cannot be decoded.", true);
        else if (!s->greeted)
                on_first(s, m);
        else
                on_chat(s, &m->text);
}

/* Leaving. Everything that was sent is in the log already: nothing is received before that. */
void join_half_closed(Stream *s) {
        if (s->state == STREAM_JOINED)
                stream_end(s, RPC_OK, NULL, true);
        else
                stream_end(s, RPC_UNAUTHENTICATED, STREAM_TOKEN_REFUSED, false);
}
