/* SPDX-License-Identifier: MIT */
/* What a line of input means: a message, a command, or a mistake. */
#pragma once

#include <stddef.h>

#include "client/complaint.h"

/* What a daemon takes unless it was configured otherwise; the Join protocol does not tell. */
#define LINE_TEXT_MAX 4096

typedef enum LineKind {
        LINE_EMPTY,
        LINE_TEXT, /* text, size: to be sent */
        LINE_QUIT,
        LINE_HELP,
        LINE_WRONG, /* the complaint says why; not to be sent */
} LineKind;

typedef struct Line {
        LineKind kind;
        const char *text; /* inside what was parsed */
        size_t size;
} Line;

/* bytes: a line without its newline. */
Line line_parse(const char *bytes, size_t n, Complaint *complaint);

extern const char line_help[];
