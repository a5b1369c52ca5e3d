/* SPDX-License-Identifier: MIT */
/*
 * Those who have gone stay as tombstones, so that differences can name them. There is a limit to
 * tombstones; beyond it they are dropped, and whoever knew an older version is told everything.
 */
#include "service/presence.h"

#include <string.h>
#include <uthash.h>

#include "proto/base.h"

#define TOMBSTONES_MAX 1000

typedef struct Entry {
        Name name;
        bool here;        /* in the room */
        bool told;        /* said to be */
        uint64_t version; /* when that was said */
        uint64_t gone_usec;
        UT_hash_handle hh;
} Entry;

struct Presence {
        Entry *entries;
        size_t n_here, n_told;
        uint64_t version;
        uint64_t complete_from; /* differences to an older version cannot be made */
};

int presence_new(Presence **ret) {
        Presence *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->version = 1;
        p->complete_from = 1;
        *ret = p;
        return 0;
}

static void entry_free(Presence *p, Entry *e) {
        HASH_DEL(p->entries, e);
        free(e);
}

Presence *presence_free(Presence *p) {
        Entry *e, *next;

        if (!p)
                return NULL;
        HASH_ITER (hh, p->entries, e, next) {
                entry_free(p, e);
        }
        free(p);
        return NULL;
}

static bool is_off(const Presence *p) {
        return p->n_here > PRESENCE_MAX;
}

static Entry *find(const Presence *p, const Name *name) {
        Entry *e;

        HASH_FIND_STR(p->entries, name->key, e);
        return e;
}

static void tell(Presence *p, Entry *e, bool here) {
        e->told = here;
        e->version = ++p->version;
        p->n_told += here ? 1 : (size_t) -1;
}

int presence_come(Presence *p, const Name *name) {
        Entry *e = find(p, name);

        if (!e) {
                e = calloc(1, sizeof(*e));
                if (!e)
                        return -ENOMEM;
                e->name = *name;
                HASH_ADD_STR(p->entries, name.key, e);
        }
        e->here = true;
        p->n_here++;
        if (!e->told) {
                e->name = *name;
                tell(p, e, true);
        }
        return 0;
}

/* Below the limit again, everybody has to be told everything. */
static void switch_on(Presence *p) {
        p->complete_from = ++p->version;
}

void presence_go(Presence *p, const Name *name, uint64_t now_usec) {
        Entry *e = find(p, name);
        bool was_off = is_off(p);

        if (!e || !e->here)
                return;
        e->here = false;
        e->gone_usec = now_usec;
        p->n_here--;
        if (was_off && !is_off(p))
                switch_on(p);
}

static void drop_tombstones(Presence *p) {
        Entry *e, *next;

        if (HASH_COUNT(p->entries) - p->n_told <= TOMBSTONES_MAX)
                return;
        HASH_ITER (hh, p->entries, e, next) {
                if (!e->told && !e->here)
                        entry_free(p, e);
        }
        p->complete_from = ++p->version;
}

void presence_settle(Presence *p, uint64_t now_usec) {
        Entry *e, *next;

        HASH_ITER (hh, p->entries, e, next) {
                if (e->told && !e->here && now_usec - e->gone_usec >= PRESENCE_GONE_USEC)
                        tell(p, e, false);
        }
        drop_tombstones(p);
}

uint64_t presence_version(const Presence *p) {
        return p->version;
}

int presence_since(const Presence *p, uint64_t version, PresenceChange *ret) {
        size_t n = is_off(p) ? 0 : HASH_COUNT(p->entries);
        PresenceChange change = {.reset = version < p->complete_from};

        change.joined = calloc(n + 1, sizeof(*change.joined));
        change.left = calloc(n + 1, sizeof(*change.left));
        if (!change.joined || !change.left) {
                free(change.joined);
                free(change.left);
                return -ENOMEM;
        }
        for (Entry *e = is_off(p) ? NULL : p->entries; e; e = e->hh.next) {
                if (e->told && (change.reset || e->version > version))
                        change.joined[change.n_joined++] = e->name.text;
                else if (!e->told && !change.reset && e->version > version)
                        change.left[change.n_left++] = e->name.text;
        }
        *ret = change;
        return 0;
}
