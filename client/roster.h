/* SPDX-License-Identifier: MIT */
/* Who is in the room, as far as the server tells. */
#pragma once

#include <stdbool.h>

#include "proto/rpc_client.h"

typedef struct Roster Roster;

int roster_new(Roster **ret);
Roster *roster_free(Roster *r);

/* All that comes up to roster_settle() is the whole room: who is not in it has left. */
void roster_reset(Roster *r);
/* True when that was news. < 0: out of memory. */
int roster_join(Roster *r, RpcBytes name);
bool roster_leave(Roster *r, RpcBytes name);
/* After a reset: takes out one who has not come up since, into *ret, which lives until the next
 * call. False: there is none left. */
bool roster_settle(Roster *r, RpcBytes *ret);

size_t roster_count(const Roster *r);
RpcBytes roster_name(const Roster *r, size_t i);

DEFINE_CLEANUP(Roster *, roster_free);
