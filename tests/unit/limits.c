/* SPDX-License-Identifier: MIT */
/* The token bucket: bursts, rates, and what it answers about waiting. */
#include "service/limits.h"

#include <stdbool.h>

#include "tests/unit/test.h"

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)

static unsigned taken_at_once(Bucket *b, double burst, double per_second, uint64_t now) {
        unsigned n = 0;

        while (n < 1000 && bucket_take(b, burst, per_second, now) == 0)
                n++;
        return n;
}

static void a_new_bucket_is_full(void **state) {
        Bucket b = {0};

        assert_int_equal(taken_at_once(&b, 20, 5, START), 20);
}

static void it_refills_at_its_rate_and_never_beyond_the_burst(void **state) {
        Bucket b = {0};

        assert_int_equal(taken_at_once(&b, 20, 5, START), 20);
        assert_int_equal(taken_at_once(&b, 20, 5, START + SECOND), 5);
        assert_int_equal(taken_at_once(&b, 20, 5, START + 3 * SECOND), 10);
        assert_int_equal(taken_at_once(&b, 20, 5, START + 1000 * SECOND), 20);
}

static void the_answer_says_how_long_to_wait(void **state) {
        Bucket b = {0};

        assert_int_equal(taken_at_once(&b, 1, 5, START), 1);
        assert_int_equal(bucket_take(&b, 1, 5, START), SECOND / 5);
        assert_int_equal(bucket_take(&b, 1, 5, START + SECOND / 10), SECOND / 10);
}

static void whoever_waits_as_told_finds_one_and_not_earlier(void **state) {
        const double rates[] = {0.1, 1.0 / 3, 5, 7, 50, 999, 123456};

        for (size_t i = 0; i < ELEMENTS(rates); i++) {
                Bucket b = {0};
                uint64_t now = START;

                for (unsigned round = 0; round < 1000; round++) {
                        uint64_t wait = bucket_take(&b, 3, rates[i], now);
                        Bucket early = b;

                        if (wait == 0)
                                continue;
                        if (wait > 2)
                                assert_true(bucket_take(&early, 3, rates[i], now + wait - 2) > 0);
                        now += wait;
                        assert_int_equal(bucket_take(&b, 3, rates[i], now), 0);
                }
        }
}

static void over_a_long_time_the_rate_holds(void **state) {
        Bucket b = {0};
        unsigned taken = 0;

        for (uint64_t at = 0; at < 100 * SECOND; at += 1000)
                taken += bucket_take(&b, 20, 5, START + at) == 0;
        assert_in_range(taken, 20 + 5 * 100 - 1, 20 + 5 * 100);
}

static void asking_costs_nothing(void **state) {
        Bucket b = {0};

        assert_int_equal(taken_at_once(&b, 1, 1, START), 1);
        for (uint64_t at = 1; at < 1000; at++)
                assert_true(bucket_take(&b, 1, 1, START + at * 1000) > 0);
        assert_int_equal(bucket_take(&b, 1, 1, START + SECOND), 0);
}

static void a_clock_that_goes_back_adds_nothing(void **state) {
        Bucket b = {0};

        assert_int_equal(taken_at_once(&b, 2, 1, START), 2);
        assert_true(bucket_take(&b, 2, 1, START - 100 * SECOND) > 0);
        assert_true(bucket_take(&b, 2, 1, START) > 0);
        assert_int_equal(bucket_take(&b, 2, 1, START + SECOND), 0);
}

static void without_a_rate_the_wait_is_for_ever(void **state) {
        Bucket b = {0};

        assert_int_equal(bucket_take(&b, 1, 0, START), 0);
        assert_true(bucket_take(&b, 1, 0, START + SECOND) == UINT64_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_new_bucket_is_full),
                cmocka_unit_test(it_refills_at_its_rate_and_never_beyond_the_burst),
                cmocka_unit_test(the_answer_says_how_long_to_wait),
                cmocka_unit_test(whoever_waits_as_told_finds_one_and_not_earlier),
                cmocka_unit_test(over_a_long_time_the_rate_holds),
                cmocka_unit_test(asking_costs_nothing),
                cmocka_unit_test(a_clock_that_goes_back_adds_nothing),
                cmocka_unit_test(without_a_rate_the_wait_is_for_ever),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
