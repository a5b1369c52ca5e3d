/* SPDX-License-Identifier: MIT */
/* Who may be in a room together, and how time goes in it. */
#include "service/room.h"

#include <string.h>

#include "tests/unit/test.h"

static const Limits limits = {.max_lag_messages = 16, .max_lag_bytes = 10000};

static Name name(const char *text) {
        Name n;

        assert_int_equal(name_parse(&n, text, strlen(text)), 0);
        return n;
}

static int join(Room *room, Session *s, const char *text, bool any_name) {
        Name n = name(text);

        s->any_name = any_name;
        return room_join(room, s, &n, 2);
}

static int setup(void **state) {
        return room_new((Room **) state, "lobby", &limits, 0);
}

static int teardown(void **state) {
        room_free(*state);
        return 0;
}

static void one_user_has_several_sessions_up_to_the_limit(void **state) {
        Session a = {0}, b = {0}, c = {0};
        Room *room = *state;

        assert_int_equal(join(room, &a, "alice", false), 0);
        assert_int_equal(join(room, &b, "ALICE", false), 0);
        assert_ptr_equal(a.user, b.user);
        assert_int_equal(room_count_users(room), 1);
        assert_int_equal(room_count_sessions(room), 2);
        assert_int_equal(join(room, &c, "alice", false), ROOM_E_FULL);
        room_leave(room, &a);
        assert_int_equal(join(room, &c, "alice", false), 0);
        room_leave(room, &b);
        room_leave(room, &c);
        assert_int_equal(room_count_users(room), 0);
}

static void a_free_name_is_held_by_one_session(void **state) {
        Session a = {0}, b = {0};
        Room *room = *state;

        assert_int_equal(join(room, &a, "carol", true), 0);
        assert_int_equal(join(room, &b, "Carol", true), ROOM_E_TAKEN);
        assert_int_equal(join(room, &b, "carol", false), ROOM_E_TAKEN);
        room_leave(room, &a);
        assert_int_equal(join(room, &b, "carol", true), 0);
        room_leave(room, &b);
}

static void a_bound_name_is_not_free_while_its_user_is_in(void **state) {
        Session a = {0}, b = {0};
        Room *room = *state;

        assert_int_equal(join(room, &a, "dave", false), 0);
        assert_int_equal(join(room, &b, "dave", true), ROOM_E_TAKEN);
        room_leave(room, &a);
}

static void a_user_is_found_by_any_spelling(void **state) {
        Session a = {0};
        Room *room = *state;
        Name upper = name("\xc3\x89VE"), other = name("eve");

        assert_int_equal(join(room, &a, "\x65\xcc\x81ve", false), 0);
        assert_non_null(room_find(room, &upper));
        assert_null(room_find(room, &other));
        room_leave(room, &a);
        assert_null(room_find(room, &upper));
}

static void time_never_runs_backwards(void **state) {
        Room *room = *state;

        assert_int_equal(room_stamp(room, 1000), 1000);
        assert_int_equal(room_stamp(room, 900), 1000);
        assert_int_equal(room_stamp(room, 1001), 1001);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(one_user_has_several_sessions_up_to_the_limit,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_free_name_is_held_by_one_session, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_bound_name_is_not_free_while_its_user_is_in,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_user_is_found_by_any_spelling, setup, teardown),
                cmocka_unit_test_setup_teardown(time_never_runs_backwards, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
