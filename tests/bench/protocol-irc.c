/* SPDX-License-Identifier: MIT */
/*
 * IRC, as much of it as ngircd needs. Everybody registers before anybody joins: a JOIN is told to
 * all members and answered with the names of all, which is enough work for a server.
 */
#include <stdio.h>
#include <string.h>

#include "proto/base.h"
#include "tests/bench/load.h"

static int irc_hello(Connection *c) {
        char line[128];

        int n = snprintf(line, sizeof(line), "NICK b%05u\r\nUSER b 0 * :b\r\n", c->index);
        return connection_write(c, line, (size_t) n);
}

static int irc_enter(Connection *c) {
        static const char line[] = "JOIN #" ROOM "\r\n";

        return connection_write(c, line, sizeof(line) - 1);
}

static bool line_has(const char *line, size_t n, const char *word) {
        return memmem(line, n, word, strlen(word)) != NULL;
}

/* A line without its end. Only ":nick!user@host PRIVMSG #bench :TEXT" can be frequent. */
static int irc_line(Connection *c, const char *line, size_t n) {
        static const char delivery[] = " PRIVMSG #" ROOM " :", pong[] = "PONG ";
        const size_t tail = sizeof(delivery) - 1 + TEXT_SIZE;

        if (n > tail && memcmp(line + n - tail, delivery, sizeof(delivery) - 1) == 0) {
                connection_delivered(c, (const uint8_t *) line + n - TEXT_SIZE, TEXT_SIZE);
                return 0;
        }
        if (n > 5 && memcmp(line, "PING ", 5) == 0) {
                int r = connection_write(c, pong, sizeof(pong) - 1);
                if (r == 0)
                        r = connection_write(c, line + 5, n - 5);
                return r < 0 ? r : connection_write(c, "\r\n", 2);
        }
        if (n > 6 && memcmp(line, "ERROR ", 6) == 0)
                return -ECONNREFUSED;
        if (c->state != CONNECTION_OPEN)
                return 0;
        /* End of the message of the day (or none), end of the names. */
        size_t head = n < 64 ? n : 64;
        if (line_has(line, head, " 376 ") || line_has(line, head, " 422 ") ||
            line_has(line, head, " 366 "))
                connection_ready(c);
        return 0;
}

static ssize_t irc_consume(Connection *c, const uint8_t *bytes, size_t n) {
        const char *start = (const char *) bytes, *end = start + n, *eol;

        while ((eol = memchr(start, '\n', (size_t) (end - start)))) {
                size_t size = (size_t) (eol - start);
                int r = irc_line(c, start, size > 0 && eol[-1] == '\r' ? size - 1 : size);
                if (r < 0)
                        return r;
                start = eol + 1;
        }
        return start - (const char *) bytes;
}

static int irc_say(Connection *c, const char text[static TEXT_SIZE]) {
        char line[128];

        int n = snprintf(line, sizeof(line), "PRIVMSG #" ROOM " :%.*s\r\n", TEXT_SIZE, text);
        return connection_write(c, line, (size_t) n);
}

const Protocol protocol_irc = {
        .name = "irc",
        .hello = irc_hello,
        .enter = irc_enter,
        .consume = irc_consume,
        .say = irc_say,
};
