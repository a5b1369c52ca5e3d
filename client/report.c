/* SPDX-License-Identifier: MIT */
/*
 * Whatever comes from the network goes through printable() before it gets into words. JSON needs no
 * such thing: it is exact, and in ASCII.
 */
#include "client/report.h"

#include <inttypes.h>
#include <string.h>

#include "proto/printable.h"

static RpcBytes bytes(ProtobufCBinaryData b) {
        return (RpcBytes){b.data, b.len};
}

static FormatField number(const char *key, uint64_t n) {
        return (FormatField){.key = key, .kind = FORMAT_NUMBER, .number = (int64_t) n};
}

static FormatField flag(const char *key, bool yes) {
        return (FormatField){.key = key, .kind = FORMAT_FLAG, .number = yes};
}

static FormatField text(const char *key, const RpcBytes *b) {
        return (FormatField){.key = key, .kind = FORMAT_TEXT, .texts = b};
}

static char *shown(RpcBytes b) {
        char *s;

        return printable(&s, b.data, b.size, " ", " ") < 0 ? NULL : s;
}

int report_welcome(const Report *r, const Chatroom__Welcome *w, bool again) {
        RpcBytes user = bytes(w->user), room = bytes(w->room), epoch = bytes(w->epoch);
        const FormatField fields[] = {
                number("session", w->session), text("user", &user),     text("room", &room),
                text("epoch", &epoch),         number("head", w->head), number("first", w->first),
                flag("resumed", again),
        };
        _cleanup_(freep) char *name = NULL;

        if (screen_is_json(r->screen))
                return screen_object(r->screen, "welcome", fields, ELEMENTS(fields));
        name = shown(user);
        if (!name)
                return -ENOMEM;
        if (again)
                screen_notice("back in the room at %s", r->address);
        else if (r->person && r->messages)
                screen_notice("in the room at %s as %s (/help: what can be typed)", r->address,
                              name);
        return 0;
}

int report_message(const Report *r, const Chatroom__Message *m, int64_t now_ms) {
        Said said = {
                .id = m->id,
                .time_ms = m->time_ms,
                .now_ms = now_ms,
                .user = bytes(m->user),
                .text = bytes(m->text),
        };

        return r->messages ? screen_said(r->screen, &said) : 0;
}

int report_sent(const Report *r, const Outgoing *o, uint64_t id, int64_t time_ms) {
        RpcBytes client_id = {o->client_id, strlen(o->client_id)}, said = {o->text, o->size};
        const FormatField fields[] = {
                number("id", id),
                number("time", (uint64_t) time_ms),
                text("client_id", &client_id),
                text("text", &said),
        };

        if (!screen_is_json(r->screen)) /* who says something knows what */
                return 0;
        return screen_object(r->screen, "sent", fields, ELEMENTS(fields));
}

int report_refused(const Report *r, const Outgoing *o, const Chatroom__Notice *n) {
        RpcBytes client_id = {o->client_id, strlen(o->client_id)}, said = {o->text, o->size};
        const char *name = rpc_status_name((RpcStatus) n->code);
        RpcBytes code = {name, strlen(name)}, reason = bytes(n->text);
        const FormatField fields[] = {
                text("client_id", &client_id),
                text("code", &code),
                text("reason", &reason),
                text("text", &said),
        };
        _cleanup_(freep) char *why = shown(reason);

        if (!why)
                return -ENOMEM;
        if (o->line > 0 && !r->person)
                screen_error("line %zu not taken: %s (%s)", o->line, why, name);
        else
                screen_error("not taken: %s (%s)", why, name);
        if (!screen_is_json(r->screen))
                return 0;
        return screen_object(r->screen, "refused", fields, ELEMENTS(fields));
}

int report_held(const Report *r, RpcBytes reason) {
        _cleanup_(freep) char *why = shown(reason);

        if (!why)
                return -ENOMEM;
        screen_notice("not taken yet: %s It is sent again until it is", why);
        return 0;
}

int report_gap(const Report *r, uint64_t from, uint64_t to, uint64_t missed) {
        FormatField fields[] = {
                number("from", from),
                number("to", to),
                number("missed", missed),
        };

        if (!r->messages)
                return 0;
        if (screen_is_json(r->screen)) {
                if (missed == 0)
                        fields[2].kind = FORMAT_NULL;
                return screen_object(r->screen, "gap", fields, ELEMENTS(fields));
        }
        if (missed == 0)
                return screen_remark(r->screen, "the room's log began anew: messages may have been "
                                                "missed, nobody knows how many");
        return screen_remark(r->screen, "%" PRIu64 " message%s missed", missed,
                             missed == 1 ? "" : "s");
}

static int texts(RpcBytes **ret, const ProtobufCBinaryData *from, size_t n) {
        *ret = calloc(n + 1, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                (*ret)[i] = bytes(from[i]);
        return 0;
}

int report_presence(const Report *r, const Chatroom__Presence *p) {
        _cleanup_(freep) RpcBytes *joined = NULL, *left = NULL;

        if (!screen_is_json(r->screen))
                return 0;
        if (texts(&joined, p->joined, p->n_joined) < 0 || texts(&left, p->left, p->n_left) < 0)
                return -ENOMEM;
        const FormatField fields[] = {
                flag("reset", p->reset),
                {.key = "joined", .kind = FORMAT_TEXTS, .texts = joined, .n = p->n_joined},
                {.key = "left", .kind = FORMAT_TEXTS, .texts = left, .n = p->n_left},
        };
        return screen_object(r->screen, "presence", fields, ELEMENTS(fields));
}

static int remark_on(const Report *r, RpcBytes name, const char *what) {
        _cleanup_(freep) char *who = NULL;

        if (!r->person || screen_is_json(r->screen))
                return 0;
        who = shown(name);
        return who ? screen_remark(r->screen, "%s %s", who, what) : -ENOMEM;
}

int report_came(const Report *r, RpcBytes name) {
        return remark_on(r, name, "joined");
}

int report_went(const Report *r, RpcBytes name) {
        return remark_on(r, name, "left");
}

int report_lost(const Report *r, RpcStatus status, const char *reason) {
        const char *name = rpc_status_name(status);
        RpcBytes code = {name, strlen(name)}, why = {reason, strlen(reason)};
        const FormatField fields[] = {text("code", &code), text("reason", &why)};
        _cleanup_(freep) char *words = shown(why);

        if (!words)
                return -ENOMEM;
        if (screen_is_json(r->screen))
                return screen_object(r->screen, "lost", fields, ELEMENTS(fields));
        screen_notice("connection to %s lost, making it again%s%s", r->address, *words ? ": " : "",
                      words);
        return 0;
}

int report_member(const Report *r, const Chatroom__Member *m) {
        _cleanup_(freep) char *who = NULL, *line = NULL;
        RpcBytes user = bytes(m->user);
        const FormatField fields[] = {text("user", &user), number("sessions", m->sessions)};

        if (screen_is_json(r->screen))
                return screen_object(r->screen, "member", fields, ELEMENTS(fields));
        who = shown(user);
        if (!who || asprintf(&line, "%s\t%u\n", who, m->sessions) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return screen_line(r->screen, line);
}
