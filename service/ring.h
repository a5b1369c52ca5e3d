/* SPDX-License-Identifier: MIT */
/*
 * The newest part of a room's log, in memory: immutable entries in the order of their ids, bounded
 * in number and in bytes. The one structure that threads share: the loop pushes, workers read; one
 * short lock, under which nothing blocks.
 *
 * An entry holds its message already encoded, behind a handle that only its maker understands.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The forms in which a message is delivered. */
typedef enum Wire {
        WIRE_SEED, /* proto/chat.proto */
        WIRE_V1,   /* proto/chatroom/v1/chatroom.proto */
        WIRES,
} Wire;

typedef struct RingEntry {
        atomic_uint refs;
        uint64_t id;      /* set by ring_push() */
        int64_t time_ms;  /* Unix time */
        uint64_t session; /* who sent it; 0: nobody's session */
        size_t bytes;
        void *payloads[WIRES];
        void (*payload_free)(void *payload);
} RingEntry;

typedef struct Ring Ring;

enum {
        RING_E_BEHIND = 1, /* what was asked for has been dropped already */
};

/* head: the id that was given last; 0: none. */
int ring_new(Ring **ret, size_t max_entries, size_t max_bytes, uint64_t head);
Ring *ring_free(Ring *r);

/* Takes the payloads, on success only. */
int ring_entry_new(RingEntry **ret, void *const payloads[static WIRES],
                   void (*payload_free)(void *), size_t bytes);
RingEntry *ring_entry_ref(RingEntry *e);
RingEntry *ring_entry_unref(RingEntry *e);

/* Takes the entry, gives it the next id and drops the oldest ones that no longer fit. An entry
 * larger than max_bytes still stays until the next one comes. */
uint64_t ring_push(Ring *r, RingEntry *e);

/* New bounds; drops what no longer fits. */
int ring_resize(Ring *r, size_t max_entries, size_t max_bytes);

/* The id of the newest entry; 0: none yet. Any thread. */
uint64_t ring_head(const Ring *r);

/* The id of the oldest entry kept; head + 1: none is. Any thread. */
uint64_t ring_first(const Ring *r);

/* The entries behind `after`, oldest first, at most `max`: a reference each. *ret_n 0: none yet.
 * Outcome: RING_E_BEHIND. Any thread. */
int ring_read(Ring *r, uint64_t after, RingEntry **ret, size_t max, size_t *ret_n);
