/* SPDX-License-Identifier: MIT */
/*
 * The first chatroom's protocol, proto/chat.proto: message Message { user = 1; text = 2; } both
 * ways; the first one of a call says who wants to join and with which token.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/protocol-grpc.h"

enum { FIELD_USER = 1, FIELD_TEXT = 2 };

static size_t seed_encode(const Connection *c, const char *text, size_t n, uint8_t *ret) {
        char user[16];

        int size = snprintf(user, sizeof(user), "b%05u", c->index);
        size_t used = protobuf_put(ret, FIELD_USER, user, (size_t) size);
        return used + protobuf_put(ret + used, FIELD_TEXT, text, n);
}

static size_t seed_encode_hello(const Connection *c, uint8_t *ret) {
        return seed_encode(c, c->load->token, strnlen(c->load->token, 128), ret);
}

static size_t seed_encode_text(const Connection *c, const char text[static TEXT_SIZE],
                               uint8_t *ret) {
        return seed_encode(c, text, TEXT_SIZE, ret);
}

static int seed_decode(Connection *c, const uint8_t *message, size_t n) {
        const uint8_t *at = message, *end = message + n;
        ProtobufField field;
        int r;

        while ((r = protobuf_next(&at, end, &field)) > 0)
                if (field.number == FIELD_TEXT && field.type == 2)
                        connection_delivered(c, field.bytes, field.size);
        return r;
}

static const GrpcMethod seed_join = {
        .path = "/chat.Chat/Join",
        .encode_hello = seed_encode_hello,
        .encode_text = seed_encode_text,
        .decode = seed_decode,
};

const Protocol protocol_seed = {
        .name = "seed",
        .hello = grpc_hello,
        .consume = grpc_consume,
        .say = grpc_say,
        .stall = grpc_stall,
        .forget = grpc_forget,
        .detail = &seed_join,
};
