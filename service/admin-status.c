/* SPDX-License-Identifier: MIT */
/* How the daemon is, and making it read its configuration again. */
#include <string.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/memory.h"
#include "service/service.h"

void admin_reload(AdminCall *a) {
        Admin__ReloadResponse response = ADMIN__RELOAD_RESPONSE__INIT;
        ConfigError error = {0};
        int r = service_reload(a->service, &error);

        if (r == 0)
                admin_reply(a, &response.base);
        else
                admin_refuse(a, r > 0 ? RPC_INVALID_ARGUMENT : RPC_INTERNAL, error.text);
}

static uint64_t largest_lag(const Service *s) {
        uint64_t head = ring_head(room_ring(s->room)), largest = 0;

        for (const Stream *stream = s->streams; stream; stream = stream->next) {
                uint64_t lag = stream_lag(stream, head);

                largest = lag > largest ? lag : largest;
        }
        return largest;
}

typedef struct Listening {
        char text[ACTIVATION_MAX][ADDRESS_TEXT_MAX];
        ProtobufCBinaryData field[ACTIVATION_MAX];
        size_t n;
} Listening;

static void list_listening(Listening *ret, const Activation *sockets) {
        Address address;

        for (size_t i = 0; i < sockets->n_chat; i++)
                if (activation_address(sockets->chat[i], &address) == 0) {
                        address_format(&address, true, ret->text[ret->n]);
                        ret->field[ret->n] = admin_text(ret->text[ret->n]);
                        ret->n++;
                }
}

void admin_get_status(AdminCall *a) {
        Admin__GetStatusResponse response = ADMIN__GET_STATUS_RESPONSE__INIT;
        const Service *s = a->service;
        Listening listening = {.n = 0};

        list_listening(&listening, &s->sockets);
        response.version = admin_text(CHATROOM_VERSION);
        response.started_ms = s->started_ms;
        response.now_ms = service_now_ms();
        response.listen = listening.field;
        response.n_listen = listening.n;
        response.connections = (uint32_t) connections_count(s->connections);
        response.max_connections = s->config->limits.max_connections;
        response.sessions = (uint32_t) room_count_sessions(s->room);
        response.users = (uint32_t) room_count_users(s->room);
        response.messages = ring_head(room_ring(s->room));
        response.refused = s->n_refused;
        response.max_lag = largest_lag(s);
        response.lag_limit = s->config->limits.max_lag_messages;
        response.memory_bytes = memory_resident();
        admin_reply(a, &response.base);
}
