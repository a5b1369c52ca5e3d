/* SPDX-License-Identifier: MIT */
/* Who is in the room. */
#include "client/roster.h"

#include "tests/unit/test.h"

#define BYTES(s) ((RpcBytes){(s), sizeof(s) - 1})

static void only_news_is_news(void **state) {
        _cleanup_(roster_freep) Roster *r = NULL;

        assert_int_equal(roster_new(&r), 0);
        assert_int_equal(roster_join(r, BYTES("bob")), true);
        assert_int_equal(roster_join(r, BYTES("bob")), false);
        assert_int_equal(roster_join(r, BYTES("bo")), true);
        assert_int_equal(roster_join(r, BYTES("")), false);
        assert_int_equal(roster_count(r), 2);
        assert_true(roster_leave(r, BYTES("bob")));
        assert_false(roster_leave(r, BYTES("bob")));
        assert_false(roster_leave(r, BYTES("")));
        assert_int_equal(roster_count(r), 1);
        assert_memory_equal(roster_name(r, 0).data, "bo", 2);
}

static void after_a_reset_those_who_do_not_come_up_have_left(void **state) {
        _cleanup_(roster_freep) Roster *r = NULL;
        RpcBytes name;

        assert_int_equal(roster_new(&r), 0);
        assert_int_equal(roster_join(r, BYTES("alice")), true);
        assert_int_equal(roster_join(r, BYTES("bob")), true);
        assert_int_equal(roster_join(r, BYTES("carol")), true);
        roster_reset(r);
        assert_int_equal(roster_join(r, BYTES("bob")), false);
        assert_int_equal(roster_join(r, BYTES("dave")), true);
        assert_true(roster_settle(r, &name));
        assert_memory_equal(name.data, "alice", 5);
        assert_true(roster_settle(r, &name));
        assert_memory_equal(name.data, "carol", 5);
        assert_false(roster_settle(r, &name));
        assert_int_equal(roster_count(r), 2);
}

static void a_server_that_makes_people_up_is_not_believed_for_ever(void **state) {
        _cleanup_(roster_freep) Roster *r = NULL;
        char name[16];

        assert_int_equal(roster_new(&r), 0);
        for (int i = 0; i < 5000; i++) {
                int n = snprintf(name, sizeof(name), "%d", i);

                assert_true(roster_join(r, (RpcBytes){name, (size_t) n}) >= 0);
        }
        assert_int_equal(roster_count(r), 4096);
}

static void what_is_too_long_for_a_name_is_none(void **state) {
        _cleanup_(roster_freep) Roster *r = NULL;
        char name[257] = {0};

        assert_int_equal(roster_new(&r), 0);
        assert_int_equal(roster_join(r, (RpcBytes){name, sizeof(name)}), false);
        assert_int_equal(roster_join(r, (RpcBytes){name, sizeof(name) - 1}), true);
        assert_int_equal(roster_count(r), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_news_is_news),
                cmocka_unit_test(after_a_reset_those_who_do_not_come_up_have_left),
                cmocka_unit_test(a_server_that_makes_people_up_is_not_believed_for_ever),
                cmocka_unit_test(what_is_too_long_for_a_name_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
