/* SPDX-License-Identifier: MIT */
/* The verbs about the daemon itself: reload, status. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "ctl/control.h"
#include "ctl/duration.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/verbs.h"

#define NEAR 0.8 /* of a limit: time to think about it */
#define VALUE_MAX 128

static void show_notes(const Chatroom__V1__ReloadResponse *a) {
        for (size_t i = 0; i < a->n_notes; i++)
                remark("%s", a->notes[i]);
}

int verb_reload(Invocation *v) {
        Chatroom__V1__ReloadRequest request = CHATROOM__V1__RELOAD_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        int r = control_call(v, ADMIN("Reload"), &request.base,
                             &chatroom__v1__reload_response__descriptor, &answer);

        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        say("Reloaded");
        show_notes((const Chatroom__V1__ReloadResponse *) answer);
        return 0;
}

typedef struct Screen {
        Table *table;
        int r; /* the first error */
} Screen;

static void row(Screen *s, const char *key, const char *format, ...) _printf_(3, 4);
static void row(Screen *s, const char *key, const char *format, ...) {
        _cleanup_(freep) char *value = NULL;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(&value, format, arguments);
        va_end(arguments);
        if (n < 0)
                value = NULL;
        if (s->r == 0)
                s->r = value ? table_add(s->table, (const char *[]){key, value}) : -ENOMEM;
}

static const char *nearness(uint64_t n, uint64_t limit) {
        return limit > 0 && (double) n >= NEAR * (double) limit ? ", near the limit" : "";
}

static void rows_of_load(Screen *s, const Chatroom__V1__GetStatusResponse *a) {
        row(s, "connections", "%" PRIu32 " of at most %" PRIu32 "%s", a->connections,
            a->max_connections, nearness(a->connections, a->max_connections));
        row(s, "sessions", "%" PRIu32, a->sessions);
        row(s, "users", "%" PRIu32, a->users);
        row(s, "messages", "%" PRIu64 " since the start", a->messages);
        row(s, "refused", "%" PRIu64 " streams since the start", a->refused);
        row(s, "furthest behind", "%" PRIu64 " of at most %" PRIu64 " messages%s", a->max_lag,
            a->lag_limit, nearness(a->max_lag, a->lag_limit));
        row(s, "memory", "%.1f MiB", (double) a->memory_bytes / (1024 * 1024));
}

static int show_status(const Chatroom__V1__GetStatusResponse *a) {
        static const Column columns[2];
        _cleanup_(table_freep) Table *t = NULL;
        time_t started = (time_t) (a->started_ms / 1000);
        char up[DURATION_TEXT_MAX], since[VALUE_MAX];
        Screen s = {.r = table_new(&t, columns, ELEMENTS(columns))};
        struct tm tm;

        s.table = t;
        duration_format(up, (a->now_ms - a->started_ms) / 1000 * 1000);
        if (!localtime_r(&started, &tm) || !strftime(since, sizeof(since), "%F %T %Z", &tm))
                *since = '\0';
        row(&s, "version", "%s", a->version);
        row(&s, "up", "%s, since %s", up, since);
        for (size_t i = 0; i < a->n_listen; i++)
                row(&s, "listening on", "%s", a->listen[i]);
        rows_of_load(&s, a);
        row(&s, "changes", "%s", a->durable ? "survive a restart" : "DO NOT survive a restart");
        if (*a->trouble)
                row(&s, "trouble", "%s", a->trouble);
        if (s.r < 0)
                return s.r;
        table_show_whole(t);
        return 0;
}

int verb_status(Invocation *v) {
        Chatroom__V1__GetStatusRequest request = CHATROOM__V1__GET_STATUS_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        int r = control_call(v, ADMIN("GetStatus"), &request.base,
                             &chatroom__v1__get_status_response__descriptor, &answer);

        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        return show_status((const Chatroom__V1__GetStatusResponse *) answer);
}
