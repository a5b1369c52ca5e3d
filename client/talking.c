/* SPDX-License-Identifier: MIT */
/*
 * From the input to the room. Lines are taken as long as the session has room for them, connected
 * or not; so input that comes faster than the room acknowledges is felt by whoever writes it.
 */
#include <string.h>

#include "client/chat-state.h"
#include "client/line.h"
#include "proto/printable.h"

/* One for the slash that sends a slash, one for the CR of a DOS file. */
#define LINE_MORE 2
/* termios(3): what comes beyond that is dropped, and nobody is told. */
#define TERMINAL_LINE_MAX 4095

static bool reads_input(const Chat *c) {
        return c->options->command == COMMAND_TALK ||
               (c->options->command == COMMAND_SEND && !c->options->text);
}

bool talking_wants_input(const Chat *c) {
        return c->input && !c->said_all && !c->leaving && c->phase != PHASE_OVER &&
               session_may_say(c->session);
}

static void on_wrong_line(Chat *c, const Complaint *complaint) {
        if (c->person || c->n_lines == 0)
                screen_error("%s", complaint->text);
        else
                screen_error("line %zu %s", c->n_lines, complaint->text);
        c->lines_lost = c->lines_lost || !c->person;
}

static void print_roster(const Chat *c) {
        if (roster_count(c->roster) == 0)
                screen_notice("the server does not tell who is there");
        for (size_t i = 0; i < roster_count(c->roster); i++) {
                RpcBytes name = roster_name(c->roster, i);
                _cleanup_(freep) char *shown = NULL;

                if (printable(&shown, name.data, name.size, NULL, NULL) == 0)
                        screen_notice("%s", shown);
        }
}

static int say(Chat *c, const Line *line) {
        if (c->person && c->phase != PHASE_IN)
                screen_notice("not connected: it will be sent when the connection is back");
        return session_say(c->session, (RpcBytes){line->text, line->size}, c->n_lines);
}

static int on_line(Chat *c, const Line *line, const Complaint *complaint) {
        switch (line->kind) {
        case LINE_TEXT:
                return say(c, line);
        case LINE_QUIT:
                c->leaving = true;
                return 0;
        case LINE_HELP:
                fputs(line_help, stderr);
                return 0;
        case LINE_WHO:
                print_roster(c);
                return 0;
        case LINE_WRONG:
                on_wrong_line(c, complaint);
                return 0;
        default:
                return 0;
        }
}

static Line parse(const Chat *c, const char *bytes, size_t n, Complaint *complaint) {
        if (c->person && n >= TERMINAL_LINE_MAX) {
                (void) complain(complaint, 0,
                                "not sent: terminals cut longer lines off after %d bytes, and this "
                                "may have been one",
                                TERMINAL_LINE_MAX);
                return (Line){.kind = LINE_WRONG};
        }
        return c->options->command == COMMAND_SEND ? line_take(bytes, n, c->max_text, complaint)
                                                   : line_parse(bytes, n, c->max_text, complaint);
}

static int take_lines(Chat *c) {
        Complaint complaint;
        const char *bytes;
        size_t n;
        int r = 0;

        while (r == 0 && talking_wants_input(c) && (bytes = input_line(c->input, &n))) {
                Line line = parse(c, bytes, n, &complaint);

                c->n_lines++;
                r = on_line(c, &line, &complaint);
        }
        if (c->input && input_ended(c->input))
                c->said_all = true;
        return r;
}

static int send_next(Chat *c) {
        Request request;
        Outgoing *o;
        int r;

        if (c->phase != PHASE_IN || c->sending || c->hold_ms > 0)
                return 0;
        o = session_next(c->session);
        if (!o)
                return 0;
        r = request_say(&request, o);
        if (r < 0)
                return r;
        r = room_link_send(c->link, &request);
        request_done(&request);
        if (r < 0)
                return r == -EPIPE ? 0 : r; /* -EPIPE: has ended, the event is on its way */
        o->sent = true;
        c->sending = true;
        return 0;
}

int talking_pump(Chat *c) {
        int r = take_lines(c);

        return r == 0 ? send_next(c) : r;
}

static int say_text(Chat *c) {
        const char *text = c->options->text;
        Complaint complaint;
        Line line = line_take_all(text, strlen(text), c->max_text, &complaint);

        c->said_all = true;
        return on_line(c, &line, &complaint);
}

int talking_welcomed(Chat *c) {
        if (c->options->text && !c->said_all)
                return say_text(c);
        if (!reads_input(c) || c->input)
                return 0;
        return input_new(&c->input, STDIN_FILENO, c->max_text + LINE_MORE);
}
