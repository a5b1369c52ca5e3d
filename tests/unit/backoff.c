/* SPDX-License-Identifier: MIT */
/* How long to wait before the next attempt. */
#include "client/backoff.h"

#include "tests/unit/test.h"

static void the_bound_doubles_up_to_its_end(void **state) {
        static const unsigned bounds[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
        Backoff low = {0}, high = {0};

        for (size_t i = 0; i < ELEMENTS(bounds); i++) {
                assert_int_equal(backoff_next(&low, 0), 0);
                assert_int_equal(backoff_next(&high, bounds[i]), bounds[i]);
        }
        assert_int_equal(backoff_next(&high, 30001), 0);
        for (int i = 0; i < 1000; i++)
                assert_true(backoff_next(&high, (uint64_t) i * 7919) <= BACKOFF_MAX_MS);
}

static void only_a_connection_that_stood_puts_it_back(void **state) {
        Backoff b = {0};

        for (int i = 0; i < 3; i++)
                (void) backoff_next(&b, 0);
        backoff_stood(&b, BACKOFF_STABLE_MS - 1);
        assert_int_equal(backoff_next(&b, 4000), 4000);
        backoff_stood(&b, BACKOFF_STABLE_MS);
        assert_int_equal(backoff_next(&b, 500), 500);
}

static void who_is_told_when_comes_then(void **state) {
        Backoff b = {0};

        for (uint64_t random = 0; random < 1000; random++) {
                unsigned ms = backoff_told(&b, 700, random);

                assert_in_range(ms, 700, 950);
        }
        assert_in_range(backoff_told(&b, INT64_MAX, 0), 300000, 300250);
        assert_int_equal(backoff_next(&b, 500), 500); /* it was no failure */
}

static void a_name_may_be_held_by_oneself_for_a_while(void **state) {
        Backoff b = {0};

        for (int i = 0; i < 2; i++) {
                assert_true(backoff_may_be_oneself(&b, 1000));
                assert_true(backoff_may_be_oneself(&b, 1000 + BACKOFF_NAME_MS - 1));
                assert_false(backoff_may_be_oneself(&b, 1000 + BACKOFF_NAME_MS));
                backoff_joined(&b);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_bound_doubles_up_to_its_end),
                cmocka_unit_test(only_a_connection_that_stood_puts_it_back),
                cmocka_unit_test(who_is_told_when_comes_then),
                cmocka_unit_test(a_name_may_be_held_by_oneself_for_a_while),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
