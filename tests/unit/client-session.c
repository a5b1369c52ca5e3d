/* SPDX-License-Identifier: MIT */
/* One's place in the room: what was seen, what is to be said again. */
#include "client/session.h"

#include <string.h>

#include "tests/unit/test.h"

#define BYTES(s) ((RpcBytes){(s), sizeof(s) - 1})

static Session *make(uint32_t history) {
        Session *s;

        assert_int_equal(session_new(&s, 0x0123456789abcdef, history), 0);
        return s;
}

static int welcome(Session *s, const char *epoch, uint64_t first, uint64_t head) {
        SessionWelcome w = {
                .user = BYTES("alice"),
                .epoch = {epoch, strlen(epoch)},
                .secret = BYTES("secret"),
                .head = head,
                .first = first,
                .window = 4,
        };

        return session_welcome(s, &w);
}

static RpcBytes bytes(const char *text) {
        return (RpcBytes){text, strlen(text)};
}

static void say(Session *s, const char *text) {
        assert_int_equal(session_say(s, bytes(text), 0), 0);
}

static void send_next(Session *s, const char *text) {
        Outgoing *o = session_next(s);

        if (!text) {
                assert_null(o);
                return;
        }
        assert_non_null(o);
        assert_int_equal(o->size, strlen(text));
        assert_string_equal(o->text, text);
        o->sent = true;
}

static void take(Session *s, const char *client_id) {
        Outgoing *o = session_take(s, bytes(client_id));

        assert_non_null(o);
        assert_string_equal(o->client_id, client_id);
        free(o);
}

static void it_begins_with_the_last_messages(void **state) {
        static const struct {
                uint64_t first, head;
                uint32_t history;
                uint64_t position;
        } cases[] = {
                {0, 0, 50, 0},  {1, 0, 50, 0}, {1, 10, 0, 10},   {1, 10, 3, 7},   {1, 10, 50, 0},
                {8, 10, 50, 7}, {8, 10, 3, 7}, {11, 10, 50, 10}, {0, 10, 50, 10},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(session_freep) Session *s = make(cases[i].history);
                SessionStart start = session_start(s);

                assert_false(start.resume);
                assert_int_equal(start.count, cases[i].history);
                assert_int_equal(welcome(s, "e", cases[i].first, cases[i].head), 0);
                assert_int_equal(session_position(s), cases[i].position);
        }
}

static void it_resumes_behind_the_last_message_that_was_seen(void **state) {
        _cleanup_(session_freep) Session *s = make(0);
        SessionStart start;

        assert_int_equal(welcome(s, "epoch", 1, 10), 0);
        assert_true(session_see(s, 11));
        assert_true(session_see(s, 12));
        session_lost(s);
        start = session_start(s);
        assert_true(start.resume);
        assert_int_equal(start.after_id, 12);
        assert_memory_equal(start.epoch.data, "epoch", 5);
        assert_memory_equal(start.secret.data, "secret", 6);
        assert_int_equal(welcome(s, "epoch", 1, 20), 0);
        assert_int_equal(session_position(s), 12);
}

static void each_id_is_seen_once(void **state) {
        _cleanup_(session_freep) Session *s = make(0);

        assert_int_equal(welcome(s, "e", 1, 10), 0);
        assert_false(session_see(s, 10));
        assert_true(session_see(s, 11));
        assert_false(session_see(s, 11));
        session_lost(s);
        assert_int_equal(welcome(s, "e", 1, 12), 0);
        assert_false(session_see(s, 11));
        assert_true(session_see(s, 12));
}

static void a_gap_is_counted_once(void **state) {
        _cleanup_(session_freep) Session *s = make(0);

        assert_int_equal(welcome(s, "e", 1, 10), 0);
        assert_int_equal(session_gap(s, 11, 20), 10);
        assert_int_equal(session_position(s), 20);
        assert_int_equal(session_gap(s, 11, 20), 0);
        assert_int_equal(session_gap(s, 15, 25), 5);
        assert_int_equal(session_gap(s, 30, 29), 0);
        assert_int_equal(session_gap(s, 0, 29), 0);
        assert_true(session_see(s, 26));
}

static void in_another_epoch_old_ids_mean_nothing(void **state) {
        _cleanup_(session_freep) Session *s = make(7);

        assert_int_equal(welcome(s, "one", 1, 1000), 0);
        session_lost(s);
        assert_int_equal(welcome(s, "two", 1, 5), SESSION_E_BEGAN_ANEW);
        assert_int_equal(session_gap(s, 1001, 2000), 0);
        /* Nothing has come yet: the next connection does not ask for all there is. */
        assert_false(session_start(s).resume);
        assert_int_equal(session_start(s).count, 7);
        assert_true(session_see(s, 3));
        assert_false(session_see(s, 3));
        session_lost(s);
        assert_true(session_start(s).resume);
        assert_int_equal(session_start(s).after_id, 3);
        assert_int_equal(welcome(s, "two", 1, 5), 0);
}

static void a_log_that_ends_before_what_was_seen_is_another_one(void **state) {
        _cleanup_(session_freep) Session *s = make(7);

        assert_int_equal(welcome(s, "e", 1, 10), 0);
        assert_true(session_see(s, 11));
        session_lost(s);
        assert_int_equal(welcome(s, "e", 1, 10), SESSION_E_BEGAN_ANEW);
        assert_int_equal(session_gap(s, 12, 3), 0);
        assert_true(session_see(s, 4));
        assert_true(session_see(s, 11));
        session_lost(s);
        assert_int_equal(welcome(s, "e", 1, 11), 0);
}

static void what_was_said_is_sent_in_its_order_and_no_more_than_the_window_allows(void **state) {
        _cleanup_(session_freep) Session *s = make(0);

        assert_int_equal(welcome(s, "e", 1, 0), 0);
        for (int i = 0; i < 4; i++) {
                char text[] = {(char) ('a' + i), 0};

                assert_true(session_may_say(s));
                say(s, text);
        }
        assert_false(session_may_say(s));
        send_next(s, "a");
        send_next(s, "b");
        send_next(s, "c");
        send_next(s, "d");
        send_next(s, NULL);
        take(s, "0123456789abcdef-2");
        assert_true(session_may_say(s));
        assert_int_equal(session_pending(s), 3);
        assert_null(session_take(s, bytes("0123456789abcdef-2")));
        assert_null(session_take(s, bytes("0123456789abcdef-")));
        assert_null(session_take(s, bytes("")));
}

static void what_was_not_acknowledged_is_sent_again_as_it_was(void **state) {
        _cleanup_(session_freep) Session *s = make(0);

        assert_int_equal(welcome(s, "e", 1, 0), 0);
        say(s, "a");
        say(s, "b");
        say(s, "c");
        send_next(s, "a");
        send_next(s, "b");
        take(s, "0123456789abcdef-1");
        session_lost(s);
        say(s, "d");
        assert_string_equal(session_next(s)->client_id, "0123456789abcdef-2");
        send_next(s, "b");
        send_next(s, "c");
        send_next(s, "d");
        send_next(s, NULL);
        session_again(s, bytes("0123456789abcdef-3"));
        session_again(s, bytes("no such thing"));
        send_next(s, "c");
        send_next(s, NULL);
}

static void a_window_that_became_smaller_holds(void **state) {
        _cleanup_(session_freep) Session *s = make(0);
        SessionWelcome w = {.epoch = BYTES("e"), .window = 1};

        assert_int_equal(welcome(s, "e", 1, 0), 0);
        say(s, "a");
        say(s, "b");
        session_lost(s);
        assert_int_equal(session_welcome(s, &w), 0);
        send_next(s, "a");
        send_next(s, NULL);
        take(s, "0123456789abcdef-1");
        send_next(s, "b");
        w.window = 0;
        assert_int_equal(session_welcome(s, &w), 0);
        take(s, "0123456789abcdef-2");
        assert_true(session_may_say(s));
        w.window = UINT32_MAX;
        assert_int_equal(session_welcome(s, &w), 0);
        for (int i = 0; i < SESSION_WINDOW_MAX; i++)
                say(s, "x");
        assert_false(session_may_say(s));
        assert_int_equal(session_say(s, BYTES("x"), 0), -ENOBUFS);
}

static void ones_own_is_what_this_session_said_under_its_name(void **state) {
        _cleanup_(session_freep) Session *s = make(0);

        assert_int_equal(welcome(s, "e", 1, 0), 0);
        assert_true(session_is_own(s, BYTES("alice"), BYTES("0123456789abcdef-77")));
        assert_false(session_is_own(s, BYTES("mallory"), BYTES("0123456789abcdef-77")));
        assert_false(session_is_own(s, BYTES("alice"), BYTES("0123456789abcdee-77")));
        assert_false(session_is_own(s, BYTES("alice"), BYTES("0123456789abcdef-")));
        assert_false(session_is_own(s, BYTES("alice"), (RpcBytes){NULL, 0}));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_begins_with_the_last_messages),
                cmocka_unit_test(it_resumes_behind_the_last_message_that_was_seen),
                cmocka_unit_test(each_id_is_seen_once),
                cmocka_unit_test(a_gap_is_counted_once),
                cmocka_unit_test(in_another_epoch_old_ids_mean_nothing),
                cmocka_unit_test(a_log_that_ends_before_what_was_seen_is_another_one),
                cmocka_unit_test(
                        what_was_said_is_sent_in_its_order_and_no_more_than_the_window_allows),
                cmocka_unit_test(what_was_not_acknowledged_is_sent_again_as_it_was),
                cmocka_unit_test(a_window_that_became_smaller_holds),
                cmocka_unit_test(ones_own_is_what_this_session_said_under_its_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
