/* SPDX-License-Identifier: MIT */
/* The client protocol of NATS: lines, and a payload behind each MSG. */
#include <stdio.h>
#include <string.h>

#include "proto/base.h"
#include "tests/bench/load.h"

static int nats_hello(Connection *c) {
        static const char lines[] = "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,"
                                    "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n"
                                    "SUB " ROOM " 1\r\nPING\r\n";

        return connection_write(c, lines, sizeof(lines) - 1);
}

/* The size of the payload that follows "MSG SUBJECT SID SIZE": its last word. */
static size_t nats_payload_size(const char *line, size_t n) {
        const char *word = memrchr(line, ' ', n);

        return word ? strtoul(word + 1, NULL, 10) : 0;
}

static int nats_line(Connection *c, const char *line, size_t n) {
        if (n >= 4 && memcmp(line, "PONG", 4) == 0)
                connection_ready(c);
        else if (n >= 4 && memcmp(line, "PING", 4) == 0)
                return connection_write(c, "PONG\r\n", 6);
        else if (n >= 4 && memcmp(line, "-ERR", 4) == 0)
                return -ECONNREFUSED;
        return 0;
}

static ssize_t nats_consume(Connection *c, const uint8_t *bytes, size_t n) {
        const char *start = (const char *) bytes, *end = start + n, *eol;

        while ((eol = memchr(start, '\n', (size_t) (end - start)))) {
                const char *next = eol + 1;
                if (memcmp(start, "MSG ", 4) == 0) { /* a line is at least as long: "PING\r\n" */
                        size_t size = nats_payload_size(start, (size_t) (eol - start));
                        if ((size_t) (end - next) < size + 2)
                                break;
                        connection_delivered(c, (const uint8_t *) next, size);
                        next += size + 2;
                } else {
                        int r = nats_line(c, start, (size_t) (eol - start));
                        if (r < 0)
                                return r;
                }
                start = next;
        }
        return start - (const char *) bytes;
}

static int nats_say(Connection *c, const char text[static TEXT_SIZE]) {
        char line[128];

        int n = snprintf(line, sizeof(line), "PUB " ROOM " %d\r\n%.*s\r\n", TEXT_SIZE, TEXT_SIZE,
                         text);
        return connection_write(c, line, (size_t) n);
}

const Protocol protocol_nats = {
        .name = "nats",
        .hello = nats_hello,
        .consume = nats_consume,
        .say = nats_say,
};
