/* SPDX-License-Identifier: MIT */
/*
 * /chat.Chat/Join: a stream of {user, text} both ways. The first message that goes out names the
 * user and carries the token, all others carry text alone; what comes in is what others say.
 */
#include "client/room_link.h"

#include <string.h>

#include "chat.pb-c.h"

#define JOIN "/chat.Chat/Join"

struct RoomLink {
        RpcChannel *channel;
        RpcCall *call;
        bool connected;
        bool broken; /* the server sent what is no message, and was hung up on */
};

static int link_send(RoomLink *l, RpcBytes user, RpcBytes text) {
        Wire__ChatMessage message = WIRE__CHAT_MESSAGE__INIT;
        size_t size;
        uint8_t *packed;
        int r;

        message.user = (ProtobufCBinaryData){user.size, (uint8_t *) user.data};
        message.text = (ProtobufCBinaryData){text.size, (uint8_t *) text.data};
        size = wire__chat_message__get_packed_size(&message);
        packed = malloc(size + 1);
        if (!packed)
                return -ENOMEM;
        wire__chat_message__pack(&message, packed);
        r = rpc_call_send(l->call, (RpcBytes){packed, size});
        explicit_bzero(packed, size); /* the first one holds the token */
        free(packed);
        return r;
}

int room_link_new(RoomLink **ret, const char *target, const char *user, const char *token,
                  unsigned connect_timeout_ms) {
        _cleanup_(room_link_freep) RoomLink *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        /* A name may have two addresses of which one does not answer: time for both. */
        r = rpc_channel_new(&l->channel, target, connect_timeout_ms / 2 + 1);
        if (r < 0)
                return r;
        r = rpc_call_new(&l->call, l->channel, JOIN, NULL);
        if (r < 0)
                return r;
        r = link_send(l, (RpcBytes){user, strlen(user)}, (RpcBytes){token, strlen(token)});
        if (r < 0 && r != -EPIPE) /* -EPIPE: it has ended already, and will say why */
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

RoomLink *room_link_free(RoomLink *l) {
        if (!l)
                return NULL;
        rpc_call_free(l->call);
        rpc_channel_free(l->channel);
        free(l);
        return NULL;
}

int room_link_fd(const RoomLink *l) {
        return rpc_channel_fd(l->channel);
}

static int take_message(RoomLink *l, const RpcEvent *e, RoomLinkEvent *ret) {
        Wire__ChatMessage *m = wire__chat_message__unpack(NULL, e->size, e->data);

        if (!m) {
                l->broken = true;
                rpc_call_cancel(l->call);
                return ROOM_LINK_E_NONE;
        }
        *ret = (RoomLinkEvent){
                .kind = ROOM_LINK_SAID,
                .user = {m->user.data, m->user.len},
                .text = {m->text.data, m->text.len},
                .storage = m,
        };
        return 0;
}

static int take_end(const RoomLink *l, RpcEvent *e, RoomLinkEvent *ret) {
        *ret = (RoomLinkEvent){
                .kind = ROOM_LINK_ENDED,
                .status = e->status,
                .reached = e->reached,
        };
        ret->reason = TAKE_PTR(e->text);
        if (l->broken) {
                free(ret->reason);
                ret->reason = strdup("it sent something that is not a chat message");
                ret->status = RPC_STATUS_INTERNAL;
        }
        return 0;
}

static int take_event(RoomLink *l, RpcEvent *e, RoomLinkEvent *ret) {
        bool joining = !l->connected;

        switch (e->kind) {
        case RPC_MESSAGE:
                return take_message(l, e, ret);
        case RPC_SENT:
                l->connected = true;
                *ret = (RoomLinkEvent){.kind = joining ? ROOM_LINK_CONNECTED : ROOM_LINK_SENT};
                return 0;
        case RPC_ENDED:
                return take_end(l, e, ret);
        default:
                return ROOM_LINK_E_NONE;
        }
}

int room_link_next(RoomLink *l, RoomLinkEvent *ret) {
        int r = ROOM_LINK_E_NONE;
        RpcEvent e;

        while (r == ROOM_LINK_E_NONE && rpc_channel_next(l->channel, &e)) {
                r = take_event(l, &e, ret);
                rpc_event_done(&e);
        }
        return r;
}

void room_link_event_done(RoomLinkEvent *e) {
        if (e->kind == ROOM_LINK_SAID)
                wire__chat_message__free_unpacked(TAKE_PTR(e->storage), NULL);
        free(TAKE_PTR(e->reason));
}

int room_link_send(RoomLink *l, RpcBytes text) {
        return link_send(l, (RpcBytes){"", 0}, text);
}

void room_link_leave(RoomLink *l) {
        rpc_call_half_close(l->call);
}
