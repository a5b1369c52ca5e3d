/* SPDX-License-Identifier: MIT */
/*
 * The text of a message, checked once at the door: behind it every text is valid UTF-8 that no
 * terminal, no log and no database takes for anything but text.
 */
#include "service/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistr.h>

static bool is_control(ucs4_t c) {
        return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c <= 0x9f);
}

int text_check(const char *bytes, size_t n, size_t max_bytes) {
        const uint8_t *s = (const uint8_t *) bytes;
        ucs4_t c;
        int used;

        if (n > max_bytes)
                return TEXT_E_LONG;
        for (size_t i = 0; i < n; i += (size_t) used) {
                used = u8_mbtoucr(&c, s + i, n - i);
                if (used < 0)
                        return TEXT_E_UTF8;
                if (is_control(c))
                        return TEXT_E_CONTROL;
        }
        return 0;
}

int text_check_line(const char *bytes, size_t n, size_t max_bytes) {
        int r = text_check(bytes, n, max_bytes);

        if (r == 0 && n > 0 && (memchr(bytes, '\n', n) || memchr(bytes, '\t', n)))
                return TEXT_E_CONTROL;
        return r;
}

const char *text_strerror(int outcome) {
        switch (outcome) {
        case TEXT_E_LONG:
                return "The text is too long.";
        case TEXT_E_UTF8:
                return "The text is not valid UTF-8.";
        case TEXT_E_CONTROL:
                return "The text contains a control character other than newline and tab.";
        default:
                return "The text cannot be sent.";
        }
}
