/* SPDX-License-Identifier: MIT */
/*
 * The output's descriptor may be shared with other programs, so it stays blocking: a write of at
 * most PIPE_BUF bytes after poll() said that there is room does not block. Every message goes out
 * as soon as there is room; nothing waits for a buffer to fill.
 */
#include "client/screen.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

struct Screen {
        int fd;
        FormatStyle style;
        char *buffer;
        size_t begin, end, size;
};

static FormatStyle style_for(int fd, bool json) {
        const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
        bool terminal = isatty(fd), mono = no_colour && *no_colour;

        return (FormatStyle){
                .json = json,
                .lines = terminal,
                .colour = terminal && !mono && term && strcmp(term, "dumb") != 0,
        };
}

int screen_new(Screen **ret, int fd, bool json) {
        Screen *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->fd = fd;
        s->style = style_for(fd, json);
        *ret = s;
        return 0;
}

Screen *screen_free(Screen *s) {
        if (s)
                free(s->buffer);
        free(s);
        return NULL;
}

static int make_room(Screen *s, size_t n) {
        size_t used = s->end - s->begin, size = (used + n) * 2;
        char *buffer;

        if (s->size - s->end >= n)
                return 0;
        if (s->begin >= used && s->size - used >= n)
                memcpy(s->buffer, s->buffer + s->begin, used);
        else {
                buffer = malloc(size);
                if (!buffer)
                        return -ENOMEM;
                if (used > 0)
                        memcpy(buffer, s->buffer + s->begin, used);
                free(s->buffer);
                s->buffer = buffer;
                s->size = size;
        }
        s->begin = 0;
        s->end = used;
        return 0;
}

bool screen_is_json(const Screen *s) {
        return s->style.json;
}

int screen_line(Screen *s, const char *line) {
        size_t n = strlen(line);
        int r;

        if (s->fd < 0)
                return 0;
        r = make_room(s, n);
        if (r < 0)
                return r;
        memcpy(s->buffer + s->end, line, n);
        s->end += n;
        return 0;
}

int screen_said(Screen *s, const Said *said) {
        _cleanup_(freep) char *text = NULL;
        int r = format_said(&text, &s->style, said);

        return r < 0 ? r : screen_line(s, text);
}

int screen_object(Screen *s, const char *type, const FormatField *fields, size_t n) {
        _cleanup_(freep) char *text = NULL;
        int r = format_object(&text, type, fields, n);

        return r < 0 ? r : screen_line(s, text);
}

int screen_remark(Screen *s, const char *format, ...) {
        _cleanup_(freep) char *text = NULL, *line = NULL;
        va_list args;
        int r;

        va_start(args, format);
        r = vasprintf(&text, format, args);
        va_end(args);
        if (r < 0)
                return -ENOMEM;
        if (!s->style.lines || s->style.json) {
                screen_notice("%s", text);
                return 0;
        }
        if (asprintf(&line, "-- %s\n", text) < 0)
                return -ENOMEM;
        return screen_line(s, line);
}

size_t screen_pending(const Screen *s) {
        return s->end - s->begin;
}

int screen_write(Screen *s) {
        size_t n = screen_pending(s);
        ssize_t written;

        written = write(s->fd, s->buffer + s->begin, n < PIPE_BUF ? n : PIPE_BUF);
        if (written < 0)
                return errno == EINTR || errno == EAGAIN ? 0 : -errno;
        s->begin += (size_t) written;
        if (s->begin == s->end)
                s->begin = s->end = 0;
        return 0;
}

int screen_flush(Screen *s, int timeout_ms) {
        struct pollfd out = {.fd = s->fd, .events = POLLOUT};
        int r = 0;

        while (r == 0 && screen_pending(s) > 0 && poll(&out, 1, timeout_ms) > 0)
                r = screen_write(s);
        return r;
}

void screen_drop(Screen *s) {
        s->fd = -1;
        s->begin = s->end = 0;
}

int screen_fd(const Screen *s) {
        return s->fd;
}

static void say(const char *prefix, const char *format, va_list args) {
        _cleanup_(freep) char *text = NULL;

        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        fprintf(stderr, "%s%s\n", prefix, text ? text : format);
}

void screen_notice(const char *format, ...) {
        va_list args;

        va_start(args, format);
        say("-- ", format, args);
        va_end(args);
}

void screen_error(const char *format, ...) {
        va_list args;

        va_start(args, format);
        say("chat: ", format, args);
        va_end(args);
}
