/* SPDX-License-Identifier: MIT */
/* Where to begin reading: what people write, and the search for a time. */
#include "client/since.h"

#include <time.h>

#include "tests/unit/test.h"

#define NOW INT64_C(1700000000000) /* 2023-11-14 22:13:20 UTC */
#define LOG_MAX 200000

static void ids_durations_and_times_are_understood(void **state) {
        static const struct {
                const char *text;
                Since since;
        } cases[] = {
                {"0", {SINCE_ID, .id = 0}},
                {"17", {SINCE_ID, .id = 17}},
                {"90s", {SINCE_TIME, .time_ms = NOW - 90000}},
                {"10m", {SINCE_TIME, .time_ms = NOW - 600000}},
                {"2h", {SINCE_TIME, .time_ms = NOW - 7200000}},
                {"7d", {SINCE_TIME, .time_ms = NOW - 604800000}},
                {"2023-11-14", {SINCE_TIME, .time_ms = 1699920000000}},
                {"2023-11-14 22:13:20", {SINCE_TIME, .time_ms = NOW}},
                {"2023-11-14T22:13:20", {SINCE_TIME, .time_ms = NOW}},
                {"2023-11-14 22:13", {SINCE_TIME, .time_ms = NOW - 20000}},
                {"2023-11-14T22:13", {SINCE_TIME, .time_ms = NOW - 20000}},
                {"22:13", {SINCE_TIME, .time_ms = NOW - 20000}},
                {"22:13:20", {SINCE_TIME, .time_ms = NOW}},
                {"00:00", {SINCE_TIME, .time_ms = 1699920000000}},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Complaint complaint;
                Since s;

                assert_int_equal(since_parse(&s, cases[i].text, NOW, &complaint), 0);
                assert_int_equal(s.kind, cases[i].since.kind);
                assert_int_equal(s.id, cases[i].since.id);
                assert_int_equal(s.time_ms, cases[i].since.time_ms);
        }
}

static void nothing_else_is(void **state) {
        static const char *const texts[] = {"",
                                            "x",
                                            "-1",
                                            "1x",
                                            "10 m",
                                            "m",
                                            "10mm",
                                            "25:00",
                                            "2023-13-01",
                                            "2023-11-14 22:13:20 UTC",
                                            "1.5h",
                                            "+5",
                                            "99999999999999999999",
                                            "999999999d"};

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                Complaint complaint = {""};
                Since s;

                if (since_parse(&s, texts[i], NOW, &complaint) != SINCE_E_SYNTAX)
                        fail_msg("%s", texts[i]);
                assert_string_not_equal(complaint.text, "");
        }
}

/* A log whose message i has the time times[i]; reads it as a client does. Returns the first id that
 * is shown; 0: none is. */
static uint64_t read_log(Search *search, uint64_t first, uint64_t head, const int64_t *times,
                         unsigned *connections) {
        _cleanup_(session_freep) Session *s = NULL;
        SessionWelcome w = {.epoch = {"e", 1}, .head = head, .first = first, .window = 1};

        assert_int_equal(session_new(&s, 1, 0), 0);
        assert_int_equal(session_welcome(s, &w), 0);
        *connections = 1;
        if (!search_begin(search, s, &w))
                return 0;
again:
        ++*connections;
        assert_int_equal(session_welcome(s, &w), 0);
        for (uint64_t id = session_position(s) + 1; id <= head; id++) {
                SearchVerdict verdict;

                assert_true(id >= first);
                verdict = search_message(search, s, id, times[id]);
                if (verdict == SEARCH_AGAIN)
                        goto again;
                assert_true(session_see(s, id));
                if (verdict == SEARCH_SHOW)
                        return id;
        }
        return 0;
}

static void a_time_is_found_wherever_it_is(void **state) {
        static const uint64_t firsts[] = {1, 2, 1000, 199999, 200000};
        int64_t *times = calloc(LOG_MAX + 1, sizeof(*times));

        for (uint64_t i = 1; i <= LOG_MAX; i++)
                times[i] = (int64_t) (i / 3) * 1000;
        for (size_t f = 0; f < ELEMENTS(firsts); f++)
                for (uint64_t id = firsts[f]; id <= LOG_MAX; id += id < LOG_MAX - 9 ? 4999 : 1) {
                        Search search = {.since = {SINCE_TIME, .time_ms = times[id]}};
                        unsigned connections;
                        uint64_t found = read_log(&search, firsts[f], LOG_MAX, times, &connections);

                        assert_true(found >= firsts[f]);
                        assert_int_equal(times[found], times[id]);
                        assert_true(found == firsts[f] || times[found - 1] < times[id]);
                        assert_true(connections <= 6);
                }
        free(times);
}

static void a_time_that_has_not_come_shows_nothing(void **state) {
        static const int64_t times[] = {0, 1000, 2000};
        Search search = {.since = {SINCE_TIME, .time_ms = 2001}};
        unsigned connections;

        assert_int_equal(read_log(&search, 1, 2, times, &connections), 0);
}

static void an_id_is_gone_to_at_once(void **state) {
        static const int64_t times[] = {0, 1000, 2000, 3000};
        Search search = {.since = {SINCE_ID, .id = 1}};
        unsigned connections;

        assert_int_equal(read_log(&search, 1, 3, times, &connections), 2);
        assert_int_equal(connections, 2);
        search = (Search){.since = {SINCE_ID, .id = 3}};
        assert_int_equal(read_log(&search, 1, 3, times, &connections), 0);
        assert_int_equal(connections, 1);
        search = (Search){.since = {SINCE_ID, .id = 0}};
        assert_int_equal(read_log(&search, 1, 0, times, &connections), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ids_durations_and_times_are_understood),
                cmocka_unit_test(nothing_else_is),
                cmocka_unit_test(a_time_is_found_wherever_it_is),
                cmocka_unit_test(a_time_that_has_not_come_shows_nothing),
                cmocka_unit_test(an_id_is_gone_to_at_once),
        };

        setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
