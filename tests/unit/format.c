/* SPDX-License-Identifier: MIT */
/* How messages look. */
#include "client/format.h"

#include <string.h>
#include <time.h>

#include "tests/unit/test.h"

#define TIME_MS 1700000000123 /* 22:13:20 UTC */

static void check(const FormatStyle *style, RpcBytes user, RpcBytes text, const char *out) {
        Said said = {.id = 7, .time_ms = TIME_MS, .now_ms = TIME_MS, .user = user, .text = text};
        _cleanup_(freep) char *got = NULL;

        assert_int_equal(format_said(&got, style, &said), 0);
        assert_string_equal(got, out);
}

#define BYTES(s) ((RpcBytes){(s), sizeof(s) - 1})

static void a_message_is_a_line(void **state) {
        static const FormatStyle style = {.lines = false};

        check(&style, BYTES("bob"), BYTES("hello"), "22:13 <bob> hello\n");
        check(&style, BYTES("bob"), BYTES("a\nb\tc\n"), "22:13 <bob> a␊b\tc␊\n");
        check(&style, (RpcBytes){NULL, 0}, (RpcBytes){NULL, 0}, "22:13 <> \n");
        check(&style, BYTES("b\nob\t\x1b"), BYTES("\x1b[2J\0\xff"), "22:13 <b␊ob␉␛> ␛[2J␀\ufffd\n");
}

static void on_a_terminal_its_lines_stand_below_each_other(void **state) {
        static const FormatStyle style = {.lines = true};

        check(&style, BYTES("bob"), BYTES("a\n22:13 <eve> b"),
              "22:13 <bob> a\n      22:13 <eve> b\n");
        check(&style, BYTES("b\nob"), BYTES("a"), "22:13 <b␊ob> a\n");
}

static void names_have_their_colours(void **state) {
        static const FormatStyle style = {.colour = true};
        Said said = {
                .time_ms = TIME_MS, .now_ms = TIME_MS, .user = BYTES("bob"), .text = BYTES("x")};
        _cleanup_(freep) char *once = NULL, *again = NULL;

        assert_int_equal(format_said(&once, &style, &said), 0);
        assert_int_equal(format_said(&again, &style, &said), 0);
        assert_string_equal(once, again);
        assert_non_null(strstr(once, "mbob\x1b[0m> x\n"));
}

static void json_is_exact_ascii(void **state) {
        static const FormatStyle style = {.json = true};

        check(&style, BYTES("bob"), BYTES("hello"),
              "{\"type\":\"message\",\"id\":7,\"time\":1700000000123,\"user\":\"bob\",\"text\":"
              "\"hello\"}"
              "\n");
        check(&style, BYTES("\"\\\n"), BYTES("a\0b\x1b\x7f\x7f é\u202e🙂"),
              "{\"type\":\"message\",\"id\":7,\"time\":1700000000123,\"user\":\"\\\"\\\\\\n\","
              "\"text\":\"a\\u0000b\\u001B\\u007F\\u007F "
              "\\u00E9\\u202E\\uD83D\\uDE42\"}\n");
        check(&style, (RpcBytes){NULL, 0}, BYTES("\xff\xc0\x9b\xe2\x82"),
              "{\"type\":\"message\",\"id\":7,\"time\":1700000000123,\"user\":\"\",\"text\":"
              "\"\\uFFFD\\uFFFD\\uFFFD\\uFFFD\\uFFFD\"}\n");
}

static void a_message_of_another_day_has_its_date(void **state) {
        Said said = {.time_ms = TIME_MS, .user = BYTES("bob"), .text = BYTES("x")};
        static const struct {
                int64_t now_ms;
                const char *out;
        } cases[] = {
                {TIME_MS + INT64_C(3600000), "22:13 <bob> x\n"},
                {TIME_MS + INT64_C(2) * 3600000, "2023-11-14 22:13 <bob> x\n"},
                {TIME_MS + INT64_C(366) * 86400000, "2023-11-14 22:13 <bob> x\n"},
                {0, "2023-11-14 22:13 <bob> x\n"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                static const FormatStyle style = {.lines = false};
                _cleanup_(freep) char *got = NULL;

                said.now_ms = cases[i].now_ms;
                assert_int_equal(format_said(&got, &style, &said), 0);
                assert_string_equal(got, cases[i].out);
        }
}

static void objects_have_the_fields_they_are_given(void **state) {
        const RpcBytes names[] = {BYTES("a"), BYTES("\xff")};
        const FormatField fields[] = {
                {"none", FORMAT_NULL},
                {"number", FORMAT_NUMBER, .number = -1},
                {"flag", FORMAT_FLAG, .number = 2},
                {"text", FORMAT_TEXT, .texts = names},
                {"texts", FORMAT_TEXTS, .texts = names, .n = 2},
                {"nothing", FORMAT_TEXTS},
        };
        _cleanup_(freep) char *got = NULL;

        assert_int_equal(format_object(&got, "kind", fields, ELEMENTS(fields)), 0);
        assert_string_equal(got, "{\"type\":\"kind\",\"none\":null,\"number\":-1,\"flag\":true,"
                                 "\"text\":\"a\",\"texts\":[\"a\",\"\\uFFFD\"],\"nothing\":[]}\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_is_a_line),
                cmocka_unit_test(on_a_terminal_its_lines_stand_below_each_other),
                cmocka_unit_test(names_have_their_colours),
                cmocka_unit_test(json_is_exact_ascii),
                cmocka_unit_test(a_message_of_another_day_has_its_date),
                cmocka_unit_test(objects_have_the_fields_they_are_given),
        };

        setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
