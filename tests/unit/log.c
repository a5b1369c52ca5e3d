/* SPDX-License-Identifier: MIT */
/* The log: what is taken, what is given again, what is kept. */
#include "service/log.h"

#include <string.h>

#include "tests/unit/files.h"
#include "tests/unit/test.h"

static void messages_are_given_as_they_were_taken(void **state) {
        Files *f = *state;
        LogOptions options = {.boot_id = "b1"};
        LogError error;
        Log *l = NULL;
        LogMessage m[2] = {
                {.time_ms = 5, .user = (char *) "alice", .text = (char *) "hello", .n_text = 5},
                {.time_ms = 4,
                 .user = (char *) "bob",
                 .text = (char *) "hi\xc3\xa4",
                 .n_text = 4,
                 .client_id = "c1",
                 .has_key = true,
                 .key = {1}}};
        LogMessage *got;
        size_t n;

        assert_int_equal(log_open(&l, f->directory, &options, &error), 0);
        assert_string_equal(error.text, "");
        assert_int_equal(log_head(l), 0);
        assert_int_equal(log_first(l), 1);
        assert_int_equal(log_append(l, m, 2), 0);
        assert_int_equal(m[1].id, 2);
        assert_int_equal(log_read(l, &(LogRange){0, 10, 100}, &got, &n), 0);
        assert_int_equal(n, 2);
        assert_string_equal(got[1].text, "hi\xc3\xa4");
        assert_int_equal(got[1].time_ms, 5);
        log_messages_free(got, n);
        log_free(l);
        assert_int_equal(log_open(&l, f->directory, &options, &error), 0);
        assert_string_equal(error.text, "");
        assert_int_equal(log_head(l), 2);
        log_free(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(messages_are_given_as_they_were_taken),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
