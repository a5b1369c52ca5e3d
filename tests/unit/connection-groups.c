/* SPDX-License-Identifier: MIT */
/* What is known about an address when its connections come and go. */
#include "service/connection.h"

#include <sys/socket.h>

#include "tests/unit/test.h"

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)

static const Limits limits = {
        .max_connections = 10,
        .max_connections_per_address = 10,
        .join_timeout_ms = 1000,
        .auth_failures_per_minute = 3,
};

static int setup(void **state) {
        return connections_new((Connections **) state, 1024);
}

static int teardown(void **state) {
        connections_free(*state);
        return 0;
}

/* A connection, whose descriptor is in *ret_fd. */
static Connection *come(Connections *cs, uint64_t now_usec, int *ret_fd) {
        Peer peer = {.local = false};
        int pair[2];

        assert_int_equal(address_parse(&peer.address, "192.0.2.1:1"), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        close_fd(pair[1]);
        *ret_fd = pair[0];
        assert_int_equal(connections_add(cs, pair[0], &peer, &limits, now_usec), 0);
        return connections_get(cs, pair[0]);
}

static void go(Connections *cs, uint64_t now_usec, int fd) {
        close_fd(fd);
        connections_sweep(cs, now_usec);
        assert_int_equal(connections_count(cs), 0);
}

static unsigned log_all(Connection *c, uint64_t now_usec) {
        unsigned n = 0;

        while (connection_may_log(c, now_usec))
                n++;
        return n;
}

static void coming_anew_is_no_way_to_fill_the_log(void **state) {
        Connections *cs = *state;
        int fd;

        assert_int_equal(log_all(come(cs, START, &fd), START), 20);
        go(cs, START + SECOND, fd);
        assert_int_equal(log_all(come(cs, START + 2 * SECOND, &fd), START + 2 * SECOND), 2);
        go(cs, START + 3 * SECOND, fd);
        assert_int_equal(log_all(come(cs, START + 100 * SECOND, &fd), START + 100 * SECOND), 20);
        go(cs, START + 101 * SECOND, fd);
}

static void coming_anew_is_no_way_to_guess_on(void **state) {
        Connections *cs = *state;
        Connection *c;
        int fd;

        c = come(cs, START, &fd);
        while (connection_may_login(c, &limits, START) == 0)
                connection_login_failed(c, &limits, START);
        go(cs, START + SECOND, fd);
        c = come(cs, START + 2 * SECOND, &fd);
        assert_true(connection_may_login(c, &limits, START + 2 * SECOND) > 0);
        go(cs, START + 3 * SECOND, fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(coming_anew_is_no_way_to_fill_the_log, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(coming_anew_is_no_way_to_guess_on, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
