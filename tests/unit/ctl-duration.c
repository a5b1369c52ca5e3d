/* SPDX-License-Identifier: MIT */
/* Durations in and out, and times told by their distance. */
#include "ctl/duration.h"
#include "ctl/times.h"
#include "tests/unit/test.h"

#define DAY INT64_C(86400000)

static void a_number_and_a_unit_are_a_duration(void **state) {
        static const struct {
                const char *text;
                int64_t ms;
        } good[] = {
                {"500ms", 500},    {"90s", 90000},          {"5m", 300000}, {"2h", 7200000},
                {"7d", 7 * DAY},   {"4w", 28 * DAY},        {"0s", 0},      {"007s", 7000},
                {"30d", 30 * DAY}, {"36525d", 36525 * DAY}, {"1ms", 1},
        };

        for (size_t i = 0; i < ELEMENTS(good); i++) {
                int64_t ms = -1;

                assert_int_equal(duration_parse(&ms, good[i].text), 0);
                assert_int_equal(ms, good[i].ms);
        }
}

static void anything_else_is_not_and_changes_nothing(void **state) {
        static const char *bad[] = {"",   "5",    "s",    "-5s",   "+5s",  " 5s", "5 s",  "5s ",
                                    "5S", "5sec", "1.5h", "1h30m", "0x5s", "5y",  "5m\n", "٥s"};

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                int64_t ms = 42;

                assert_int_equal(duration_parse(&ms, bad[i]), DURATION_E_SYNTAX);
                assert_int_equal(ms, 42);
        }
}

static void what_is_too_long_is_said_to_be(void **state) {
        static const char *bad[] = {"36526d", "5218w", "9223372036854775807ms",
                                    "99999999999999999999999999s", "18446744073709551617s"};
        int64_t ms;

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(duration_parse(&ms, bad[i]), DURATION_E_RANGE);
        assert_int_equal(duration_parse(&ms, "99999999999999999999999999x"), DURATION_E_SYNTAX);
}

static void durations_print_in_the_unit_that_says_most(void **state) {
        static const struct {
                int64_t ms;
                const char *text;
        } pairs[] = {
                {0, "0s"},
                {-5, "0s"},
                {999, "999ms"},
                {1000, "1s"},
                {1999, "1s"},
                {60000, "1m"},
                {90000, "90s"},
                {119999, "119s"},
                {120000, "2m"},
                {3600000, "1h"},
                {5400000, "90m"},
                {7200000, "2h"},
                {DAY, "1d"},
                {DAY + 3600000, "25h"},
                {2 * DAY, "2d"},
                {30 * DAY, "30d"},
                {INT64_MAX, "106751991167d"},
        };

        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                char text[DURATION_TEXT_MAX];

                duration_format(text, pairs[i].ms);
                assert_string_equal(text, pairs[i].text);
        }
}

static void what_is_printed_reads_the_same(void **state) {
        static const char *texts[] = {"90s", "1m", "100m", "2h",   "36h",
                                      "1d",  "7d", "365d", "250ms"};

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                char again[DURATION_TEXT_MAX];
                int64_t ms;

                assert_int_equal(duration_parse(&ms, texts[i]), 0);
                duration_format(again, ms);
                assert_string_equal(again, texts[i]);
        }
}

static void times_are_told_by_their_distance(void **state) {
        int64_t now = 1000 * DAY;
        char text[TIMES_MAX];

        times_ago(text, now, now - 2 * 3600000);
        assert_string_equal(text, "2h ago");
        times_ago(text, now, now - 350);
        assert_string_equal(text, "0s ago");
        times_ago(text, now, now + 5000);
        assert_string_equal(text, "0s ago");
        times_ago(text, now, 0);
        assert_string_equal(text, "never");
        times_until(text, now, now + 30 * DAY);
        assert_string_equal(text, "in 30d");
        times_until(text, now, now - 30 * DAY);
        assert_string_equal(text, "30d ago");
        times_until(text, now, 0);
        assert_string_equal(text, "never");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_number_and_a_unit_are_a_duration),
                cmocka_unit_test(anything_else_is_not_and_changes_nothing),
                cmocka_unit_test(what_is_too_long_is_said_to_be),
                cmocka_unit_test(durations_print_in_the_unit_that_says_most),
                cmocka_unit_test(what_is_printed_reads_the_same),
                cmocka_unit_test(times_are_told_by_their_distance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
