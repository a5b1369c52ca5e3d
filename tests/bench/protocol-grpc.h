/* SPDX-License-Identifier: MIT */
/*
 * gRPC over plaintext HTTP/2, one bidirectional call on each connection. What the messages of the
 * call hold is a GrpcMethod: a protocol is grpc_*() with a row of its own behind `detail`.
 */
#pragma once

#include "tests/bench/load.h"

#define GRPC_MESSAGE_MAX 256U /* of those that this side sends */

typedef struct GrpcMethod {
        const char *path; /* "/package.Service/Method" */
        bool bearer;      /* the token goes along as metadata */
        /* Both write at most GRPC_MESSAGE_MAX bytes and return how many. */
        size_t (*encode_hello)(const Connection *c, uint8_t *ret);
        size_t (*encode_text)(const Connection *c, const char text[static TEXT_SIZE], uint8_t *ret);
        /* Hands every chat text in the message to connection_delivered(). */
        int (*decode)(Connection *c, const uint8_t *message, size_t n);
} GrpcMethod;

int grpc_hello(Connection *c);
ssize_t grpc_consume(Connection *c, const uint8_t *bytes, size_t n);
int grpc_say(Connection *c, const char text[static TEXT_SIZE]);
/* Takes the server's windows back: from here on it may send nothing more. */
int grpc_stall(Connection *c);
void grpc_forget(Connection *c);

/* Protocol Buffers: writes a field of type string or bytes, returns its size. */
size_t protobuf_put(uint8_t *ret, unsigned field, const void *bytes, size_t n);
/* The same with one of type uint64. */
size_t protobuf_put_number(uint8_t *ret, unsigned field, uint64_t value);

typedef struct ProtobufField {
        unsigned number;
        unsigned type; /* 0: varint, in `value`; 2: `bytes` and `size` */
        uint64_t value;
        const uint8_t *bytes;
        size_t size;
} ProtobufField;

/* Reads the field at *at and moves *at behind it. 1: there was one, 0: there is none left. */
int protobuf_next(const uint8_t **at, const uint8_t *end, ProtobufField *ret);
