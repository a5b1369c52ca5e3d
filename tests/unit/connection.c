/* SPDX-License-Identifier: MIT */
/* The table of connections: when one is closed, and when it is not. */
#include "service/connection.h"

#include <sys/socket.h>

#include "tests/unit/test.h"

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)
#define MAX_FD 1024

static const Limits limits = {
        .max_connections = 20,
        .max_connections_per_address = 20,
        .max_streams_per_connection = 10,
        .join_timeout_ms = 10000,
};

/* One connection, and its other end. */
typedef struct Line {
        Connections *table;
        Connection *c;
        int fd, other;
} Line;

static int setup(void **state) {
        const Peer peer = {.local = true};
        Line *l = calloc(1, sizeof(*l));
        int fds[2];

        assert_non_null(l);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        l->fd = fds[0];
        l->other = fds[1];
        assert_int_equal(connections_new(&l->table, MAX_FD), 0);
        assert_int_equal(connections_add(l->table, l->fd, &peer, &limits, START), 0);
        l->c = connections_get(l->table, l->fd);
        assert_non_null(l->c);
        *state = l;
        return 0;
}

static int teardown(void **state) {
        Line *l = *state;

        connections_free(l->table);
        close(l->fd);
        close(l->other);
        free(l);
        return 0;
}

static bool is_closed(const Line *l, uint64_t now) {
        char byte;

        connections_sweep(l->table, now);
        return recv(l->other, &byte, 1, 0) == 0;
}

static void one_without_a_call_is_closed(void **state) {
        const Line *l = *state;

        assert_false(is_closed(l, START + 9 * SECOND));
        assert_true(is_closed(l, START + 10 * SECOND));
}

static void one_with_a_call_stays_and_some_time_after_it(void **state) {
        const Line *l = *state;

        assert_int_equal(connection_open_stream(l->c, &limits, START), 0);
        assert_false(is_closed(l, START + 100 * SECOND));
        connection_close_stream(l->c, false, START + 100 * SECOND);
        assert_false(is_closed(l, START + 159 * SECOND));
        assert_int_equal(connection_open_stream(l->c, &limits, START + 159 * SECOND), 0);
        assert_false(is_closed(l, START + 1000 * SECOND));
        connection_close_stream(l->c, false, START + 1000 * SECOND);
        assert_false(is_closed(l, START + 1059 * SECOND));
        assert_true(is_closed(l, START + 1060 * SECOND));
}

static void who_was_cut_has_time_to_hear_why(void **state) {
        const Line *l = *state;

        assert_int_equal(connection_open_stream(l->c, &limits, START), 0);
        connection_close_soon(l->c);
        assert_false(is_closed(l, START + 5 * SECOND));
        connection_close_stream(l->c, false, START + 5 * SECOND);
        assert_false(is_closed(l, START + 6 * SECOND - 1));
        assert_true(is_closed(l, START + 6 * SECOND));
}

static void another_call_does_not_keep_it_open(void **state) {
        const Line *l = *state;

        assert_int_equal(connection_open_stream(l->c, &limits, START), 0);
        connection_close_soon(l->c);
        connection_close_stream(l->c, false, START);
        assert_int_equal(connection_open_stream(l->c, &limits, START), CONNECTION_E_CLOSING);
        connection_close_stream(l->c, false, START + SECOND / 2);
        assert_int_equal(connection_open_stream(l->c, &limits, START + SECOND / 2),
                         CONNECTION_E_CLOSING);
        connection_close_soon(l->c);
        assert_true(is_closed(l, START + SECOND));
        connection_close_stream(l->c, false, START + SECOND);
}

static void others_who_share_it_are_not_harmed(void **state) {
        const Line *l = *state;

        assert_int_equal(connection_open_stream(l->c, &limits, START), 0);
        assert_int_equal(connection_open_stream(l->c, &limits, START), 0);
        connection_close_soon(l->c);
        connection_close_stream(l->c, false, START);
        assert_false(is_closed(l, START + 100 * SECOND));
        assert_int_equal(connection_open_stream(l->c, &limits, START + 100 * SECOND), 0);
        connection_close_stream(l->c, false, START + 200 * SECOND);
        connection_close_stream(l->c, false, START + 200 * SECOND);
        assert_false(is_closed(l, START + 200 * SECOND));
        assert_true(is_closed(l, START + 201 * SECOND));
}

static void calls_without_a_token_are_counted_by_connection_and_address(void **state) {
        const Peer peer = {.local = true}, stranger = {.local = true, .uid = 1};
        Connection *cs[GUESTS_PER_ADDRESS / GUESTS_PER_CONNECTION + 2];
        const size_t last = ELEMENTS(cs) - 1;
        const Line *l = *state;

        /* The table never looks at these descriptors. */
        for (size_t i = 0; i <= last; i++) {
                int fd = l->other + 1 + (int) i;

                assert_int_equal(connections_add(l->table, fd, i == last ? &stranger : &peer,
                                                 &limits, START),
                                 0);
                cs[i] = connections_get(l->table, fd);
        }
        for (size_t i = 0; i + 2 <= last; i++) {
                for (unsigned k = 0; k < GUESTS_PER_CONNECTION; k++)
                        assert_true(connection_open_guest(cs[i]));
                assert_false(connection_open_guest(cs[i]));
        }
        assert_false(connection_open_guest(cs[last - 1]));
        assert_true(connection_open_guest(cs[last]));
        connection_close_guest(cs[0]);
        assert_true(connection_open_guest(cs[last - 1]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(one_without_a_call_is_closed),
                TEST(one_with_a_call_stays_and_some_time_after_it),
                TEST(who_was_cut_has_time_to_hear_why),
                TEST(another_call_does_not_keep_it_open),
                TEST(others_who_share_it_are_not_harmed),
                TEST(calls_without_a_token_are_counted_by_connection_and_address),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
