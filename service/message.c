/* SPDX-License-Identifier: MIT */
/*
 * On v1 every message is encoded as a response of its own. Responses joined end to end are one
 * response with all their messages, by the rules of protobuf; that is how batches are made.
 */
#include "service/message.h"

#include <string.h>

#include "chat.pb-c.h"
#include "proto/base.h"
#include "wire-chatroom.pb-c.h"

int message_pack(RpcPayload **ret, const ProtobufCMessage *message) {
        size_t n = protobuf_c_message_get_packed_size(message);
        _cleanup_(freep) uint8_t *bytes = malloc(n ? n : 1);

        if (!bytes)
                return -ENOMEM;
        protobuf_c_message_pack(message, bytes);
        return rpc_payload_new(ret, bytes, n);
}

void message_reply(RpcCall *call, const ProtobufCMessage *message, RpcStatus status,
                   const char *text) {
        size_t n = protobuf_c_message_get_packed_size(message);
        _cleanup_(freep) uint8_t *bytes = malloc(n ? n : 1);

        if (!bytes) {
                rpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "The server is out of memory.");
                return;
        }
        protobuf_c_message_pack(message, bytes);
        rpc_call_reply(call, bytes, n, status, text);
}

ProtobufCBinaryData message_text(const char *text) {
        return (ProtobufCBinaryData){strlen(text), (uint8_t *) text};
}

static Chatroom__Message describe(const LogMessage *m) {
        Chatroom__Message d = CHATROOM__MESSAGE__INIT;

        d.id = m->id;
        d.time_ms = m->time_ms;
        d.user = message_text(m->user);
        d.text = (ProtobufCBinaryData){m->n_text, (uint8_t *) m->text};
        d.client_id = message_text(m->client_id);
        return d;
}

int message_encode(RpcPayload *ret[static WIRES], const LogMessage *m) {
        Wire__ChatMessage seed = WIRE__CHAT_MESSAGE__INIT;
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        Chatroom__Message message = describe(m), *messages = &message;
        RpcPayload *encoded;
        int r;

        seed.user = message.user;
        seed.text = message.text;
        response.n_messages = 1;
        response.messages = &messages;
        r = message_pack(&encoded, &seed.base);
        if (r != 0)
                return r;
        r = message_pack(&ret[WIRE_V1], &response.base);
        if (r != 0) {
                rpc_payload_free(encoded);
                return r;
        }
        ret[WIRE_SEED] = encoded;
        return 0;
}

int message_encode_batch(RpcPayload **ret, const LogMessage *messages, size_t n, uint64_t after,
                         uint64_t head) {
        Chatroom__ConnectResponse response = CHATROOM__CONNECT_RESPONSE__INIT;
        _cleanup_(freep) Chatroom__Message *all = calloc(n + 1, sizeof(*all));
        _cleanup_(freep) Chatroom__Message **pointers = calloc(n + 1, sizeof(*pointers));
        Chatroom__Gap gap = CHATROOM__GAP__INIT;
        uint64_t next = n > 0 ? messages[0].id : head + 1;

        if (!all || !pointers)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                all[i] = describe(&messages[i]);
                pointers[i] = &all[i];
        }
        gap.from_id = after + 1;
        gap.to_id = next - 1;
        if (next > after + 1)
                response.gap = &gap;
        response.n_messages = n;
        response.messages = pointers;
        return message_pack(ret, &response.base);
}
