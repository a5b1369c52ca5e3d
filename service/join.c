/* SPDX-License-Identifier: MIT */
/*
 * This protocol can say nothing about a single message, so a bad one ends the session; and it has
 * no way to tell a client anything but chat, so that is all it is told.
 */
#include "service/join.h"

#include <string.h>

#include "chat.pb-c.h"
#include "proto/base.h"
#include "service/history.h"
#include "service/service.h"
#include "service/text.h"

static void message_free(Wire__ChatMessage *m) {
        wire__chat_message__free_unpacked(m, NULL);
}
DEFINE_CLEANUP(Wire__ChatMessage *, message_free);

static void on_chat(Stream *s, const ProtobufCBinaryData *text) {
        Draft draft;
        int r = text_check((const char *) text->data, text->len,
                           s->service->config->limits.max_text);

        if (r != 0) {
                stream_end(s, RPC_INVALID_ARGUMENT, text_strerror(r), true);
                return;
        }
        if (stream_is_own_token(s, text->data, text->len)) {
                stream_end(s, RPC_INVALID_ARGUMENT,
                           "That was your token, not a message; nobody has seen it.", true);
                return;
        }
        s->session.received++;
        draft = (Draft){.user = s->session.user->name.text,
                        .text = (const char *) text->data,
                        .n_text = text->len};
        if (history_post(s->service->history, s, &draft) != 0)
                stream_end(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY, true);
}

/* The next one is received when this one is safe. */
static void join_posted(Stream *s, const LogMessage *m, int result) {
        if (result != 0)
                stream_end(s, RPC_UNAVAILABLE, STREAM_NOT_STORED, true);
        else
                stream_receive(s);
}

static int enter(Stream *s, const TokenHash *secret, const char *name, size_t n_name) {
        StreamIdentity identity;
        int r = stream_identify(s, secret, name, n_name, &identity);

        if (r == 0)
                r = stream_join(s, &identity);
        return r != 0 ? r : stream_deliver(s, ring_head(room_ring(s->service->room)), NULL);
}

/* By whoever came in with a token of his own: chat, unless it is that token again, which is no more
 * than a client's way to be sure. One that is somebody else's is not for others to see either; but
 * whoever shows it may be trying whether it is one, so that is a failed login. A miss is not: it
 * has been said aloud, at the pace of messages, and who says something by a call of its own each
 * time has done nothing wrong. */
static void on_first_text(Stream *s, const ProtobufCBinaryData *text, const TokenHash *shown) {
        bool own = memcmp(shown, &s->session.token, sizeof(*shown)) == 0;

        if (text->len == 0 || own)
                stream_receive(s);
        else if (token_table_find(access_tokens(s->service->access), shown)) {
                stream_count_guess(s);
                stream_receive(s);
        } else if (s->session.any_name && !stream_charge(s))
                s->greeted = false; /* it comes again, when the rate allows */
        else
                on_chat(s, text);
}

static void log_in(Stream *s, const TokenHash *shown, const ProtobufCBinaryData *user) {
        const TokenHash *secret = s->has_bearer ? &s->bearer_hash : shown;

        (void) enter(s, secret, (const char *) user->data, user->len);
}

/* Its text is a token and never chat, unless the call brought a token of its own. */
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
        if (s->has_bearer)
                on_first_text(s, &m->text, &shown);
        else
                stream_receive(s);
}

static int join_opened(Stream *s) {
        const Token *token;
        int r = s->has_bearer ? stream_may_login(s) : 0;

        if (r != 0 || !s->has_bearer)
                return r;
        token = stream_find_token(s, &s->bearer_hash);
        if (token && token->any_name)
                return 0; /* its name comes with the first message */
        return enter(s, &s->bearer_hash, "", 0);
}

static void join_received(Stream *s) {
        _cleanup_(message_freep) Wire__ChatMessage *m = NULL;
        const uint8_t *bytes;
        size_t n;

        bytes = rpc_call_received(s->call, &n);
        m = wire__chat_message__unpack(NULL, n, bytes);
        if (!m)
                stream_end(s, RPC_INVALID_ARGUMENT, "The message cannot be decoded.", true);
        else if (!s->greeted)
                on_first(s, m);
        else
                on_chat(s, &m->text);
}

/* Leaving. Everything that was sent is in the log already: nothing is received before that. */
static void join_half_closed(Stream *s) {
        if (s->state == STREAM_JOINED)
                stream_end(s, RPC_OK, NULL, true);
        else
                stream_end(s, RPC_UNAUTHENTICATED, STREAM_TOKEN_REFUSED, false);
}

const StreamProtocol join_protocol = {
        .name = "seed",
        .wire = WIRE_SEED,
        .opened = join_opened,
        .received = join_received,
        .half_closed = join_half_closed,
        .posted = join_posted,
};
