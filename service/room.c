/* SPDX-License-Identifier: MIT */
/*
 * Users are found by the key of their name, so that two spellings of one name cannot be two people.
 * A user exists as long as a session of his is in the room.
 */
#include "service/room.h"

#include <assert.h>
#include <string.h>
#include <uthash.h>

#include "proto/base.h"

typedef struct Member {
        User user;
        UT_hash_handle hh;
} Member;

struct Room {
        char *name;
        Ring *ring;
        Member *members;
        size_t n_sessions;
        int64_t last_ms;
};

DEFINE_CLEANUP(Room *, room_free);

int room_new(Room **ret, const char *name, const Limits *limits, uint64_t head) {
        _cleanup_(room_freep) Room *room = calloc(1, sizeof(*room));
        int r;

        if (!room)
                return -ENOMEM;
        room->name = strdup(name);
        if (!room->name)
                return -ENOMEM;
        r = ring_new(&room->ring, limits->max_lag_messages, limits->max_lag_bytes, head);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(room);
        return 0;
}

Room *room_free(Room *room) {
        if (!room)
                return NULL;
        assert(!room->members);
        ring_free(room->ring);
        free(room->name);
        free(room);
        return NULL;
}

const char *room_name(const Room *room) {
        return room->name;
}

Ring *room_ring(const Room *room) {
        return room->ring;
}

static Member *find_member(const Room *room, const Name *name) {
        Member *m;

        HASH_FIND_STR(room->members, name->key, m);
        return m;
}

const User *room_find(const Room *room, const Name *name) {
        Member *m = find_member(room, name);

        return m ? &m->user : NULL;
}

/* Are those who are in under this name and the newcomer one user, by what let them in? */
static bool same_user(const User *user, const Session *newcomer) {
        return !newcomer->any_name && !user->sessions->any_name;
}

int room_join(Room *room, Session *session, const Name *name, unsigned max_sessions_per_user) {
        Member *m = find_member(room, name);

        if (m && !same_user(&m->user, session))
                return ROOM_E_TAKEN;
        if (m && m->user.n_sessions >= max_sessions_per_user)
                return ROOM_E_FULL;
        if (!m) {
                m = calloc(1, sizeof(*m));
                if (!m)
                        return -ENOMEM;
                m->user.name = *name;
                HASH_ADD_STR(room->members, user.name.key, m);
        }
        session->user = &m->user;
        session->user_next = m->user.sessions;
        m->user.sessions = session;
        m->user.n_sessions++;
        room->n_sessions++;
        return 0;
}

void room_leave(Room *room, Session *session) {
        Member *m = CONTAINER_OF(session->user, Member, user);
        Session **link = &m->user.sessions;

        while (*link != session)
                link = &(*link)->user_next;
        *link = session->user_next;
        session->user_next = NULL;
        session->user = NULL;
        m->user.n_sessions--;
        room->n_sessions--;
        if (m->user.n_sessions == 0) {
                HASH_DEL(room->members, m);
                free(m);
        }
}

int room_foreach(const Room *room, int (*fn)(const User *user, void *userdata), void *userdata) {
        Member *m, *next;
        int r;

        HASH_ITER (hh, room->members, m, next) {
                r = fn(&m->user, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

size_t room_count_users(const Room *room) {
        return HASH_COUNT(room->members);
}

size_t room_count_sessions(const Room *room) {
        return room->n_sessions;
}

int64_t room_stamp(Room *room, int64_t now_ms) {
        if (now_ms > room->last_ms)
                room->last_ms = now_ms;
        return room->last_ms;
}

uint64_t room_publish(Room *room, RingEntry *entry) {
        return ring_push(room->ring, entry);
}
