/* SPDX-License-Identifier: MIT */
/* Each part is a response of its own; those that wait together are joined into one by the reader.
 */
#include "service/parts.h"

#include <string.h>

#include "proto/base.h"
#include "service/connect.h"
#include "service/message.h"
#include "service/service.h"
#include "service/text.h"

static void post(Stream *s, const Chatroom__ConnectResponse *response) {
        RpcPayload *part;

        if (message_pack(&part, &response->base) == 0)
                reader_post(s->reader, part);
        else
                stream_end(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY, false);
}

void parts_notice(Stream *s, ProtobufCBinaryData client_id, RpcStatus code, const char *text) {
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Notice notice = CHATROOM__NOTICE__INIT, *notices = &notice;

        if (text_check((const char *) client_id.data, client_id.len,
                       s->service->config->limits.max_text) == 0)
                notice.client_id = client_id;
        notice.code = (int) code;
        notice.text = message_text(text);
        response.n_notices = 1;
        response.notices = &notices;
        post(s, &response);
}

void parts_ack(Stream *s, const LogMessage *m) {
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Ack ack = CHATROOM__ACK__INIT, *acks = &ack;

        ack.client_id = message_text(m->client_id);
        ack.id = m->id;
        ack.time_ms = m->time_ms;
        response.n_acks = 1;
        response.acks = &acks;
        post(s, &response);
}

RpcPayload *parts_goodbye(RpcStatus status, const char *text) {
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Goodbye bye = CHATROOM__GOODBYE__INIT;
        RpcPayload *part;

        bye.code = (int) status;
        bye.text = message_text(text ? text : "");
        if (status == RPC_UNAVAILABLE || status == RPC_RESOURCE_EXHAUSTED)
                bye.retry_after_ms = CONNECT_RETRY_AFTER_MS;
        response.goodbye = &bye;
        return message_pack(&part, &response.base) == 0 ? part : NULL;
}

static void free_change(PresenceChange *c) {
        free(c->joined);
        free(c->left);
}

static ProtobufCBinaryData *name_fields(const char **names, size_t n) {
        ProtobufCBinaryData *fields = calloc(n + 1, sizeof(*fields));

        for (size_t i = 0; fields && i < n; i++)
                fields[i] = message_text(names[i]);
        return fields;
}

/* One difference at a time: the next one is made when this one is on its way. */
void parts_presence(Stream *s) {
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Presence presence = CHATROOM__PRESENCE__INIT;
        _cleanup_(freep) ProtobufCBinaryData *joined = NULL, *left = NULL;
        _cleanup_(free_change) PresenceChange change = {0};

        if (s->state != STREAM_JOINED || reader_waiting(s->reader, s->waiting) > 0 ||
            presence_since(s->service->presence, s->presence, &change) != 0)
                return;
        joined = name_fields(change.joined, change.n_joined);
        left = name_fields(change.left, change.n_left);
        if (!joined || !left)
                return;
        s->presence = presence_version(s->service->presence);
        presence.reset = change.reset;
        presence.n_joined = change.n_joined;
        presence.joined = joined;
        presence.n_left = change.n_left;
        presence.left = left;
        response.presence = &presence;
        if (change.reset || change.n_joined + change.n_left > 0)
                post(s, &response);
}

void parts_pong(Stream *s, uint64_t number) {
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Pong pong = CHATROOM__PONG__INIT, *pongs = &pong;

        pong.number = number;
        response.n_pongs = 1;
        response.pongs = &pongs;
        post(s, &response);
}
