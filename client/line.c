/* SPDX-License-Identifier: MIT */
/*
 * A line that begins with a slash is a command, and an unknown command is never sent: a mistyped
 * one may hold what only one person should read. Text is checked as the server checks it, because
 * on the Join protocol it can refuse a text only by ending the session.
 */
#include "client/line.h"

#include <stdbool.h>
#include <string.h>
#include <unistr.h>

#include "proto/printable.h"

const char line_help[] = "/quit   leave (or Ctrl-D)\n"
                         "/help   print this\n"
                         "//TEXT  send /TEXT\n";

static const struct {
        const char *name;
        LineKind kind;
} commands[] = {
        {"/quit", LINE_QUIT},
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

static bool has_controls(const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) bytes[i];

                if ((c < 0x20 && c != '\t') || c == 0x7f)
                        return true;
                if (c == 0xc2 && (unsigned char) bytes[i + 1] < 0xa0) /* U+0080 to U+009F */
                        return true;
        }
        return false;
}

/* What is wrong with a text, if anything. */
static bool complain_text(const char *bytes, size_t n, Complaint *complaint) {
        if (n > LINE_TEXT_MAX)
                complain(complaint, 0, "not sent: longer than %d bytes", LINE_TEXT_MAX);
        else if (u8_check((const uint8_t *) bytes, n))
                complain(complaint, 0, "not sent: not UTF-8");
        else if (has_controls(bytes, n))
                complain(complaint, 0, "not sent: there are control characters in it");
        else
                return false;
        return true;
}

Line line_parse(const char *bytes, size_t n, Complaint *complaint) {
        if (n > 0 && bytes[n - 1] == '\r')
                n--;
        if (n == 0)
                return (Line){LINE_EMPTY, bytes, 0};
        if (n > 1 && bytes[0] == '/' && bytes[1] == '/') {
                bytes++;
                n--;
        } else if (bytes[0] == '/')
                return parse_command(bytes, n, complaint);
        if (complain_text(bytes, n, complaint))
                return (Line){LINE_WRONG, bytes, n};
        return (Line){LINE_TEXT, bytes, n};
}
