/* SPDX-License-Identifier: MIT */
/* What a line of input means: a message, a command, or a mistake. */
#pragma once

#include <stddef.h>

#include "client/complaint.h"

/* Bytes of a text. A server that takes more is not asked to. */
#define LINE_TEXT_MAX 65536

typedef enum LineKind {
        LINE_EMPTY,
        LINE_TEXT, /* text, size: to be sent */
        LINE_QUIT,
        LINE_HELP,
        LINE_WHO,
        LINE_WRONG, /* the complaint says why; not to be sent */
} LineKind;

typedef struct Line {
        LineKind kind;
        const char *text; /* inside what was parsed */
        size_t size;
} Line;

/* bytes: a line without its newline. max: bytes of a text that the server takes. */
Line line_parse(const char *bytes, size_t n, size_t max, Complaint *complaint);
/* The same without commands: what begins with a slash is text like any other. */
Line line_take(const char *bytes, size_t n, size_t max, Complaint *complaint);
/* A text of any number of lines. */
Line line_take_all(const char *bytes, size_t n, size_t max, Complaint *complaint);

extern const char line_help[];
