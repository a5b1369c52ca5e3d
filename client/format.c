/* SPDX-License-Identifier: MIT */
/*
 * Both forms are safe to look at. JSON is written in ASCII: escapes are exact for a program, and a
 * terminal does not know them.
 */
#include "client/format.h"

#include <jansson.h>
#include <string.h>
#include <time.h>
#include <unistr.h>

#include "proto/printable.h"

/* As wide as "HH:MM ": a line of a message cannot be taken for a message. */
#define CONTINUATION "\n      "

/* 31 to 36: red, green, yellow, blue, magenta, cyan; the same name has always the same one. */
static unsigned colour_of(RpcBytes user) {
        const uint8_t *p = user.data;
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < user.size; i++)
                hash = (hash ^ p[i]) * 16777619u;
        return 31 + hash % 6;
}

static void format_time(char *clock, size_t size, const Said *said) {
        time_t seconds = (time_t) (said->time_ms / 1000), now = (time_t) (said->now_ms / 1000);
        struct tm tm, today;

        if (!localtime_r(&seconds, &tm) || !localtime_r(&now, &today))
                return;
        if (tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday)
                strftime(clock, size, "%H:%M", &tm);
        else
                strftime(clock, size, "%Y-%m-%d %H:%M", &tm);
}

static int format_line(char **ret, const FormatStyle *style, const Said *said) {
        _cleanup_(freep) char *user = NULL, *text = NULL;
        char before[8] = "", after[8] = "", clock[32] = "??:??";
        int r;

        r = printable(&user, said->user.data, said->user.size, NULL, NULL);
        if (r < 0)
                return r;
        r = printable(&text, said->text.data, said->text.size, "\t",
                      style->lines ? CONTINUATION : NULL);
        if (r < 0)
                return r;
        format_time(clock, sizeof(clock), said);
        if (style->colour) {
                snprintf(before, sizeof(before), "\x1b[%um", colour_of(said->user));
                snprintf(after, sizeof(after), "\x1b[0m");
        }
        r = asprintf(ret, "%s <%s%s%s> %s\n", clock, before, user, after, text);
        return r < 0 ? -ENOMEM : 0;
}

/* JSON has no way to write what is not Unicode. */
static json_t *json_text(RpcBytes bytes) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(fclosep) FILE *out = NULL;
        const uint8_t *p = bytes.data;
        size_t left = bytes.size, size;

        out = open_memstream(&text, &size);
        if (!out)
                return NULL;
        while (left > 0) {
                ucs4_t c;
                int step = u8_mbtoucr(&c, p, left);

                if (step > 0)
                        fwrite(p, 1, (size_t) step, out);
                else {
                        fputs("\xef\xbf\xbd", out);
                        step = 1;
                }
                p += step;
                left -= (size_t) step;
        }
        if (fflush(out) != 0)
                return NULL;
        return json_stringn(text, size);
}

/* DEL is the one control character that JSON lets stand, and only ever inside a string. */
static int escape_delete(char **ret, const char *json) {
        char *out = malloc(strlen(json) * 6 + 2), *p = out;

        if (!out)
                return -ENOMEM;
        for (; *json; json++)
                if (*json == 0x7f)
                        p = stpcpy(p, "\\u007F");
                else
                        *p++ = *json;
        strcpy(p, "\n");
        *ret = out;
        return 0;
}

static json_t *json_field(const FormatField *f) {
        json_t *list;

        switch (f->kind) {
        case FORMAT_NUMBER:
                return json_integer(f->number);
        case FORMAT_FLAG:
                return json_boolean(f->number);
        case FORMAT_TEXT:
                return json_text(*f->texts);
        case FORMAT_TEXTS:
                list = json_array();
                for (size_t i = 0; list && i < f->n; i++)
                        if (json_array_append_new(list, json_text(f->texts[i])) < 0) {
                                json_decref(list);
                                return NULL;
                        }
                return list;
        default:
                return json_null();
        }
}

int format_object(char **ret, const char *type, const FormatField *fields, size_t n) {
        _cleanup_(freep) char *json = NULL;
        json_t *object = json_pack("{s:s}", "type", type);
        int r = object ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < n; i++)
                if (json_object_set_new(object, fields[i].key, json_field(&fields[i])) < 0)
                        r = -ENOMEM;
        if (r == 0)
                json = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
        json_decref(object);
        return json ? escape_delete(ret, json) : -ENOMEM;
}

static int format_json(char **ret, const Said *said) {
        const FormatField fields[] = {
                {"id", FORMAT_NUMBER, .number = (int64_t) said->id},
                {"time", FORMAT_NUMBER, .number = said->time_ms},
                {"user", FORMAT_TEXT, .texts = &said->user},
                {"text", FORMAT_TEXT, .texts = &said->text},
        };

        return format_object(ret, "message", fields, ELEMENTS(fields));
}

int format_said(char **ret, const FormatStyle *style, const Said *said) {
        return style->json ? format_json(ret, said) : format_line(ret, style, said);
}
