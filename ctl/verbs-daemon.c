/* SPDX-License-Identifier: MIT */
/* The verbs about the daemon itself: reload, status, check. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "ctl/control.h"
#include "ctl/duration.h"
#include "ctl/findings.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/unit.h"
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

static int show_check_json(const ProtobufCMessage *answer, const Findings *f, bool unit) {
        json_t *document = json_of_message(answer), *lines = json_array();
        int r = 0;

        for (size_t i = 0; r == 0 && i < f->n; i++)
                r = json_array_append_new(lines, json_of_text(f->lines[i]));
        if (json_object_set_new(document, "findings", lines) < 0 || r < 0 ||
            json_object_set_new(document, "unit", json_boolean(unit)) < 0) {
                json_decref(document);
                document = NULL;
        }
        return json_show(document);
}

/* Whether there is a unit to compare with; else says why there is none. */
static bool look_at_unit(const Invocation *v, const Chatroom__V1__CheckResponse *a, Unit *ret) {
        int r;

        if (!a->activated) {
                if (!v->json)
                        remark(UNIT " was left out: the daemon was not started by systemd.");
                return false;
        }
        r = unit_read(ret, v->timeout_ms);
        if (r == UNIT_E_NONE && !v->json)
                remark(UNIT " was left out: systemd knows no such unit.");
        else if (r < 0 && !v->json)
                remark(UNIT " was left out: systemd cannot be asked about it: %s", strerror(-r));
        return r == 0;
}

int verb_check(Invocation *v) {
        Chatroom__V1__CheckRequest request = CHATROOM__V1__CHECK_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        _cleanup_(findings_done) Findings findings = {.n = 0};
        _cleanup_(unit_done) Unit unit = {.n_listen = 0};
        const Chatroom__V1__CheckResponse *a;
        bool has_unit;
        int r;

        r = control_call(v, ADMIN("Check"), &request.base,
                         &chatroom__v1__check_response__descriptor, &answer);
        if (r != 0)
                return r;
        a = (const Chatroom__V1__CheckResponse *) answer;
        has_unit = look_at_unit(v, a, &unit);
        r = findings_collect(&findings, a, has_unit ? &unit : NULL);
        if (r == 0 && v->json)
                r = show_check_json(answer, &findings, has_unit);
        if (r != 0)
                return r;
        for (size_t i = 0; !v->json && i < findings.n; i++)
                say("%s", findings.lines[i]);
        if (!v->json && findings.n == 0)
                say("Nothing is wrong");
        return findings.n > 0 ? CTL_E_REFUSED : 0;
}
