/* SPDX-License-Identifier: MIT */
/* The text of a message: valid UTF-8 without control characters but newline and tab. */
#pragma once

#include <stddef.h>

enum {
        TEXT_E_LONG = 1,
        TEXT_E_UTF8,
        TEXT_E_CONTROL, /* NUL, C0 but newline and tab, DEL, C1 */
};

/* Outcomes: TEXT_E_*. */
int text_check(const char *bytes, size_t n, size_t max_bytes);

/* The same for what has to be one line: no newline and no tab either. */
int text_check_line(const char *bytes, size_t n, size_t max_bytes);

const char *text_strerror(int outcome);
