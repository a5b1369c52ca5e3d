/* SPDX-License-Identifier: MIT */
/* Names: what is refused and as what, how a name is shown, and which names are one. */
#include "service/name.h"

#include <string.h>
#include <unistr.h>

#include "tests/unit/test.h"

static int parse(Name *name, const char *text) {
        return name_parse(name, text, strlen(text));
}

static void assert_accepted(const char *text) {
        Name name;

        if (parse(&name, text) != 0)
                fail_msg("\"%s\" is refused", text);
}

static void assert_refused(const char *text, int outcome) {
        Name name;
        int r = parse(&name, text);

        if (r != outcome)
                fail_msg("\"%s\" gives %d, expected %d", text, r, outcome);
}

static void assert_same(const char *a, const char *b) {
        Name x, y;

        assert_int_equal(parse(&x, a), 0);
        assert_int_equal(parse(&y, b), 0);
        if (!name_equal(&x, &y))
                fail_msg("\"%s\" and \"%s\" are two names", a, b);
}

static void ordinary_names_of_many_scripts_are_accepted(void **state) {
        const char *names[] = {"alice", "Bob_2", "o'neil", "x", "Zoë", "Дмитрий",    "日本語",
                               "αλφα",  "שלום",  "a.b@c",  "7", "a-b", "你好🙂", "a/b#c*d"};

        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_accepted(names[i]);
}

static void a_name_has_1_to_32_bytes(void **state) {
        assert_refused("", NAME_E_EMPTY);
        assert_accepted("12345678901234567890123456789012");
        assert_refused("123456789012345678901234567890123", NAME_E_LONG);
        assert_refused("1234567890123456789012345678901\u0301", NAME_E_LONG);
        assert_refused(
                "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301",
                NAME_E_LONG); /* 33 bytes, 22 in NFC */
}

static void a_name_that_normalisation_makes_too_long_is_refused(void **state) {
        /* U+1D160 is excluded from composition: 4 bytes become 12. */
        assert_accepted("\U0001d160\U0001d160");
        assert_refused("\U0001d160\U0001d160\U0001d160", NAME_E_LONG);
}

static void a_key_that_becomes_too_long_is_refused(void **state) {
        Name name;

        /* U+3316 is 3 bytes, and 18 in NFKC. */
        assert_int_equal(parse(&name, "㌖㌖㌖㌖㌖㌖㌖㌖㌖㌖"), 0);
        assert_true(strlen(name.key) <= NAME_KEY_MAX_BYTES);
        assert_refused("ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ", NAME_E_LONG);
}

static void bytes_that_are_not_utf8_are_refused(void **state) {
        assert_refused("\xff", NAME_E_UTF8);
        assert_refused("abc\xc3", NAME_E_UTF8);
        assert_refused("\xc0\xaf", NAME_E_UTF8);         /* overlong */
        assert_refused("\xed\xa0\x80", NAME_E_UTF8);     /* surrogate */
        assert_refused("\xf4\x90\x80\x80", NAME_E_UTF8); /* behind U+10FFFF */
}

static void a_nul_is_refused_and_hides_nothing(void **state) {
        Name name;

        assert_int_equal(name_parse(&name, "alice\0admin", 11), NAME_E_CHARACTER);
        assert_int_equal(name_parse(&name, "\0", 1), NAME_E_CHARACTER);
        assert_int_equal(name_parse(&name, "alice\0", 6), NAME_E_CHARACTER);
}

static void signs_that_mean_something_else_cannot_start_a_name(void **state) {
        const char *names[] = {"@alice", "*", "#lobby", "/quit", "-rf"};

        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_refused(names[i], NAME_E_START);
        assert_refused("＠alice", NAME_E_START);     /* full width */
        assert_refused("\u0301alice", NAME_E_START); /* U+0301 would sit on what stands before */
}

static void white_space_and_control_characters_are_refused(void **state) {
        const char *names[] = {"a b",      "a\tb",      "a\nb",     "a\rb",     "a\x1b[31m",
                               "a\x7f",    "a\xc2\x85", "a\u00a0b", "a\u2003b", "a\u2028b",
                               "a\u3000b", "a\u1680b",  " alice",   "alice ",   "a\u2800b",
                               "a\u00a8b"}; /* the last becomes a space and a mark in the key */

        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_refused(names[i], NAME_E_CHARACTER);
}

static void invisible_characters_are_refused(void **state) {
        const char *names[] = {
                "a\u200bb", "a\u200cb", "a\u200db",     "a\u2060b",     "a\ufeffb", /* no width */
                "a\u202eb", "a\u202ab", "a\u2066b",     "a\u200fb",     "a\u061cb", /* bidi */
                "a\u00adb", "a\u034fb", "a\u115fb",     "a\u3164b",     "a\uffa0b", /* ignorable */
                "a\ufe0fb", "a\u180eb", "a\u17b4b",     "a\U000e0041b",             /* ignorable */
                "a\ue000b", "a\uffffb", "a\U000e01efb", "a\U0010fffdb", "a\u0378b", /* nothing */
        };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_refused(names[i], NAME_E_CHARACTER);
}

static void separators_of_the_files_are_refused(void **state) {
        assert_refused("a=b", NAME_E_CHARACTER);
        assert_refused("a:b", NAME_E_CHARACTER);
        assert_refused("a;b", NAME_E_CHARACTER);
        assert_refused("a\u037eb", NAME_E_CHARACTER); /* the Greek question mark is ";" in NFC */
        assert_refused("a：b", NAME_E_CHARACTER);
}

static void names_of_the_house_are_reserved_in_any_spelling(void **state) {
        const char *names[] = {"server", "system", "admin",    "root",  "chatroom",
                               "Server", "ADMIN",  "ｒｏｏｔ", "ſyſtem"};

        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_refused(names[i], NAME_E_RESERVED);
        assert_accepted("server2");
        assert_accepted("administrator");
}

static void a_name_is_shown_in_nfc_with_its_case(void **state) {
        Name name;

        assert_int_equal(parse(&name, "Zoe\u0308"), 0);
        assert_string_equal(name.text, "Zo\u00eb");
        assert_string_equal(name.key, "zo\u00eb");
}

static void spellings_of_one_name_are_one(void **state) {
        assert_same("ALICE", "alice");
        assert_same("e\u0301", "\u00c9");
        assert_same("STRASSE", "stra\u00dfe");
        assert_same("ΣΊΣΥΦΟΣ", "σίσυφος");
        assert_same("ａｌｉｃｅ", "Alice");
        assert_same("oﬀice", "office");
}

static void every_character_keeps_its_key(void **state) {
        char text[8] = "a";
        Name name, again;

        for (ucs4_t c = 1; c < 0x110000; c++) {
                int used = u8_uctomb((uint8_t *) text + 1, c, 6);

                if (used < 0)
                        continue;
                text[1 + used] = '\0';
                if (parse(&name, text) != 0)
                        continue;
                if (parse(&again, name.text) != 0 || !name_equal(&again, &name))
                        fail_msg("U+%04X is another name as it is shown", c);
                if (parse(&again, name.key) != 0 || !name_equal(&again, &name))
                        fail_msg("U+%04X is another name by its key", c);
        }
}

static void different_names_are_different(void **state) {
        Name a, b;

        assert_int_equal(parse(&a, "alice"), 0);
        assert_int_equal(parse(&b, "alic\u00e9"), 0);
        assert_false(name_equal(&a, &b));
        assert_int_equal(parse(&b, "alice2"), 0);
        assert_false(name_equal(&a, &b));
}

static void a_refusal_leaves_the_result_alone(void **state) {
        Name name;

        assert_int_equal(parse(&name, "alice"), 0);
        assert_int_equal(parse(&name, "root"), NAME_E_RESERVED);
        assert_int_equal(parse(&name, "a b"), NAME_E_CHARACTER);
        assert_string_equal(name.text, "alice");
        assert_string_equal(name.key, "alice");
}

static void each_outcome_has_a_text_of_its_own(void **state) {
        for (int a = NAME_E_EMPTY; a <= NAME_E_RESERVED; a++)
                for (int b = a + 1; b <= NAME_E_RESERVED + 1; b++)
                        assert_string_not_equal(name_strerror(a), name_strerror(b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ordinary_names_of_many_scripts_are_accepted),
                cmocka_unit_test(a_name_has_1_to_32_bytes),
                cmocka_unit_test(a_name_that_normalisation_makes_too_long_is_refused),
                cmocka_unit_test(a_key_that_becomes_too_long_is_refused),
                cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
                cmocka_unit_test(a_nul_is_refused_and_hides_nothing),
                cmocka_unit_test(signs_that_mean_something_else_cannot_start_a_name),
                cmocka_unit_test(white_space_and_control_characters_are_refused),
                cmocka_unit_test(invisible_characters_are_refused),
                cmocka_unit_test(separators_of_the_files_are_refused),
                cmocka_unit_test(names_of_the_house_are_reserved_in_any_spelling),
                cmocka_unit_test(a_name_is_shown_in_nfc_with_its_case),
                cmocka_unit_test(spellings_of_one_name_are_one),
                cmocka_unit_test(every_character_keeps_its_key),
                cmocka_unit_test(different_names_are_different),
                cmocka_unit_test(a_refusal_leaves_the_result_alone),
                cmocka_unit_test(each_outcome_has_a_text_of_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
