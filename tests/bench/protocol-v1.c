/* SPDX-License-Identifier: MIT */
/*
 * proto/chatroom/v1/chatroom.proto, Connect: the token comes as metadata, Hello asks for no
 * history, and every message of a response is a delivery; a sender is sent his own too. What else a
 * response holds is skipped: acknowledgements need no answer, and whoever has been refused a
 * message misses a delivery. After the end of a call a connection that joins again resumes where it
 * was: it is owed everything behind the last message that it has.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/protocol-grpc.h"

enum { HELLO = 1, SEND = 2 };                                 /* ConnectRequest */
enum { WELCOME = 1, MESSAGES = 3 };                           /* ConnectResponse */
enum { HELLO_USER = 1, HELLO_RESUME = 3, HELLO_HISTORY = 4 }; /* Hello */
enum { RESUME_EPOCH = 1, RESUME_AFTER_ID = 2 };               /* Resume */
enum { OUTGOING_ID = 1, OUTGOING_TEXT = 2 };                  /* Outgoing */
enum { WELCOME_EPOCH = 4 };                                   /* Welcome */
enum { MESSAGE_ID = 1, MESSAGE_TEXT = 4 };                    /* Message */

static size_t v1_encode_hello(const Connection *c, uint8_t *ret) {
        uint8_t hello[GRPC_MESSAGE_MAX / 2], resume[GRPC_MESSAGE_MAX / 4];
        const char *epoch = c->load->epoch;
        char user[16];

        int size = snprintf(user, sizeof(user), "b%05u", c->index);
        size_t used = protobuf_put(hello, HELLO_USER, user, (size_t) size);
        if (c->last_id > 0) {
                size_t n = protobuf_put(resume, RESUME_EPOCH, epoch, strlen(epoch));
                n += protobuf_put_number(resume + n, RESUME_AFTER_ID, c->last_id);
                used += protobuf_put(hello + used, HELLO_RESUME, resume, n);
        } else {
                used += protobuf_put(hello + used, HELLO_HISTORY, "", 0); /* count: 0 */
        }
        return protobuf_put(ret, HELLO, hello, used);
}

static size_t v1_encode_text(const Connection *c, const char text[static TEXT_SIZE], uint8_t *ret) {
        uint8_t outgoing[GRPC_MESSAGE_MAX / 2];
        char id[20];

        int size = snprintf(id, sizeof(id), "%016llx", (unsigned long long) c->load->next_id++);
        size_t used = protobuf_put(outgoing, OUTGOING_ID, id, (size_t) size);
        used += protobuf_put(outgoing + used, OUTGOING_TEXT, text, TEXT_SIZE);
        return protobuf_put(ret, SEND, outgoing, used);
}

static int v1_decode_message(Connection *c, const ProtobufField *message) {
        const uint8_t *at = message->bytes, *end = at + message->size;
        ProtobufField field, text = {0};
        int r;

        while ((r = protobuf_next(&at, end, &field)) > 0) {
                if (field.number == MESSAGE_ID && field.type == 0)
                        c->last_id = field.value;
                else if (field.number == MESSAGE_TEXT && field.type == 2)
                        text = field;
        }
        if (r == 0)
                connection_delivered(c, text.bytes, text.size);
        return r;
}

static int v1_decode_welcome(Connection *c, const ProtobufField *welcome) {
        const uint8_t *at = welcome->bytes, *end = at + welcome->size;
        char *epoch = c->load->epoch;
        ProtobufField field;
        int r;

        while ((r = protobuf_next(&at, end, &field)) > 0)
                if (field.number == WELCOME_EPOCH && field.type == 2 && field.size < EPOCH_MAX) {
                        memcpy(epoch, field.bytes, field.size);
                        epoch[field.size] = '\0';
                }
        return r;
}

static int v1_decode(Connection *c, const uint8_t *response, size_t n) {
        const uint8_t *at = response, *end = response + n;
        ProtobufField field;
        int r;

        while ((r = protobuf_next(&at, end, &field)) > 0) {
                if (field.type != 2)
                        continue;
                if (field.number == MESSAGES)
                        r = v1_decode_message(c, &field);
                else if (field.number == WELCOME)
                        r = v1_decode_welcome(c, &field);
                if (r < 0)
                        return r;
        }
        return r;
}

static const GrpcMethod v1_connect = {
        .path = "/chatroom.v1.ChatroomService/Connect",
        .bearer = true,
        .encode_hello = v1_encode_hello,
        .encode_text = v1_encode_text,
        .decode = v1_decode,
};

const Protocol protocol_v1 = {
        .name = "v1",
        .echoes = true,
        .hello = grpc_hello,
        .consume = grpc_consume,
        .say = grpc_say,
        .stall = grpc_stall,
        .forget = grpc_forget,
        .detail = &v1_connect,
};
