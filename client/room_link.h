/* SPDX-License-Identifier: MIT */
/*
 * The line to a room: a call, on a connection of its own, to one of the addresses that the host's
 * name stands for. The token goes with the call, and to no other address than was looked at: one
 * that is neither on this machine nor on the tailnet has to be trusted first.
 */
#pragma once

#include "client/request.h"
#include "client/target.h"
#include "proto/rpc_client.h"

typedef struct RoomLink RoomLink;

typedef struct RoomLinkOptions {
        const Target *target;
        const char *token;
        unsigned connect_timeout_ms;
        bool trusting; /* of any address */
} RoomLinkOptions;

typedef enum RoomLinkEventKind {
        ROOM_LINK_DOUBT,   /* text: an address. Nothing happens before room_link_trust() */
        ROOM_LINK_MESSAGE, /* data, size */
        ROOM_LINK_SENT,    /* the last request has been; the next may be */
        ROOM_LINK_ENDED,   /* status, text, reached (see RpcEvent) */
} RoomLinkEventKind;

typedef struct RoomLinkEvent {
        RoomLinkEventKind kind;
        uint8_t *data;
        size_t size;
        RpcStatus status;
        char *text; /* may be NULL */
        bool reached;
} RoomLinkEvent;

/* Copies nothing: options must stay. */
int room_link_new(RoomLink **ret, const RoomLinkOptions *options);
RoomLink *room_link_free(RoomLink *l);

/* Looks the host up, connects and begins the call, which it takes over (also when it fails). What
 * there was before is closed. -EINVAL: the token cannot be sent. */
int room_link_open(RoomLink *l, Request *first);
/* No events come any more. */
void room_link_close(RoomLink *l);
/* Goes on, after ROOM_LINK_DOUBT. */
int room_link_trust(RoomLink *l);

/* -1: nothing is open. May be another one after each call. */
int room_link_fd(const RoomLink *l);
/* Outcome of 0: there is an event, and room_link_event_done() is to be called on it. */
enum {
        ROOM_LINK_E_NONE = 1,
};
int room_link_next(RoomLink *l, RoomLinkEvent *ret);
void room_link_event_done(RoomLinkEvent *e);

/* One at a time, the first one that opened the call included: see ROOM_LINK_SENT. */
int room_link_send(RoomLink *l, const Request *request);
/* Says that nothing more will be sent; ROOM_LINK_ENDED with RPC_STATUS_OK is the server's word that
 * it has all that was. */
void room_link_leave(RoomLink *l);

DEFINE_CLEANUP(RoomLink *, room_link_free);
