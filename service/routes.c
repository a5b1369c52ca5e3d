/* SPDX-License-Identifier: MIT */
/* The first chatroom's method goes by three names; see proto/chat.proto. */
#include "service/routes.h"

#include "service/connect.h"
#include "service/join.h"
#include "service/unary.h"

#define V1(method) "/chatroom.v1.ChatroomService/" method

static const struct {
        const char *path;
        const StreamProtocol *protocol;
} routes[ROUTES] = {
        {"/chat.Chat/Join", &join_protocol},         {"/chat.ChatService/Join", &join_protocol},
        {"/ChatService/Join", &join_protocol},       {V1("Connect"), &connect_protocol},
        {V1("Subscribe"), &subscribe_protocol},      {V1("Send"), &send_protocol},
        {V1("ListMembers"), &list_members_protocol},
};

void routes_list(RpcMethod ret[static ROUTES]) {
        for (int i = 0; i < ROUTES; i++)
                ret[i] = (RpcMethod){routes[i].path, i};
}

const StreamProtocol *routes_protocol(int method) {
        return method >= 0 && method < ROUTES ? routes[method].protocol : NULL;
}
