/* SPDX-License-Identifier: MIT */
/*
 * A room: who is in it, and its log. Touched by the loop only, but for the ring, which knows how to
 * be shared.
 *
 * A message is stamped when it is accepted and published when nothing can stop it any more: two
 * calls, because what keeps messages stands between them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "service/limits.h"
#include "service/ring.h"
#include "service/session.h"

struct User {
        Name name;
        Session *sessions;
        size_t n_sessions;
};

typedef struct Room Room;

enum {
        ROOM_E_TAKEN = 1, /* the name is held by somebody who is not this user */
        ROOM_E_FULL,      /* the user has as many sessions as one may have */
};

/* head: the id of the last message there was before. */
int room_new(Room **ret, const char *name, const Limits *limits, uint64_t head);
Room *room_free(Room *room);
const char *room_name(const Room *room);
Ring *room_ring(const Room *room);

/* Lets the session in under a name. The sessions of one user share a name only if a token that is
 * bound to it let each of them in. Outcomes: ROOM_E_*. */
int room_join(Room *room, Session *session, const Name *name, unsigned max_sessions_per_user);
void room_leave(Room *room, Session *session);

const User *room_find(const Room *room, const Name *name);
/* In no particular order; stops at, and returns, the first non-zero that fn returns. */
int room_foreach(const Room *room, int (*fn)(const User *user, void *userdata), void *userdata);
size_t room_count_users(const Room *room);
size_t room_count_sessions(const Room *room);

/* The time that a message accepted now carries: never before that of an earlier one. */
int64_t room_stamp(Room *room, int64_t now_ms);
/* Takes the entry. Returns its id. */
uint64_t room_publish(Room *room, RingEntry *entry);
