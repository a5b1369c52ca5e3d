/* SPDX-License-Identifier: MIT */
/*
 * The way of a message into the log and out of it. What is accepted is written before anybody sees
 * it: messages that come while a group is being written form the next group. When a group is on the
 * disk its messages are published, in order, and their senders told. The loop's; the disk is waited
 * for on a thread of its own, apart from the one that keeps the tokens, so that neither waits for
 * the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/log.h"
#include "service/name.h"
#include "service/token.h"

typedef struct History History;
typedef struct Room Room;
typedef struct Service Service;
typedef struct Stream Stream;

typedef struct Draft {
        const char *user;
        const char *text;
        size_t n_text;
        const char *client_id;  /* NULL: none; else at most LOG_CLIENT_ID_MAX bytes */
        const TokenHash *token; /* with a client_id: whose it is */
} Draft;

/* Opens the log, or, if history is off, one in memory. What goes wrong has been logged. */
int history_new(History **ret, Service *s);
/* Makes the room with the end of the log in memory. */
int history_make_room(History *h, Room **ret, const char *name);
int history_start(History *h);
/* Writes what is under way and ends the thread. */
History *history_free(History *h);
void history_configure(History *h);

const char *history_epoch(const History *h);
uint64_t history_first(const History *h);
/* Is anything on its way into the log? */
bool history_busy(const History *h);
/* What the last attempt to write came to: 0 or a negative errno. */
int history_last_result(const History *h);

/* Takes a message. The stream's protocol hears of it by posted(), unless the stream is gone by
 * then. Copies. */
int history_post(History *h, Stream *s, const Draft *draft);
/* Feeds the stream's reader with what follows its cursor. */
int history_fetch(History *h, Stream *s);
/* The stream is going away. */
void history_forget(History *h, Stream *s);
/* Once a second: drops what need not be kept. */
void history_tick(History *h);
