/* SPDX-License-Identifier: MIT */
/*
 * What may reach a terminal. The rule is by property, not by a list of known tricks: controls, what
 * Unicode calls default-ignorable (zero-width spaces, bidi marks, overrides and isolates, tags) and
 * line separators are made visible. Two exceptions keep people's languages readable: joiners behind
 * a character that is not ASCII (emoji sequences, Persian, Indic scripts), where they do not hide
 * anything, and the variation selectors that only choose between two drawings of one character.
 */
#include "proto/printable.h"

#include <stdbool.h>
#include <unictype.h>
#include <unistr.h>

#include "proto/base.h"

#define ZWNJ 0x200c
#define ZWJ 0x200d
#define VARIATION_1 0xfe00
#define VARIATION_16 0xfe0f
#define LINE_SEPARATOR 0x2028
#define PARAGRAPH_SEPARATOR 0x2029
#define CONTROL_PICTURES 0x2400
#define PICTURE_OF_DELETE 0x2421

static bool is_joiner(ucs4_t c) {
        return c == ZWNJ || c == ZWJ;
}

static bool is_hidden(ucs4_t c) {
        if (c >= VARIATION_1 && c <= VARIATION_16)
                return false;
        return (c >= 0x80 && c < 0xa0) || c == LINE_SEPARATOR || c == PARAGRAPH_SEPARATOR ||
               uc_is_property(c, UC_PROPERTY_DEFAULT_IGNORABLE_CODE_POINT) ||
               uc_is_property(c, UC_PROPERTY_BIDI_CONTROL);
}

static void put_character(FILE *out, ucs4_t c) {
        uint8_t bytes[6];
        int n = u8_uctomb(bytes, c, sizeof(bytes));

        if (n > 0)
                fwrite(bytes, 1, (size_t) n, out);
}

static void put_control(FILE *out, ucs4_t c, const char *tab, const char *newline) {
        if (c == '\t' && tab)
                fputs(tab, out);
        else if (c == '\n' && newline)
                fputs(newline, out);
        else
                put_character(out, c == 0x7f ? PICTURE_OF_DELETE : CONTROL_PICTURES + c);
}

int printable(char **ret, const void *bytes, size_t n, const char *tab, const char *newline) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(fclosep) FILE *out = NULL;
        const uint8_t *p = bytes, *end = p + n;
        bool joinable = false; /* may a joiner stand here? */
        size_t size = 0;

        out = open_memstream(&text, &size);
        if (!out)
                return -errno;
        while (p < end) {
                ucs4_t c;
                int step = u8_mbtoucr(&c, p, (size_t) (end - p));

                if (step <= 0) {
                        step = 1;
                        put_character(out, 0xfffd);
                        joinable = false;
                } else if (c < 0x20 || c == 0x7f) {
                        put_control(out, c, tab, newline);
                        joinable = false;
                } else if (is_hidden(c) && !(joinable && is_joiner(c))) {
                        fprintf(out, "<U+%04X>", (unsigned) c);
                        joinable = false;
                } else {
                        put_character(out, c);
                        joinable = c >= 0x80 && !is_joiner(c);
                }
                p += step;
        }
        if (ferror(out) || fclose(TAKE_PTR(out)) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
