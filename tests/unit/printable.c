/* SPDX-License-Identifier: MIT */
/* Nothing that comes out of printable() may do anything to a terminal but put letters on it. */
#include "proto/printable.h"

#include <string.h>

#include "tests/unit/test.h"

typedef struct Case {
        const char *in, *out;
} Case;

static void check(const char *in, size_t n, const char *out) {
        _cleanup_(freep) char *s = NULL;

        assert_int_equal(printable(&s, in, n, NULL, NULL), 0);
        assert_string_equal(s, out);
}

static void check_all(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                check(cases[i].in, strlen(cases[i].in), cases[i].out);
}

static void ordinary_text_stays_as_it_is(void **state) {
        static const Case cases[] = {
                {"", ""},
                {"Hello, world! ~", "Hello, world! ~"},
                {"Grüße, Ελλάδα, 日本語, مرحبا", "Grüße, Ελλάδα, 日本語, مرحبا"},
                {"\xc2\xa0", "\xc2\xa0"},             /* no-break space: the first behind C1 */
                {"👩\u200d💻", "👩\u200d💻"},             /* joined emoji */
                {"❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"}, /* variation selector, joiner */
                {"می\u200cخواهم", "می\u200cخواهم"},   /* Persian non-joiner */
        };

        check_all(cases, ELEMENTS(cases));
}

static void controls_become_their_pictures(void **state) {
        static const Case cases[] = {
                {"\x1b[2J", "␛[2J"},
                {"\x1b]0;title\x07", "␛]0;title␇"},
                {"a\rb\bc", "a␍b␈c"},
                {"\x7f", "␡"},
                {"a\tb\nc", "a␉b␊c"},
                {"\xc2\x9b"
                 "31m",
                 "<U+009B>31m"}, /* CSI in one character */
                {"\xc2\x80\xc2\x9f", "<U+0080><U+009F>"},
        };

        check_all(cases, ELEMENTS(cases));
        check("a\0b", 3, "a␀b");
}

static void tabs_and_newlines_become_what_the_caller_says(void **state) {
        _cleanup_(freep) char *s = NULL;

        assert_int_equal(printable(&s, "a\tb\nc\r\n", 7, "    ", "\n  "), 0);
        assert_string_equal(s, "a    b\n  c␍\n  ");
}

static void directions_and_invisible_characters_become_numbers(void **state) {
        static const Case cases[] = {
                {"\u202e"
                 "evil",
                 "<U+202E>evil"},
                {"\u202a\u202b\u202c\u202d", "<U+202A><U+202B><U+202C><U+202D>"},
                {"\u2066\u2067\u2068\u2069", "<U+2066><U+2067><U+2068><U+2069>"},
                {"\u200e\u200f\u061c", "<U+200E><U+200F><U+061C>"},
                {"a\u200b"
                 "b",
                 "a<U+200B>b"},
                {"a\u200d"
                 "b\u200c",
                 "a<U+200D>b<U+200C>"},
                {"\u200d", "<U+200D>"},
                {"é\u200d\u200d", "é\u200d<U+200D>"}, /* one joiner joins, two hide something */
                {"\u2060\ufeff\u00ad", "<U+2060><U+FEFF><U+00AD>"},
                {"\u2028\u2029", "<U+2028><U+2029>"},
                {"\u3164\u115f", "<U+3164><U+115F>"}, /* letters that are blank */
                {"\U000e0041", "<U+E0041>"},          /* tags */
        };

        check_all(cases, ELEMENTS(cases));
}

static void what_is_not_utf8_becomes_replacement_characters(void **state) {
        static const Case cases[] = {
                {"\xff", "\ufffd"},
                {"a\x9b"
                 "31m",
                 "a\ufffd31m"},                                   /* a raw C1 byte */
                {"\xc0\x9b", "\ufffd\ufffd"},                     /* overlong ESC */
                {"\xe0\x80\x9b", "\ufffd\ufffd\ufffd"},           /* overlong ESC */
                {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},           /* surrogate */
                {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"}, /* beyond Unicode */
                {"ab\xe2\x82", "ab\ufffd\ufffd"},                 /* cut off */
                {"\xe2\x1b[2J", "\ufffd␛[2J"},                    /* a control inside a sequence */
        };

        check_all(cases, ELEMENTS(cases));
}

/* Whatever two bytes come, and whatever surrounds them: no control goes through. */
static void no_pair_of_bytes_smuggles_a_control(void **state) {
        for (unsigned a = 0; a < 256; a++)
                for (unsigned b = 0; b < 256; b++) {
                        char in[] = {'x', (char) a, (char) b, 'y'};
                        _cleanup_(freep) char *s = NULL;

                        assert_int_equal(printable(&s, in, sizeof(in), NULL, NULL), 0);
                        for (const unsigned char *p = (unsigned char *) s; *p; p++) {
                                assert_true(*p >= 0x20 && *p != 0x7f);
                                assert_false(p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
                        }
                        assert_true(s[strlen(s) - 1] == 'y');
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ordinary_text_stays_as_it_is),
                cmocka_unit_test(controls_become_their_pictures),
                cmocka_unit_test(tabs_and_newlines_become_what_the_caller_says),
                cmocka_unit_test(directions_and_invisible_characters_become_numbers),
                cmocka_unit_test(what_is_not_utf8_becomes_replacement_characters),
                cmocka_unit_test(no_pair_of_bytes_smuggles_a_control),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
