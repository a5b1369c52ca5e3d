/* SPDX-License-Identifier: MIT */
/* How the daemon is, and having it read its configuration again or say what would come of it. */
#include <stdarg.h>
#include <string.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/history.h"
#include "service/memory.h"
#include "service/service.h"
#include "service/settings.h"

#define SLOW_USEC UINT64_C(2000000)
#define TROUBLE_MAX 512

typedef ProtobufCBinaryData NoteFields[ELEMENTS((SettingsNotes){0}.text)];

static size_t list_notes(NoteFields ret, const SettingsNotes *notes) {
        for (size_t i = 0; i < notes->n; i++)
                ret[i] = message_text(notes->text[i]);
        return notes->n;
}

void admin_reload(AdminCall *a) {
        Admin__ReloadResponse response = ADMIN__RELOAD_RESPONSE__INIT;
        NoteFields fields;
        SettingsNotes notes;
        ConfigError error = {0};
        int r = settings_reload(a->service, &notes, &error);

        response.notes = fields;
        response.n_notes = list_notes(fields, &notes);
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

/* Addresses or networks; no list of them is longer than `allow`. */
typedef struct Places {
        char text[CONFIG_ALLOW_MAX][ADDRESS_TEXT_MAX];
        ProtobufCBinaryData field[CONFIG_ALLOW_MAX];
        size_t n;
} Places;

static void add_address(Places *places, const Address *address) {
        char *text = places->text[places->n];

        address_format(address, true, text);
        places->field[places->n++] = message_text(text);
}

static void list_listening(Places *ret, const Activation *sockets) {
        Address address;

        for (size_t i = 0; i < sockets->n_chat; i++)
                if (activation_address(sockets->chat[i], &address) == 0)
                        add_address(ret, &address);
}

_printf_(3, 4) static void add_trouble(char *text, size_t size, const char *format, ...) {
        size_t used = strlen(text);
        va_list args;

        if (used > 0 && used + 1 < size)
                text[used++] = ' ';
        va_start(args, format);
        vsnprintf(text + used, size - used, format, args);
        va_end(args);
}

/* What the operator should know; "": nothing. */
static const char *describe_trouble(const Service *s, char *text, size_t size) {
        int result = access_check(s->access);
        uint64_t waiting = access_waiting_usec(s->access);

        text[0] = '\0';
        if (result != 0)
                add_trouble(text, size, "What changes now is undone by the next restart: %s.",
                            access_strerror(result));
        if (waiting > SLOW_USEC)
                add_trouble(text, size, "The disk has not answered for %llu seconds.",
                            (unsigned long long) (waiting / 1000000));
        if (history_last_result(s->history) < 0)
                add_trouble(text, size, "Messages cannot be stored: %s.",
                            strerror(-history_last_result(s->history)));
        if (token_table_size(access_tokens(s->access)) == 0)
                add_trouble(text, size,
                            "There are no tokens, so nobody can join: chatctl token add NAME.");
        return text;
}

void admin_get_status(AdminCall *a) {
        Admin__GetStatusResponse response = ADMIN__GET_STATUS_RESPONSE__INIT;
        const Service *s = a->service;
        Places listening = {.n = 0};
        char trouble[TROUBLE_MAX];

        list_listening(&listening, &s->sockets);
        response.version = message_text(CHATROOM_VERSION);
        response.started_ms = s->started_ms;
        response.now_ms = service_now_ms();
        response.listen = listening.field;
        response.n_listen = listening.n;
        response.connections = (uint32_t) connections_count(s->connections);
        response.max_connections = s->config->limits.max_connections;
        response.sessions = (uint32_t) room_count_sessions(s->room);
        response.users = (uint32_t) room_count_users(s->room);
        response.messages = ring_head(room_ring(s->room)) - s->started_at;
        response.refused = s->n_refused;
        response.max_lag = largest_lag(s);
        response.lag_limit = s->config->limits.max_lag_messages;
        response.durable = access_check(s->access) == 0;
        response.trouble = message_text(describe_trouble(s, trouble, sizeof(trouble)));
        response.memory_bytes = memory_resident();
        admin_reply(a, &response.base);
}

/* ---- check */

static void list_configured(Places *listen, Places *allow, const Config *config) {
        for (size_t i = 0; i < config->n_listen; i++)
                add_address(listen, &config->listen[i]);
        for (size_t i = 0; i < config->n_allow; i++) {
                char *text = allow->text[allow->n];

                network_format(&config->allow[i], text);
                allow->field[allow->n++] = message_text(text);
        }
}

static void reply_check(AdminCall *a, const SettingsCheck *check) {
        Admin__CheckResponse response = ADMIN__CHECK_RESPONSE__INIT;
        const Service *s = a->service;
        Places listen = {.n = 0}, allow = {.n = 0}, listening = {.n = 0};
        ProtobufCBinaryData unread[ELEMENTS(check->unread)];
        NoteFields notes;
        char trouble[TROUBLE_MAX];

        list_configured(&listen, &allow, check->config ? check->config : s->config);
        list_listening(&listening, &s->sockets);
        for (size_t i = 0; i < check->n_unread; i++)
                unread[i] = message_text(check->unread[i]);
        response.error = message_text(check->error.text);
        response.unread = unread;
        response.n_unread = check->n_unread;
        response.notes = notes;
        response.n_notes = list_notes(notes, &check->notes);
        response.listen = listen.field;
        response.n_listen = listen.n;
        response.allow = allow.field;
        response.n_allow = allow.n;
        response.listening = listening.field;
        response.n_listening = listening.n;
        response.activated = s->sockets.inherited;
        response.trouble = message_text(describe_trouble(s, trouble, sizeof(trouble)));
        admin_reply(a, &response.base);
}

void admin_check(AdminCall *a) {
        _cleanup_(settings_check_done) SettingsCheck check;

        if (settings_check(a->service, &check) < 0)
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
        else
                reply_check(a, &check);
}
