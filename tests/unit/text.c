/* SPDX-License-Identifier: MIT */
/* Texts: their length, their encoding, their control characters. */
#include "service/text.h"

#include <string.h>

#include "tests/unit/test.h"

static int check(const char *text) {
        return text_check(text, strlen(text), 4096);
}

static void ordinary_texts_are_accepted(void **state) {
        const char *texts[] = {
                "hello",  "",          "two\nlines", "a\ttab", "Grüße, 日本, 🙂",
                "\u00a0", "\U0010fffd"};

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_int_equal(check(texts[i]), 0);
}

static void the_limit_counts_bytes_and_is_still_allowed(void **state) {
        assert_int_equal(text_check("12345678", 8, 8), 0);
        assert_int_equal(text_check("123456789", 9, 8), TEXT_E_LONG);
        assert_int_equal(text_check("ééééé", 10, 8), TEXT_E_LONG);
        assert_int_equal(text_check("éééé", 8, 8), 0);
}

static void every_control_character_but_newline_and_tab_is_refused(void **state) {
        for (unsigned char c = 0; c < 0x20; c++) {
                const char text[] = {'a', (char) c, 'b'};

                assert_int_equal(text_check(text, 3, 8),
                                 c == '\n' || c == '\t' ? 0 : TEXT_E_CONTROL);
        }
        assert_int_equal(check("a\x7f"), TEXT_E_CONTROL);
        for (unsigned c = 0x80; c <= 0x9f; c++) {
                const char text[] = {'\xc2', (char) c};

                assert_int_equal(text_check(text, 2, 8), TEXT_E_CONTROL);
        }
}

static void a_nul_is_refused_wherever_it_stands(void **state) {
        assert_int_equal(text_check("\0", 1, 8), TEXT_E_CONTROL);
        assert_int_equal(text_check("a\0", 2, 8), TEXT_E_CONTROL);
        assert_int_equal(text_check("a\0b", 3, 8), TEXT_E_CONTROL);
}

static void bytes_that_are_not_utf8_are_refused(void **state) {
        const char *texts[] = {
                "\x80",         "a\xff", "\xc3",         "\xe2\x82",     "\xc0\x80",
                "\xe0\x80\xaf", "\xc3(", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
                "\xf8\x88"};

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_int_equal(check(texts[i]), TEXT_E_UTF8);
}

static void each_outcome_has_a_text_of_its_own(void **state) {
        for (int a = TEXT_E_LONG; a <= TEXT_E_CONTROL; a++)
                for (int b = a + 1; b <= TEXT_E_CONTROL + 1; b++)
                        assert_string_not_equal(text_strerror(a), text_strerror(b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ordinary_texts_are_accepted),
                cmocka_unit_test(the_limit_counts_bytes_and_is_still_allowed),
                cmocka_unit_test(every_control_character_but_newline_and_tab_is_refused),
                cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
                cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
                cmocka_unit_test(each_outcome_has_a_text_of_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
