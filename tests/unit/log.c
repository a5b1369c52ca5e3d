/* SPDX-License-Identifier: MIT */
/* The log: what is taken, what is given again, what is kept and for how long. */
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/files.h"
#include "tests/unit/logs.h"
#include "tests/unit/test.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

static size_t read_n(Log *l, uint64_t after, size_t max, size_t max_bytes) {
        LogMessage *messages = NULL;
        size_t n = 99;

        assert_int_equal(log_read(l, &(LogRange){after, max, max_bytes}, &messages, &n), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(messages[i].id, messages[0].id + i);
        log_messages_free(messages, n);
        return n;
}

static void append_one(Log *l, LogMessage *m, LogResult result, uint64_t id) {
        assert_int_equal(log_append(l, m, 1), 0);
        assert_int_equal(m->result, result);
        assert_int_equal(m->id, id);
}

static void trim(Log *l, int64_t now_ms, size_t max, bool more) {
        bool got = !more;

        assert_int_equal(log_trim(l, now_ms, max, &got), 0);
        assert_int_equal(got, more);
}

/* ---- taking and giving */

static void check_given(Log *l) {
        LogMessage *got;
        size_t n;

        assert_int_equal(log_read(l, &(LogRange){0, 10, SIZE_MAX}, &got, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(got[0].id, 1);
        assert_int_equal(got[0].time_ms, 5);
        assert_string_equal(got[0].user, "alice");
        assert_string_equal(got[0].text, "one\ntwo\t\xc3\xa4");
        assert_int_equal(got[0].n_text, 10);
        assert_string_equal(got[0].client_id, "");
        assert_int_equal(got[1].id, 2);
        assert_int_equal(got[1].time_ms, 6);
        assert_string_equal(got[1].user, "\xc3\xa9ve");
        assert_string_equal(got[1].text, "");
        assert_int_equal(got[1].n_text, 0);
        assert_string_equal(got[1].client_id, "0123456789abcdef0123456789abcdef0123");
        assert_false(got[1].has_key);
        log_messages_free(got, n);
}

static void messages_are_given_as_they_were_taken(void **state) {
        Files *f = *state;
        LogMessage group[] = {
                {.time_ms = 5,
                 .user = (char *) "alice",
                 .text = (char *) "one\ntwo\t\xc3\xa4",
                 .n_text = 10},
                {.time_ms = 6,
                 .user = (char *) "\xc3\xa9ve",
                 .text = (char *) "",
                 .client_id = "0123456789abcdef0123456789abcdef0123",
                 .has_key = true,
                 .key = {1}},
        };
        Log *l = logs_open(f->directory, NULL);

        assert_int_equal(log_head(l), 0);
        assert_int_equal(log_first(l), 1);
        assert_int_equal(log_last_time(l), 0);
        assert_int_equal(read_n(l, 0, 10, SIZE_MAX), 0);
        assert_int_equal(log_append(l, group, 2), 0);
        assert_int_equal(group[0].id, 1);
        assert_int_equal(group[1].id, 2);
        check_given(l);
        log_free(l);

        l = logs_open(f->directory, NULL);
        assert_int_equal(log_head(l), 2);
        assert_int_equal(log_first(l), 1);
        assert_int_equal(log_last_time(l), 6);
        check_given(l);
        log_free(l);
}

static void a_range_is_given_in_pieces(void **state) {
        Log *l = logs_open(NULL, NULL);

        logs_say(l, 9, 1); /* of 6 bytes each */
        assert_int_equal(read_n(l, 0, 4, SIZE_MAX), 4);
        assert_int_equal(read_n(l, 4, 4, SIZE_MAX), 4);
        assert_int_equal(read_n(l, 8, 4, SIZE_MAX), 1);
        assert_int_equal(read_n(l, 9, 4, SIZE_MAX), 0);
        assert_int_equal(read_n(l, 1000, 4, SIZE_MAX), 0);
        assert_int_equal(read_n(l, UINT64_MAX, 4, SIZE_MAX), 0);
        assert_int_equal(read_n(l, 0, 0, SIZE_MAX), 0);
        assert_int_equal(read_n(l, 0, SIZE_MAX, 18), 3);
        assert_int_equal(read_n(l, 0, SIZE_MAX, 17), 2);
        assert_int_equal(read_n(l, 0, SIZE_MAX, 0), 1);
        log_free(l);
}

static void groups_are_of_any_size(void **state) {
        Log *l = logs_open(NULL, NULL);

        assert_int_equal(log_append(l, NULL, 0), 0);
        assert_int_equal(log_head(l), 0);
        logs_say(l, 300, 1);
        logs_expect(l, 1, 300);
        log_free(l);
}

static void times_never_decrease(void **state) {
        Files *f = *state;
        Log *l = logs_open(f->directory, NULL);
        LogMessage *got;
        size_t n;

        logs_say(l, 1, 1000);
        logs_say(l, 2, 10);
        log_free(l);
        l = logs_open(f->directory, NULL);
        assert_int_equal(log_last_time(l), 1000);
        logs_say(l, 1, 20);
        logs_say(l, 1, 1001);
        assert_int_equal(log_last_time(l), 1001);
        assert_int_equal(log_read(l, &(LogRange){0, 10, SIZE_MAX}, &got, &n), 0);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(got[i].time_ms, 1000);
        assert_int_equal(got[4].time_ms, 1001);
        log_messages_free(got, n);
        log_free(l);
}

/* ---- keys */

static void check_keys(const char *directory) {
        Log *l = logs_open(directory, NULL);
        LogMessage a = logs_keyed(1, "a"), b = logs_keyed(2, "b");
        LogMessage group[] = {logs_keyed(3, "c"), logs_keyed(3, "c"), logs_keyed(3, "d"),
                              logs_keyed(1, "a"), logs_keyed(4, "c")};

        a.time_ms = 7;
        append_one(l, &a, LOG_APPENDED, 1);
        append_one(l, &b, LOG_APPENDED, 2);
        a.time_ms = 9;
        append_one(l, &a, LOG_REPEATED, 1);
        assert_int_equal(a.time_ms, 7);
        b = logs_keyed(2, "other");
        append_one(l, &b, LOG_CONFLICT, 2);
        assert_int_equal(log_head(l), 2);
        assert_int_equal(log_append(l, group, ELEMENTS(group)), 0);
        assert_int_equal(group[0].result, LOG_APPENDED);
        assert_int_equal(group[0].id, 3);
        assert_int_equal(group[1].result, LOG_REPEATED);
        assert_int_equal(group[1].id, 3);
        assert_int_equal(group[2].result, LOG_CONFLICT);
        assert_int_equal(group[3].result, LOG_REPEATED);
        assert_int_equal(group[3].id, 1);
        assert_int_equal(group[4].result, LOG_APPENDED);
        assert_int_equal(group[4].id, 4);
        assert_int_equal(log_head(l), 4);
        assert_int_equal(read_n(l, 0, 10, SIZE_MAX), 4);
        log_free(l);
}

static void a_key_is_taken_once(void **state) {
        Files *f = *state;
        LogMessage a = logs_keyed(1, "a"), b = logs_keyed(2, "other");
        Log *l;

        check_keys(NULL);
        check_keys(f->directory);
        l = logs_open(f->directory, NULL);
        append_one(l, &a, LOG_REPEATED, 1);
        assert_int_equal(a.time_ms, 7);
        append_one(l, &b, LOG_CONFLICT, 2);
        log_free(l);
}

static void all_of_a_key_counts(void **state) {
        Log *l = logs_open(NULL, NULL);
        LogMessage a = logs_keyed(1, "a"), b = logs_keyed(1, "a");

        b.key[LOG_KEY_BYTES - 1] = 1;
        append_one(l, &a, LOG_APPENDED, 1);
        append_one(l, &b, LOG_APPENDED, 2);
        append_one(l, &b, LOG_REPEATED, 2);
        log_free(l);
}

static void a_key_outlives_its_message_for_a_day(void **state) {
        Log *l = logs_open(NULL, &(LogOptions){.keep_messages = 1, .boot_id = LOGS_BOOT});
        LogMessage a = logs_keyed(1, "a"), again = a, conflict = logs_keyed(1, "b");

        a.time_ms = 1000;
        append_one(l, &a, LOG_APPENDED, 1);
        logs_say(l, 1, 1000);
        trim(l, 1000 + LOG_KEY_MS, 10, false);
        assert_int_equal(log_first(l), 2);
        append_one(l, &again, LOG_REPEATED, 1);
        append_one(l, &conflict, LOG_CONFLICT, 1);
        trim(l, 1000 + LOG_KEY_MS + 1, 10, false);
        append_one(l, &again, LOG_APPENDED, 3);
        log_free(l);
}

static void keys_are_forgotten_in_bounded_steps(void **state) {
        Log *l = logs_open(NULL, NULL);
        LogMessage m;

        for (uint8_t i = 0; i < 25; i++) {
                m = logs_keyed(i, "a");
                append_one(l, &m, LOG_APPENDED, i + 1U);
        }
        trim(l, LOG_KEY_MS + 2, 10, true);
        trim(l, LOG_KEY_MS + 2, 10, true);
        m = logs_keyed(20, "a");
        append_one(l, &m, LOG_REPEATED, 21);
        trim(l, LOG_KEY_MS + 2, 10, false);
        append_one(l, &m, LOG_APPENDED, 26);
        assert_int_equal(log_first(l), 1);
        log_free(l);
}

/* ---- keeping */

static void as_many_are_kept_as_asked_for(void **state) {
        Files *f = *state;
        LogOptions options = {.keep_messages = 100, .boot_id = LOGS_BOOT};
        Log *l = logs_open(f->directory, &options);

        logs_say(l, 100, 1);
        trim(l, 2, 30, false);
        assert_int_equal(log_first(l), 1);
        logs_say(l, 65, 1);
        trim(l, 2, 30, true);
        logs_expect(l, 31, 165);
        trim(l, 2, 30, true);
        trim(l, 2, 30, false);
        logs_expect(l, 66, 165);
        trim(l, 2, 30, false);
        assert_int_equal(read_n(l, 0, 1000, SIZE_MAX),
                         100); /* from before the first that is kept */
        log_free(l);
        l = logs_open(f->directory, &options);
        logs_expect(l, 66, 165);
        log_free(l);
}

static void as_long_is_kept_as_asked_for(void **state) {
        Log *l = logs_open(NULL, &(LogOptions){.keep_ms = DAY_MS, .boot_id = LOGS_BOOT});

        logs_say(l, 10, 1000);
        logs_say(l, 10, 2000);
        trim(l, 1000 + DAY_MS, 100, false);
        logs_expect(l, 1, 20);
        trim(l, 1001 + DAY_MS, 100, false);
        logs_expect(l, 11, 20);
        trim(l, 0, 100, false); /* the clock was set back */
        logs_expect(l, 11, 20);
        trim(l, 3000 + DAY_MS, 100, false);
        logs_expect(l, 21, 20);
        log_free(l);
}

static void as_much_is_kept_as_asked_for(void **state) {
        Files *f = *state;
        LogOptions options = {.keep_bytes = 5 * 11, .boot_id = LOGS_BOOT};
        Log *l = logs_open(f->directory, &options);

        logs_say(l, 5, 1); /* "alice" and "text 1" */
        trim(l, 2, 100, false);
        logs_expect(l, 1, 5);
        logs_say(l, 2, 1);
        trim(l, 2, 100, false);
        logs_expect(l, 3, 7);
        log_free(l);
        l = logs_open(f->directory, &options);
        trim(l, 2, 100, false);
        logs_expect(l, 3, 7);
        logs_say(l, 1, 1);
        trim(l, 2, 100, false);
        logs_expect(l, 4, 8);
        log_free(l);
}

static void what_is_kept_can_change(void **state) {
        Log *l = logs_open(NULL, NULL);

        logs_say(l, 50, 1);
        trim(l, INT64_MAX, 100, false);
        logs_expect(l, 1, 50);
        log_configure(l, &(LogOptions){.keep_messages = 20});
        trim(l, 2, 100, false);
        logs_expect(l, 31, 50);
        log_free(l);
}

static void no_id_comes_back_when_all_are_gone(void **state) {
        Files *f = *state;
        LogOptions options = {.keep_ms = 1, .boot_id = LOGS_BOOT};
        Log *l = logs_open(f->directory, &options);

        logs_say(l, 5, 1);
        trim(l, 100, 100, false);
        logs_expect(l, 6, 5);
        log_free(l);
        l = logs_open(f->directory, &options);
        logs_expect(l, 6, 5);
        logs_say(l, 2, 1);
        logs_expect(l, 6, 7);
        log_free(l);
}

/* Closed, so that the write-ahead log is in it. */
static off_t size_of_file(Files *f) {
        struct stat st;

        assert_int_equal(stat(files_path(f, "log.db"), &st), 0);
        return st.st_size;
}

static void the_file_stops_growing(void **state) {
        Files *f = *state;
        LogOptions options = {.keep_messages = 1000, .boot_id = LOGS_BOOT};
        off_t early = 0;

        for (int round = 0; round < 10; round++) {
                Log *l = logs_open(f->directory, &options);

                for (int i = 0; i < 10; i++) {
                        bool more = true;

                        logs_say(l, 500, 1);
                        while (more)
                                assert_int_equal(log_trim(l, 2, 256, &more), 0);
                }
                log_free(l);
                if (round == 0)
                        early = size_of_file(f);
        }
        assert_true(early > 0);
        assert_in_range(size_of_file(f), early / 2, early + early / 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(messages_are_given_as_they_were_taken),
                cmocka_unit_test(a_range_is_given_in_pieces),
                cmocka_unit_test(groups_are_of_any_size),
                WITH_FILES(times_never_decrease),
                WITH_FILES(a_key_is_taken_once),
                cmocka_unit_test(all_of_a_key_counts),
                cmocka_unit_test(a_key_outlives_its_message_for_a_day),
                cmocka_unit_test(keys_are_forgotten_in_bounded_steps),
                WITH_FILES(as_many_are_kept_as_asked_for),
                cmocka_unit_test(as_long_is_kept_as_asked_for),
                WITH_FILES(as_much_is_kept_as_asked_for),
                cmocka_unit_test(what_is_kept_can_change),
                WITH_FILES(no_id_comes_back_when_all_are_gone),
                WITH_FILES(the_file_stops_growing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
