/* SPDX-License-Identifier: MIT */
/* The first chatroom's method goes by three names; see proto/chat.proto. */
#include "service/routes.h"

#include <string.h>

#include "service/connect.h"
#include "service/health.h"
#include "service/join.h"
#include "service/reflection.h"
#include "service/unary.h"

#define V1(method) "/chatroom.v1.ChatroomService/" method
#define HEALTH(method) "/grpc.health.v1.Health/" method
#define REFLECTION(version) "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo"

static const struct {
        const char *path;
        const StreamProtocol *protocol;
} routes[ROUTES] = {
        {"/chat.Chat/Join", &join_protocol},           {"/chat.ChatService/Join", &join_protocol},
        {"/ChatService/Join", &join_protocol},         {V1("Connect"), &connect_protocol},
        {V1("Subscribe"), &subscribe_protocol},        {V1("Send"), &send_protocol},
        {V1("ListMembers"), &list_members_protocol},   {HEALTH("Check"), &health_check_protocol},
        {HEALTH("Watch"), &health_watch_protocol},     {REFLECTION("v1"), &reflection_protocol},
        {REFLECTION("v1alpha"), &reflection_protocol},
};

void routes_list(RpcMethod ret[static ROUTES]) {
        for (int i = 0; i < ROUTES; i++)
                ret[i] = (RpcMethod){routes[i].path, i};
}

static bool is_on(const Config *config, int i) {
        return routes[i].protocol != &reflection_protocol || config->reflection;
}

const StreamProtocol *routes_protocol(const Config *config, int method) {
        return method >= 0 && method < ROUTES && is_on(config, method) ? routes[method].protocol
                                                                       : NULL;
}

bool routes_serve(const Config *config, const char *service, size_t n) {
        for (int i = 0; i < ROUTES; i++) {
                const char *name = routes[i].path + 1;

                if (is_on(config, i) && strcspn(name, "/") == n && memcmp(name, service, n) == 0)
                        return true;
        }
        return false;
}
