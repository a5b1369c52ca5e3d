/* SPDX-License-Identifier: MIT */
/*
 * A single call is a stream that never joins: one request, one reply. What its user may send in a
 * time is counted by user, since there is no session that outlives the call.
 */
#include "service/unary.h"

#include <string.h>

#include "proto/base.h"
#include "service/connect.h"
#include "service/history.h"
#include "service/service.h"
#include "service/text.h"
#include "wire-chatroom.pb-c.h"

void unary_reply(Stream *s, const ProtobufCMessage *message) {
        message_reply(s->call, message, RPC_OK, NULL);
        stream_replied(s);
}

/* Whose call is it? Refused unless the token says so by itself. */
static int identify(Stream *s, StreamIdentity *ret) {
        const Token *token = s->has_bearer ? stream_find_token(s, &s->bearer_hash) : NULL;
        int r = stream_may_login(s);

        if (r != 0)
                return r;
        if (token && token->any_name) {
                (void) stream_refuse(s, RPC_PERMISSION_DENIED, STREAM_NAMELESS);
                return -EACCES;
        }
        return stream_identify(s, s->has_bearer ? &s->bearer_hash : NULL, "", 0, ret);
}

static int unary_opened(Stream *s) {
        return 0;
}

static void unary_half_closed(Stream *s) {
        if (!s->greeted)
                stream_end(s, RPC_INVALID_ARGUMENT, "There was no request.", false);
}

static void unary_posted(Stream *s, const LogMessage *m, int result) {
        Chatroom__SendResponse response = CHATROOM__SEND_RESPONSE__INIT;

        if (s->state == STREAM_ENDING)
                return;
        if (result != 0) {
                stream_end(s, RPC_UNAVAILABLE, STREAM_NOT_STORED, false);
                return;
        }
        if (m->result == LOG_CONFLICT) {
                stream_end(s, RPC_INVALID_ARGUMENT, "Another message was sent as this client_id.",
                           false);
                return;
        }
        response.id = m->id;
        response.time_ms = m->time_ms;
        unary_reply(s, &response.base);
}

/* ---- Send */

static const char *check(const Stream *s, const Chatroom__SendRequest *m) {
        int r = text_check((const char *) m->text.data, m->text.len,
                           s->service->config->limits.max_text);

        if (r != 0)
                return text_strerror(r);
        if (m->text.len == 0)
                return "The text is empty.";
        if (m->client_id.len > LOG_CLIENT_ID_MAX ||
            text_check_line((const char *) m->client_id.data, m->client_id.len,
                            LOG_CLIENT_ID_MAX) != 0)
                return "A client_id has at most 36 bytes, and no control characters.";
        return stream_is_own_token(s, m->text.data, m->text.len)
                       ? "That was your token, not a message; nobody has seen it."
                       : NULL;
}

static void send_message(Stream *s, const Chatroom__SendRequest *m) {
        char client_id[LOG_CLIENT_ID_MAX + 1] = "";
        StreamIdentity identity;
        const char *problem;
        uint64_t wait;
        Draft draft;

        if (identify(s, &identity) != 0)
                return;
        s->session.token = identity.token->hash;
        problem = check(s, m);
        if (problem) {
                stream_end(s, RPC_INVALID_ARGUMENT, problem, false);
                return;
        }
        wait = rates_charge(s->service->rates, &identity.name, &s->service->config->limits,
                            service_now_usec(s->service));
        if (wait > 0) {
                stream_set_retry(s, wait);
                stream_end(s, RPC_RESOURCE_EXHAUSTED,
                           "You send too fast (rate_burst, rate_per_second).", false);
                return;
        }
        if (m->client_id.len > 0)
                memcpy(client_id, m->client_id.data, m->client_id.len);
        draft = (Draft){.user = identity.name.text,
                        .text = (const char *) m->text.data,
                        .n_text = m->text.len,
                        .client_id = client_id[0] ? client_id : NULL,
                        .token = &s->session.token};
        if (history_post(s->service->history, s, &draft) != 0)
                stream_end(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY, false);
}

static void send_received(Stream *s) {
        Chatroom__SendRequest *m;
        const uint8_t *bytes;
        size_t n;

        s->greeted = true;
        stream_stop_timer(s);
        bytes = rpc_call_received(s->call, &n);
        m = chatroom__send_request__unpack(NULL, n, bytes);
        if (m)
                send_message(s, m);
        else
                stream_end(s, RPC_INVALID_ARGUMENT, "The request cannot be decoded.", false);
        chatroom__send_request__free_unpacked(m, NULL);
}

const StreamProtocol send_protocol = {
        .name = "v1",
        .wire = WIRE_V1,
        .retry_after_ms = CONNECT_RETRY_AFTER_MS,
        .opened = unary_opened,
        .received = send_received,
        .half_closed = unary_half_closed,
        .posted = unary_posted,
};

/* ---- ListMembers */

typedef struct Members {
        Chatroom__Member *rows, **refs;
        size_t n;
} Members;

static int add_member(const User *user, void *userdata) {
        Members *members = userdata;
        Chatroom__Member *row = &members->rows[members->n];

        chatroom__member__init(row);
        row->user = message_text(user->name.text);
        row->sessions = (uint32_t) user->n_sessions;
        members->refs[members->n++] = row;
        return 0;
}

static int by_name(const void *a, const void *b) {
        const Chatroom__Member *const *left = a, *const *right = b;

        return strcmp((const char *) (*left)->user.data, (const char *) (*right)->user.data);
}

static void members_received(Stream *s) {
        Chatroom__ListMembersResponse response = CHATROOM__LIST_MEMBERS_RESPONSE__INIT;
        size_t most = room_count_users(s->service->room) + 1;
        StreamIdentity identity;
        Members members = {0};

        s->greeted = true;
        if (identify(s, &identity) != 0)
                return;
        members.rows = calloc(most, sizeof(*members.rows));
        members.refs = calloc(most, sizeof(*members.refs));
        if (members.rows && members.refs) {
                (void) room_foreach(s->service->room, add_member, &members);
                qsort(members.refs, members.n, sizeof(*members.refs), by_name);
                response.n_members = members.n;
                response.members = members.refs;
                unary_reply(s, &response.base);
        } else
                stream_end(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY, false);
        free(members.rows);
        free(members.refs);
}

const StreamProtocol list_members_protocol = {
        .name = "v1",
        .wire = WIRE_V1,
        .retry_after_ms = CONNECT_RETRY_AFTER_MS,
        .opened = unary_opened,
        .received = members_received,
        .half_closed = unary_half_closed,
        .posted = unary_posted,
};
