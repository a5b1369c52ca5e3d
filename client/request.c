/* SPDX-License-Identifier: MIT */
/*
 * chatroom.v1 by protobuf-c, which does not write to what it encodes, though its types do not say
 * so.
 */
#include "client/request.h"

#include <string.h>

#include "wire-chatroom.pb-c.h"

#define PATH(method) "/chatroom.v1.ChatroomService/" method

static ProtobufCBinaryData binary(RpcBytes b) {
        return (ProtobufCBinaryData){b.size, (uint8_t *) b.data};
}

static int pack(Request *ret, const ProtobufCMessage *message, const char *method, bool alone) {
        size_t size = protobuf_c_message_get_packed_size(message);
        uint8_t *data = malloc(size + 1);

        if (!data)
                return -ENOMEM;
        protobuf_c_message_pack(message, data);
        *ret = (Request){.method = method, .alone = alone, .data = data, .size = size};
        return 0;
}

typedef struct Start {
        Chatroom__Resume resume;
        Chatroom__History history;
} Start;

static Start make_start(const SessionStart *from) {
        Start s = {.resume = CHATROOM__RESUME__INIT, .history = CHATROOM__HISTORY__INIT};

        s.resume.epoch = binary(from->epoch);
        s.resume.after_id = from->after_id;
        s.resume.secret = binary(from->secret);
        s.history.count = from->count;
        return s;
}

int request_connect(Request *ret, const char *user, const SessionStart *start, bool presence) {
        Chatroom__ConnectRequest request = CHATROOM__CONNECT_REQUEST__INIT;
        Chatroom__Hello hello = CHATROOM__HELLO__INIT;
        Start s = make_start(start);

        hello.user = binary((RpcBytes){user, strlen(user)});
        hello.presence = presence;
        if (start->resume) {
                hello.start_case = CHATROOM__HELLO__START_RESUME;
                hello.resume = &s.resume;
        } else {
                hello.start_case = CHATROOM__HELLO__START_HISTORY;
                hello.history = &s.history;
        }
        request.event_case = CHATROOM__CONNECT_REQUEST__EVENT_HELLO;
        request.hello = &hello;
        return pack(ret, &request.base, PATH("Connect"), false);
}

int request_subscribe(Request *ret, const SessionStart *start) {
        Chatroom__SubscribeRequest request = CHATROOM__SUBSCRIBE_REQUEST__INIT;
        Start s = make_start(start);

        if (start->resume) {
                request.start_case = CHATROOM__SUBSCRIBE_REQUEST__START_RESUME;
                request.resume = &s.resume;
        } else {
                request.start_case = CHATROOM__SUBSCRIBE_REQUEST__START_HISTORY;
                request.history = &s.history;
        }
        return pack(ret, &request.base, PATH("Subscribe"), true);
}

int request_list_members(Request *ret) {
        Chatroom__ListMembersRequest request = CHATROOM__LIST_MEMBERS_REQUEST__INIT;

        return pack(ret, &request.base, PATH("ListMembers"), true);
}

int request_say(Request *ret, const Outgoing *o) {
        Chatroom__ConnectRequest request = CHATROOM__CONNECT_REQUEST__INIT;
        Chatroom__Outgoing outgoing = CHATROOM__OUTGOING__INIT;

        outgoing.client_id = binary((RpcBytes){o->client_id, strlen(o->client_id)});
        outgoing.text = binary((RpcBytes){o->text, o->size});
        request.event_case = CHATROOM__CONNECT_REQUEST__EVENT_SEND;
        request.send = &outgoing;
        return pack(ret, &request.base, NULL, false);
}

void request_done(Request *r) {
        free(TAKE_PTR(r->data));
}
