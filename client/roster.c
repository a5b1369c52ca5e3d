/* SPDX-License-Identifier: MIT */
/*
 * A list: servers tell of some two hundred people at most. One that tells of more than
 * ROSTER_MAX is not believed any further, nor one whose names are no names.
 */
#include "client/roster.h"

#include <string.h>

#define ROSTER_MAX 4096
#define NAME_MAX_BYTES 256

typedef struct Member {
        bool current; /* came up since the last reset */
        size_t size;
        char name[];
} Member;

struct Roster {
        Member **members;
        size_t n, room;
        Member *taken; /* what roster_settle() gave out */
};

int roster_new(Roster **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

Roster *roster_free(Roster *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->n; i++)
                free(r->members[i]);
        free(r->members);
        free(r->taken);
        free(r);
        return NULL;
}

static size_t find(const Roster *r, RpcBytes name) {
        size_t i = 0;

        while (i < r->n && (r->members[i]->size != name.size ||
                            memcmp(r->members[i]->name, name.data, name.size) != 0))
                i++;
        return i;
}

static Member *take_out(Roster *r, size_t i) {
        Member *m = r->members[i];

        r->n--;
        memmove(&r->members[i], &r->members[i + 1], (r->n - i) * sizeof(Member *));
        return m;
}

void roster_reset(Roster *r) {
        for (size_t i = 0; i < r->n; i++)
                r->members[i]->current = false;
}

static int make_room(Roster *r) {
        size_t room = r->room ? r->room * 2 : 16;
        Member **members;

        if (r->n < r->room)
                return 0;
        members = realloc(r->members, room * sizeof(Member *));
        if (!members)
                return -ENOMEM;
        r->members = members;
        r->room = room;
        return 0;
}

int roster_join(Roster *r, RpcBytes name) {
        size_t i;
        Member *m;

        if (name.size == 0 || name.size > NAME_MAX_BYTES)
                return false;
        i = find(r, name);
        if (i < r->n) {
                r->members[i]->current = true;
                return false;
        }
        if (r->n == ROSTER_MAX)
                return false;
        if (make_room(r) < 0)
                return -ENOMEM;
        m = malloc(sizeof(*m) + name.size);
        if (!m)
                return -ENOMEM;
        m->current = true;
        m->size = name.size;
        memcpy(m->name, name.data, name.size);
        r->members[r->n++] = m;
        return true;
}

bool roster_leave(Roster *r, RpcBytes name) {
        size_t i = name.size > 0 ? find(r, name) : r->n;

        if (i == r->n)
                return false;
        free(take_out(r, i));
        return true;
}

bool roster_settle(Roster *r, RpcBytes *ret) {
        for (size_t i = 0; i < r->n; i++) {
                if (r->members[i]->current)
                        continue;
                free(r->taken);
                r->taken = take_out(r, i);
                *ret = (RpcBytes){r->taken->name, r->taken->size};
                return true;
        }
        return false;
}

size_t roster_count(const Roster *r) {
        return r->n;
}

RpcBytes roster_name(const Roster *r, size_t i) {
        return (RpcBytes){r->members[i]->name, r->members[i]->size};
}
