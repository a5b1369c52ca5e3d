/* SPDX-License-Identifier: MIT */
/*
 * A circular array. Ids are dense, so an entry's place follows from its id and reading from a
 * cursor is a subtraction. The head is an atomic of its own, because workers ask for it far more
 * often than it changes.
 */
#include "service/ring.h"

#include <assert.h>
#include <pthread.h>

#include "proto/base.h"

struct Ring {
        pthread_mutex_t lock;
        RingEntry **entries; /* entry with id i stands at i % capacity */
        size_t capacity, max_bytes;
        _Atomic uint64_t first; /* id of the oldest entry kept; head + 1 when there is none */
        _Atomic uint64_t head;
        size_t bytes;
};

int ring_new(Ring **ret, size_t max_entries, size_t max_bytes, uint64_t head) {
        _cleanup_(freep) Ring *r = calloc(1, sizeof(*r));

        assert(max_entries > 0);
        if (!r)
                return -ENOMEM;
        r->entries = calloc(max_entries, sizeof(*r->entries));
        if (!r->entries)
                return -ENOMEM;
        r->capacity = max_entries;
        r->max_bytes = max_bytes;
        r->first = head + 1;
        r->head = head;
        pthread_mutex_init(&r->lock, NULL);
        *ret = TAKE_PTR(r);
        return 0;
}

static RingEntry **slot(const Ring *r, uint64_t id) {
        return &r->entries[id % r->capacity];
}

Ring *ring_free(Ring *r) {
        if (!r)
                return NULL;
        for (uint64_t id = r->first; id <= r->head; id++)
                ring_entry_unref(*slot(r, id));
        free(r->entries);
        pthread_mutex_destroy(&r->lock);
        free(r);
        return NULL;
}

int ring_entry_new(RingEntry **ret, void *const payloads[static WIRES],
                   void (*payload_free)(void *), size_t bytes) {
        RingEntry *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        atomic_init(&e->refs, 1);
        for (int i = 0; i < WIRES; i++)
                e->payloads[i] = payloads[i];
        e->payload_free = payload_free;
        e->bytes = bytes;
        *ret = e;
        return 0;
}

RingEntry *ring_entry_ref(RingEntry *e) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        return e;
}

RingEntry *ring_entry_unref(RingEntry *e) {
        if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) > 1)
                return NULL;
        for (int i = 0; i < WIRES; i++)
                e->payload_free(e->payloads[i]);
        free(e);
        return NULL;
}

/* Called with the lock held. Returns the oldest entry if `room` more bytes need its place. */
static RingEntry *take_oldest(Ring *r, size_t entries, size_t bytes) {
        uint64_t head = r->head;
        RingEntry *e;

        if (r->first > head)
                return NULL;
        if (head - r->first + 1 + entries <= r->capacity && r->bytes + bytes <= r->max_bytes)
                return NULL;
        e = *slot(r, r->first);
        r->first++;
        r->bytes -= e->bytes;
        return e;
}

uint64_t ring_push(Ring *r, RingEntry *e) {
        RingEntry *dropped;

        pthread_mutex_lock(&r->lock);
        while ((dropped = take_oldest(r, 1, e->bytes)))
                ring_entry_unref(dropped);
        e->id = r->head + 1;
        *slot(r, e->id) = e;
        r->bytes += e->bytes;
        atomic_store_explicit(&r->head, e->id, memory_order_release);
        pthread_mutex_unlock(&r->lock);
        return e->id;
}

int ring_resize(Ring *r, size_t max_entries, size_t max_bytes) {
        RingEntry **entries = calloc(max_entries, sizeof(*entries)), **old, *dropped;

        assert(max_entries > 0);
        if (!entries)
                return -ENOMEM;
        pthread_mutex_lock(&r->lock);
        r->max_bytes = max_bytes;
        while (r->head - r->first + 1 > max_entries || r->bytes > max_bytes) {
                dropped = *slot(r, r->first++);
                r->bytes -= dropped->bytes;
                ring_entry_unref(dropped);
        }
        for (uint64_t id = r->first; id <= r->head; id++)
                entries[id % max_entries] = *slot(r, id);
        old = r->entries;
        r->entries = entries;
        r->capacity = max_entries;
        pthread_mutex_unlock(&r->lock);
        free(old);
        return 0;
}

uint64_t ring_head(const Ring *r) {
        return atomic_load_explicit(&r->head, memory_order_acquire);
}

uint64_t ring_first(const Ring *r) {
        return atomic_load_explicit(&r->first, memory_order_acquire);
}

int ring_read(Ring *r, uint64_t after, RingEntry **ret, size_t max, size_t *ret_n) {
        size_t n = 0;

        pthread_mutex_lock(&r->lock);
        if (after + 1 < r->first) {
                pthread_mutex_unlock(&r->lock);
                return RING_E_BEHIND;
        }
        while (n < max && after + 1 + n <= r->head) {
                ret[n] = ring_entry_ref(*slot(r, after + 1 + n));
                n++;
        }
        pthread_mutex_unlock(&r->lock);
        *ret_n = n;
        return 0;
}
