/* SPDX-License-Identifier: MIT */
/* The ring: dense ids, bounds in number and bytes, and entries that outlive their place. */
#include "service/ring.h"

#include "tests/unit/test.h"

static int freed;

/* Every entry has one payload that counts. */
static void count_free(void *payload) {
        freed += *(int *) payload;
}

static RingEntry *entry(size_t bytes) {
        static int counted = 1, not_counted = 0;
        void *payloads[WIRES] = {&counted, &not_counted};
        RingEntry *e = NULL;

        assert_int_equal(ring_entry_new(&e, payloads, count_free, bytes), 0);
        return e;
}

static int setup(void **state) {
        freed = 0;
        return 0;
}

static void push(Ring *r, int n) {
        for (int i = 0; i < n; i++)
                ring_push(r, entry(10));
}

static size_t read_after(Ring *r, uint64_t after, RingEntry **entries, size_t max) {
        size_t n = 0;

        assert_int_equal(ring_read(r, after, entries, max, &n), 0);
        return n;
}

static void drop(RingEntry **entries, size_t n) {
        for (size_t i = 0; i < n; i++)
                ring_entry_unref(entries[i]);
}

static void ids_are_dense_from_one(void **state) {
        RingEntry *entries[8];
        Ring *r = NULL;

        assert_int_equal(ring_new(&r, 4, 1000, 0), 0);
        assert_int_equal(ring_head(r), 0);
        assert_int_equal(read_after(r, 0, entries, 8), 0);
        assert_int_equal(ring_push(r, entry(10)), 1);
        assert_int_equal(ring_push(r, entry(10)), 2);
        assert_int_equal(ring_head(r), 2);
        assert_int_equal(read_after(r, 0, entries, 8), 2);
        assert_int_equal(entries[0]->id, 1);
        assert_int_equal(entries[1]->id, 2);
        drop(entries, 2);
        assert_int_equal(read_after(r, 2, entries, 8), 0);
        ring_free(r);
        assert_int_equal(freed, 2);
}

static void the_oldest_go_when_there_are_too_many(void **state) {
        RingEntry *entries[8];
        Ring *r = NULL;
        size_t n = 0;

        assert_int_equal(ring_new(&r, 3, 1000, 0), 0);
        push(r, 5);
        assert_int_equal(freed, 2);
        assert_int_equal(ring_read(r, 1, entries, 8, &n), RING_E_BEHIND);
        assert_int_equal(read_after(r, 2, entries, 8), 3);
        assert_int_equal(entries[0]->id, 3);
        drop(entries, 3);
        ring_free(r);
}

static void the_oldest_go_when_they_are_too_large(void **state) {
        RingEntry *entries[8];
        Ring *r = NULL;
        size_t n = 0;

        assert_int_equal(ring_new(&r, 100, 100, 0), 0);
        push(r, 10);
        assert_int_equal(freed, 0);
        ring_push(r, entry(95));
        assert_int_equal(freed, 10);
        assert_int_equal(ring_read(r, 9, entries, 8, &n), RING_E_BEHIND);
        assert_int_equal(read_after(r, 10, entries, 8), 1);
        drop(entries, 1);
        ring_free(r);
}

static void an_entry_larger_than_the_ring_stays_until_the_next(void **state) {
        RingEntry *entries[2];
        Ring *r = NULL;

        assert_int_equal(ring_new(&r, 4, 50, 0), 0);
        ring_push(r, entry(60));
        assert_int_equal(read_after(r, 0, entries, 2), 1);
        drop(entries, 1);
        ring_push(r, entry(10));
        assert_int_equal(freed, 1);
        ring_free(r);
}

static void a_referenced_entry_outlives_its_place(void **state) {
        RingEntry *entries[2];
        Ring *r = NULL;

        assert_int_equal(ring_new(&r, 1, 1000, 0), 0);
        push(r, 1);
        assert_int_equal(read_after(r, 0, entries, 2), 1);
        push(r, 1);
        assert_int_equal(freed, 0);
        assert_int_equal(entries[0]->id, 1);
        drop(entries, 1);
        assert_int_equal(freed, 1);
        ring_free(r);
}

static void a_read_takes_at_most_what_it_asked_for(void **state) {
        RingEntry *entries[2];
        Ring *r = NULL;

        assert_int_equal(ring_new(&r, 10, 1000, 0), 0);
        push(r, 5);
        assert_int_equal(read_after(r, 1, entries, 2), 2);
        assert_int_equal(entries[1]->id, 3);
        drop(entries, 2);
        ring_free(r);
}

static void a_ring_goes_on_where_another_one_ended(void **state) {
        RingEntry *entries[2];
        Ring *r = NULL;
        size_t n = 0;

        assert_int_equal(ring_new(&r, 4, 1000, 41), 0);
        assert_int_equal(ring_head(r), 41);
        assert_int_equal(ring_first(r), 42);
        assert_int_equal(ring_read(r, 40, entries, 2, &n), RING_E_BEHIND);
        assert_int_equal(ring_push(r, entry(10)), 42);
        assert_int_equal(read_after(r, 41, entries, 2), 1);
        drop(entries, 1);
        ring_free(r);
}

static void resizing_keeps_the_newest(void **state) {
        RingEntry *entries[16];
        Ring *r = NULL;
        size_t n = 0;

        assert_int_equal(ring_new(&r, 10, 1000, 0), 0);
        push(r, 10);
        assert_int_equal(ring_resize(r, 4, 1000), 0);
        assert_int_equal(freed, 6);
        assert_int_equal(ring_read(r, 5, entries, 16, &n), RING_E_BEHIND);
        assert_int_equal(read_after(r, 6, entries, 16), 4);
        assert_int_equal(entries[0]->id, 7);
        drop(entries, 4);
        assert_int_equal(ring_resize(r, 12, 1000), 0);
        push(r, 8);
        assert_int_equal(read_after(r, 6, entries, 16), 12);
        assert_int_equal(entries[11]->id, 18);
        drop(entries, 12);
        assert_int_equal(ring_resize(r, 12, 20), 0);
        assert_int_equal(read_after(r, 16, entries, 16), 2);
        drop(entries, 2);
        ring_free(r);
        assert_int_equal(freed, 18);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(ids_are_dense_from_one, setup),
                cmocka_unit_test_setup(the_oldest_go_when_there_are_too_many, setup),
                cmocka_unit_test_setup(the_oldest_go_when_they_are_too_large, setup),
                cmocka_unit_test_setup(an_entry_larger_than_the_ring_stays_until_the_next, setup),
                cmocka_unit_test_setup(a_referenced_entry_outlives_its_place, setup),
                cmocka_unit_test_setup(a_read_takes_at_most_what_it_asked_for, setup),
                cmocka_unit_test_setup(a_ring_goes_on_where_another_one_ended, setup),
                cmocka_unit_test_setup(resizing_keeps_the_newest, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
