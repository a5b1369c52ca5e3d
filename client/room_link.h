/* SPDX-License-Identifier: MIT */
/*
 * The line to a room, over the Join protocol. That protocol has no word of welcome: that the server
 * has let one in is known when somebody's message arrives, and not before.
 */
#pragma once

#include "proto/rpc_client.h"

typedef struct RoomLink RoomLink;

typedef enum RoomLinkEventKind {
        ROOM_LINK_CONNECTED, /* and name and token are on their way */
        ROOM_LINK_SAID,      /* user, text */
        ROOM_LINK_SENT,      /* the next text may be sent */
        ROOM_LINK_ENDED,     /* status, reason, reached (see RpcEvent) */
} RoomLinkEventKind;

typedef struct RoomLinkEvent {
        RoomLinkEventKind kind;
        RpcBytes user, text;
        RpcStatus status;
        char *reason; /* from the network */
        bool reached;
        void *storage; /* what user and text point into */
} RoomLinkEvent;

/* Connects and joins; target as gRPC takes it. */
int room_link_new(RoomLink **ret, const char *target, const char *user, const char *token,
                  unsigned connect_timeout_ms);
RoomLink *room_link_free(RoomLink *l);

int room_link_fd(const RoomLink *l);
/* Outcome of 0: there is an event, and room_link_event_done() is to be called on it. */
enum {
        ROOM_LINK_E_NONE = 1,
};
int room_link_next(RoomLink *l, RoomLinkEvent *ret);
void room_link_event_done(RoomLinkEvent *e);

/* One at a time, and not before ROOM_LINK_CONNECTED. */
int room_link_send(RoomLink *l, RpcBytes text);
/* Says that nothing more will come; ROOM_LINK_ENDED with RPC_STATUS_OK is the server's word that it
 * has all that was sent. */
void room_link_leave(RoomLink *l);

DEFINE_CLEANUP(RoomLink *, room_link_free);
