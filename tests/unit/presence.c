/* SPDX-License-Identifier: MIT */
/* Who is told to be there, and when. */
#include "service/presence.h"

#include <string.h>

#include "tests/unit/test.h"

#define LATER (PRESENCE_GONE_USEC + 1)

static Name name(const char *text) {
        Name n;

        assert_int_equal(name_parse(&n, text, strlen(text)), 0);
        return n;
}

static void come(Presence *p, const char *text) {
        Name n = name(text);

        assert_int_equal(presence_come(p, &n), 0);
}

static void go(Presence *p, const char *text, uint64_t now) {
        Name n = name(text);

        presence_go(p, &n, now);
}

static bool has(const char **names, size_t n, const char *text) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], text) == 0)
                        return true;
        return false;
}

/* Joined and left as "+a +b -c", in that order of letters. */
static void assert_told(const Presence *p, uint64_t since, bool reset, const char *joined,
                        const char *left) {
        PresenceChange c;

        assert_int_equal(presence_since(p, since, &c), 0);
        assert_int_equal(c.reset, reset);
        assert_int_equal(c.n_joined, strlen(joined));
        assert_int_equal(c.n_left, strlen(left));
        for (const char *j = joined; *j; j++)
                assert_true(has(c.joined, c.n_joined, (char[]){*j, 0}));
        for (const char *l = left; *l; l++)
                assert_true(has(c.left, c.n_left, (char[]){*l, 0}));
        free(c.joined);
        free(c.left);
}

static int setup(void **state) {
        return presence_new((Presence **) state);
}

static int teardown(void **state) {
        presence_free(*state);
        return 0;
}

static void coming_is_told_at_once(void **state) {
        Presence *p = *state;
        uint64_t before = presence_version(p);

        come(p, "a");
        come(p, "b");
        assert_true(presence_version(p) > before);
        assert_told(p, 0, true, "ab", "");
        assert_told(p, before, false, "ab", "");
        assert_told(p, presence_version(p), false, "", "");
}

static void going_is_told_after_a_while(void **state) {
        Presence *p = *state;
        uint64_t before;

        come(p, "a");
        come(p, "b");
        before = presence_version(p);
        go(p, "a", 1000);
        presence_settle(p, 1000 + PRESENCE_GONE_USEC - 1);
        assert_int_equal(presence_version(p), before);
        assert_told(p, 0, true, "ab", "");
        presence_settle(p, 1000 + PRESENCE_GONE_USEC);
        assert_told(p, before, false, "", "a");
        assert_told(p, 0, true, "b", "");
}

static void who_comes_back_soon_was_never_gone(void **state) {
        Presence *p = *state;
        uint64_t before;

        come(p, "a");
        before = presence_version(p);
        go(p, "a", 1000);
        come(p, "a");
        presence_settle(p, 1000 + LATER);
        assert_int_equal(presence_version(p), before);
}

static void a_difference_is_the_sum_of_all_changes(void **state) {
        Presence *p = *state;
        uint64_t before;

        come(p, "a");
        before = presence_version(p);
        come(p, "b");
        go(p, "b", 0);
        presence_settle(p, LATER);
        go(p, "a", LATER);
        presence_settle(p, 2 * LATER);
        come(p, "c");
        come(p, "a");
        assert_told(p, before, false, "ac", "b");
}

static void nothing_is_told_of_a_crowd(void **state) {
        Presence *p = *state;
        char text[16];

        for (int i = 0; i <= PRESENCE_MAX; i++) {
                snprintf(text, sizeof(text), "m%d", i);
                come(p, text);
        }
        assert_told(p, 0, true, "", "");
        for (int i = 1; i <= PRESENCE_MAX; i++) {
                snprintf(text, sizeof(text), "m%d", i);
                go(p, text, 0);
        }
        presence_settle(p, LATER);
        come(p, "a");
        go(p, "m0", LATER);
        presence_settle(p, 2 * LATER);
        /* Whoever was told something before the crowd came is told everything anew. */
        assert_told(p, 2, true, "a", "");
}

static void tombstones_are_not_kept_for_ever(void **state) {
        Presence *p = *state;
        uint64_t before;
        char text[16];

        come(p, "a");
        before = presence_version(p);
        for (int i = 0; i < 1500; i++) {
                snprintf(text, sizeof(text), "m%d", i);
                come(p, text);
                go(p, text, 0);
        }
        presence_settle(p, LATER);
        assert_told(p, before, true, "a", "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(coming_is_told_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(going_is_told_after_a_while, setup, teardown),
                cmocka_unit_test_setup_teardown(who_comes_back_soon_was_never_gone, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_difference_is_the_sum_of_all_changes, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(nothing_is_told_of_a_crowd, setup, teardown),
                cmocka_unit_test_setup_teardown(tombstones_are_not_kept_for_ever, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
