/* SPDX-License-Identifier: MIT */
/*
 * What the yardsticks speak: a frame is four bytes of length, then the sender's name in 16 bytes
 * and the text, which makes 80 bytes on the wire; a delivery of the seed's gRPC protocol has 84.
 * Whoever is connected is in the room.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proto/base.h"
#include "tests/bench/load.h"

#define NAME_SIZE 16
#define FRAME_SIZE (NAME_SIZE + TEXT_SIZE)

static int raw_hello(Connection *c) {
        connection_ready(c);
        return 0;
}

static ssize_t raw_consume(Connection *c, const uint8_t *bytes, size_t n) {
        size_t used = 0;

        for (uint32_t size; n - used >= sizeof(size); used += sizeof(size) + size) {
                memcpy(&size, bytes + used, sizeof(size));
                size = ntohl(size);
                if (size != FRAME_SIZE)
                        return -EBADMSG;
                if (n - used < sizeof(size) + size)
                        break;
                connection_delivered(c, bytes + used + sizeof(size) + NAME_SIZE, TEXT_SIZE);
        }
        return (ssize_t) used;
}

static int raw_say(Connection *c, const char text[static TEXT_SIZE]) {
        struct {
                uint32_t size;
                char name[NAME_SIZE];
                char text[TEXT_SIZE];
        } frame = {.size = htonl(FRAME_SIZE)};

        snprintf(frame.name, sizeof(frame.name), "b%05u", c->index);
        memcpy(frame.text, text, TEXT_SIZE);
        return connection_write(c, &frame, sizeof(frame));
}

const Protocol protocol_raw = {
        .name = "raw",
        .hello = raw_hello,
        .consume = raw_consume,
        .say = raw_say,
};
