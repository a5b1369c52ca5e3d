/* SPDX-License-Identifier: MIT */
/*
 * MQTT 3.1.1, QoS 0. This version cannot spare the sender his own message, so he gets it.
 */
#include <stdio.h>
#include <string.h>

#include "proto/base.h"
#include "tests/bench/load.h"

#define TOPIC_SIZE (sizeof(ROOM) - 1)
#define PUBLISH_SIZE (2 + TOPIC_SIZE + TEXT_SIZE)

enum { CONNACK = 0x20, PUBLISH = 0x30, SUBACK = 0x90 };

static int mqtt_hello(Connection *c) {
        /* Protocol name and level, clean session, no keepalive, an identifier of 6 bytes. */
        uint8_t connect[] = {0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4,   2,
                             0,    0,  0, 6, 'b', '0', '0', '0', '0', '0'};
        uint8_t subscribe[] = {0x82, 5 + TOPIC_SIZE, 0, 1, 0, TOPIC_SIZE};
        char name[16];

        snprintf(name, sizeof(name), "b%05u", c->index % 100000);
        memcpy(connect + sizeof(connect) - 6, name, 6);
        int r = connection_write(c, connect, sizeof(connect));
        if (r == 0)
                r = connection_write(c, subscribe, sizeof(subscribe));
        if (r == 0)
                r = connection_write(c, ROOM, TOPIC_SIZE);
        return r < 0 ? r : connection_write(c, "", 1); /* QoS 0 */
}

static int mqtt_packet(Connection *c, uint8_t type, const uint8_t *body, size_t n) {
        if ((type & 0xf0) == PUBLISH && n == PUBLISH_SIZE)
                connection_delivered(c, body + n - TEXT_SIZE, TEXT_SIZE);
        else if (type == CONNACK && (n != 2 || body[1] != 0))
                return -ECONNREFUSED;
        else if (type == SUBACK && (n != 3 || body[2] != 0))
                return -ECONNREFUSED;
        else if (type == SUBACK)
                connection_ready(c);
        return 0;
}

static ssize_t mqtt_consume(Connection *c, const uint8_t *bytes, size_t n) {
        size_t used = 0;

        while (n - used >= 2) {
                size_t size = bytes[used + 1];
                if (size >= 128) /* a longer one, and there are none here, has more bytes of size */
                        return -EBADMSG;
                if (n - used < 2 + size)
                        break;
                int r = mqtt_packet(c, bytes[used], bytes + used + 2, size);
                if (r < 0)
                        return r;
                used += 2 + size;
        }
        return (ssize_t) used;
}

static int mqtt_say(Connection *c, const char text[static TEXT_SIZE]) {
        uint8_t packet[2 + PUBLISH_SIZE] = {PUBLISH, PUBLISH_SIZE, 0, TOPIC_SIZE};

        memcpy(packet + 4, ROOM, TOPIC_SIZE);
        memcpy(packet + 4 + TOPIC_SIZE, text, TEXT_SIZE);
        return connection_write(c, packet, sizeof(packet));
}

const Protocol protocol_mqtt = {
        .name = "mqtt",
        .echoes = true,
        .hello = mqtt_hello,
        .consume = mqtt_consume,
        .say = mqtt_say,
};
