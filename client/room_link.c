/* SPDX-License-Identifier: MIT */
/*
 * Addresses are tried one after the other, each on a channel of its own: gRPC is given numbers and
 * no name, so it cannot go anywhere else, also not later.
 */
#include "client/room_link.h"

#include <string.h>

#include "client/address.h"
#include "client/resolve.h"

struct RoomLink {
        const RoomLinkOptions *options;
        bool trusting;
        bool doubting; /* waits for room_link_trust() */
        Request first;
        Resolve *resolve;
        bool looked; /* resolve has been seen to be done */
        size_t address;
        RpcChannel *channel;
        RpcCall *call;
};

int room_link_new(RoomLink **ret, const RoomLinkOptions *options) {
        RoomLink *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->options = options;
        l->trusting = options->trusting;
        *ret = l;
        return 0;
}

static void hang_up(RoomLink *l) {
        rpc_call_free(TAKE_PTR(l->call));
        rpc_channel_free(TAKE_PTR(l->channel));
}

void room_link_close(RoomLink *l) {
        hang_up(l);
        l->resolve = resolve_free(l->resolve);
        l->doubting = false;
        request_done(&l->first);
}

RoomLink *room_link_free(RoomLink *l) {
        if (l)
                room_link_close(l);
        free(l);
        return NULL;
}

int room_link_open(RoomLink *l, Request *first) {
        room_link_close(l);
        l->first = *first;
        first->data = NULL;
        l->looked = false;
        l->address = 0;
        return resolve_new(&l->resolve, l->options->target->host, l->options->target->port);
}

static int begin_call(RoomLink *l) {
        _cleanup_(freep) char *bearer = NULL;
        RpcMetadata metadata = {.key = "authorization"};
        RpcCallOptions options = {.metadata = &metadata, .n_metadata = 1};
        int r;

        if (asprintf(&bearer, "Bearer %s", l->options->token) < 0) {
                bearer = NULL;
                return -ENOMEM;
        }
        metadata.value = bearer;
        r = rpc_call_new(&l->call, l->channel, l->first.method, &options);
        explicit_bzero(bearer, strlen(bearer));
        if (r < 0)
                return r;
        r = rpc_call_send(l->call, (RpcBytes){l->first.data, l->first.size});
        if (r < 0 && r != -EPIPE) /* -EPIPE: it has ended already, and will say why */
                return r;
        if (l->first.alone)
                rpc_call_half_close(l->call);
        return 0;
}

/* Every address has its share of the time. */
static unsigned attempt_ms(const RoomLink *l) {
        unsigned n = 1;

        while (resolve_address(l->resolve, n))
                n++;
        return l->options->connect_timeout_ms / n + 1;
}

static int try_address(RoomLink *l) {
        _cleanup_(freep) char *uri = NULL;
        int r;

        hang_up(l);
        r = address_uri(&uri, resolve_address(l->resolve, l->address));
        if (r < 0)
                return r;
        r = rpc_channel_new(&l->channel, uri, attempt_ms(l));
        if (r < 0)
                return r;
        return begin_call(l);
}

int room_link_trust(RoomLink *l) {
        l->trusting = true;
        if (!l->doubting)
                return 0;
        l->doubting = false;
        return try_address(l);
}

int room_link_fd(const RoomLink *l) {
        if (l->channel)
                return rpc_channel_fd(l->channel);
        return l->resolve && !l->looked ? resolve_fd(l->resolve) : -1;
}

static int end_unresolved(RoomLink *l, RoomLinkEvent *ret) {
        *ret = (RoomLinkEvent){.kind = ROOM_LINK_ENDED, .status = RPC_STATUS_UNAVAILABLE};
        if (asprintf(&ret->text, "DNS resolution failed: %s", resolve_error(l->resolve)) < 0)
                ret->text = NULL;
        return 0;
}

/* Any address may be the one that answers, so one that is public is enough for doubts. */
static int on_resolved(RoomLink *l, RoomLinkEvent *ret) {
        const struct sockaddr *address;
        int r;

        l->looked = true;
        if (resolve_error(l->resolve))
                return end_unresolved(l, ret);
        for (size_t i = 0; !l->trusting && (address = resolve_address(l->resolve, i)); i++) {
                if (address_is_private(address))
                        continue;
                *ret = (RoomLinkEvent){.kind = ROOM_LINK_DOUBT};
                l->doubting = true;
                return address_text(&ret->text, address);
        }
        r = try_address(l);
        return r < 0 ? r : ROOM_LINK_E_NONE;
}

static int take_event(RoomLink *l, RpcEvent *e, RoomLinkEvent *ret) {
        int r;

        switch (e->kind) {
        case RPC_MESSAGE:
                *ret = (RoomLinkEvent){.kind = ROOM_LINK_MESSAGE, .size = e->size};
                ret->data = TAKE_PTR(e->data);
                return 0;
        case RPC_SENT:
                *ret = (RoomLinkEvent){.kind = ROOM_LINK_SENT};
                return 0;
        case RPC_ENDED:
                if (!e->reached && resolve_address(l->resolve, l->address + 1)) {
                        l->address++;
                        r = try_address(l);
                        return r < 0 ? r : ROOM_LINK_E_NONE;
                }
                *ret = (RoomLinkEvent){
                        .kind = ROOM_LINK_ENDED, .status = e->status, .reached = e->reached};
                ret->text = TAKE_PTR(e->text);
                return 0;
        default:
                return ROOM_LINK_E_NONE;
        }
}

int room_link_next(RoomLink *l, RoomLinkEvent *ret) {
        int r = ROOM_LINK_E_NONE;
        RpcEvent e;

        if (l->resolve && !l->looked && resolve_done(l->resolve))
                r = on_resolved(l, ret);
        while (r == ROOM_LINK_E_NONE && l->channel && rpc_channel_next(l->channel, &e)) {
                r = take_event(l, &e, ret);
                rpc_event_done(&e);
        }
        return r;
}

void room_link_event_done(RoomLinkEvent *e) {
        free(TAKE_PTR(e->data));
        free(TAKE_PTR(e->text));
}

int room_link_send(RoomLink *l, const Request *request) {
        return rpc_call_send(l->call, (RpcBytes){request->data, request->size});
}

void room_link_leave(RoomLink *l) {
        if (l->call)
                rpc_call_half_close(l->call);
}
