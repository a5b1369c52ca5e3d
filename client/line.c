/* SPDX-License-Identifier: MIT */
/*
 * A line that begins with a slash is a command, and an unknown command is never sent: a mistyped
 * one may hold what only one person should read. Text is checked as the server checks it, so that
 * a mistake is told of where it was made.
 */
#include "client/line.h"

#include <stdbool.h>
#include <string.h>
#include <unistr.h>

#include "proto/printable.h"

const char line_help[] = "/quit   leave (or Ctrl-D)\n"
                         "/who    print who is there\n"
                         "/help   print this\n"
                         "//TEXT  send /TEXT\n";

static const struct {
        const char *name;
        LineKind kind;
} commands[] = {
        {"/quit", LINE_QUIT},
        {"/who", LINE_WHO},
        {"/help", LINE_HELP},
};

static Line wrong_command(const char *bytes, size_t n, Complaint *complaint) {
        _cleanup_(freep) char *shown = NULL;

        if (printable(&shown, bytes, n, NULL, NULL) < 0)
                shown = NULL;
        complain(complaint, 0,
                 "not sent: there is no command %.64s (/help lists them, "
                 "and // begins a message that begins with /)",
                 shown ? shown : "like that");
        return (Line){LINE_WRONG, bytes, n};
}

static Line parse_command(const char *bytes, size_t n, Complaint *complaint) {
        size_t word = 0;

        while (word < n && bytes[word] != ' ' && bytes[word] != '\t')
                word++;
        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                if (strlen(commands[i].name) != word || memcmp(commands[i].name, bytes, word) != 0)
                        continue;
                for (size_t rest = word; rest < n; rest++)
                        if (bytes[rest] != ' ' && bytes[rest] != '\t') {
                                complain(complaint, 0, "%s takes nothing behind it",
                                         commands[i].name);
                                return (Line){LINE_WRONG, bytes, n};
                        }
                return (Line){commands[i].kind, bytes, n};
        }
        return wrong_command(bytes, word, complaint);
}

static bool has_controls(const char *bytes, size_t n, bool newlines) {
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) bytes[i];

                if ((c < 0x20 && c != '\t' && !(c == '\n' && newlines)) || c == 0x7f)
                        return true;
                if (c == 0xc2 && (unsigned char) bytes[i + 1] < 0xa0) /* U+0080 to U+009F */
                        return true;
        }
        return false;
}

static Line check(Line line, size_t max, bool newlines, Complaint *complaint) {
        if (line.size == 0)
                return (Line){LINE_EMPTY, line.text, 0};
        line.kind = LINE_WRONG;
        if (line.size > max)
                complain(complaint, 0, "not sent: longer than %zu bytes", max);
        else if (u8_check((const uint8_t *) line.text, line.size))
                complain(complaint, 0, "not sent: not UTF-8");
        else if (has_controls(line.text, line.size, newlines))
                complain(complaint, 0, "not sent: there are control characters in it");
        else
                line.kind = LINE_TEXT;
        return line;
}

static size_t without_cr(const char *bytes, size_t n) {
        return n > 0 && bytes[n - 1] == '\r' ? n - 1 : n;
}

Line line_take_all(const char *bytes, size_t n, size_t max, Complaint *complaint) {
        return check((Line){LINE_TEXT, bytes, n}, max, true, complaint);
}

Line line_take(const char *bytes, size_t n, size_t max, Complaint *complaint) {
        return check((Line){LINE_TEXT, bytes, without_cr(bytes, n)}, max, false, complaint);
}

Line line_parse(const char *bytes, size_t n, size_t max, Complaint *complaint) {
        n = without_cr(bytes, n);
        if (n > 1 && bytes[0] == '/' && bytes[1] == '/')
                return check((Line){LINE_TEXT, bytes + 1, n - 1}, max, false, complaint);
        if (n > 0 && bytes[0] == '/')
                return parse_command(bytes, n, complaint);
        return check((Line){LINE_TEXT, bytes, n}, max, false, complaint);
}
