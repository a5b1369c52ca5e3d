/* SPDX-License-Identifier: MIT */
/* Exit statuses, and what people are told. */
#include "client/ending.h"

#include <string.h>

#include "tests/unit/test.h"

static void check(const Ending *e, ExitStatus status, const char *words) {
        _cleanup_(freep) char *text = NULL;
        ExitStatus got;

        assert_int_equal(ending_explain(&text, &got, e), 0);
        assert_int_equal(got, status);
        if (words)
                assert_non_null(strstr(text, words));
        else
                assert_null(text);
}

static void what_the_server_says_decides_the_status(void **state) {
        static const struct {
                RpcStatus status;
                ExitStatus exit;
                const char *words;
        } cases[] = {
                {RPC_STATUS_OK, EXIT_ENDED, "(OK)"},
                {RPC_STATUS_UNAUTHENTICATED, EXIT_NOT_ADMITTED, "not admitted: why (UNAUTH"},
                {RPC_STATUS_PERMISSION_DENIED, EXIT_NOT_ADMITTED, "not admitted: why (PERM"},
                {RPC_STATUS_ABORTED, EXIT_KICKED, "kicked: why (ABORTED)"},
                {RPC_STATUS_UNAVAILABLE, EXIT_ENDED, "ended: why (UNAVAILABLE)"},
                {RPC_STATUS_ALREADY_EXISTS, EXIT_ENDED, "ended: why (ALREADY_EXISTS)"},
                {RPC_STATUS_UNIMPLEMENTED, EXIT_ENDED, "not a chatroom"},
                {(RpcStatus) 99, EXIT_ENDED, "UNKNOWN"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Ending e = {.status = cases[i].status, .reason = "why", .reached = true};

                check(&e, cases[i].exit, cases[i].words);
        }
}

static void who_was_in_is_told_that_it_is_over(void **state) {
        Ending e = {.status = RPC_STATUS_UNAUTHENTICATED, .reason = "why", .reached = true};

        e.joined = true;
        check(&e, EXIT_NOT_ADMITTED, "not admitted any more: why (UNAUTH");
}

static void leaving_is_the_one_end_without_words(void **state) {
        Ending e = {.status = RPC_STATUS_OK, .reached = true, .leaving = true};

        check(&e, EXIT_LEFT, NULL);
        e.status = RPC_STATUS_INVALID_ARGUMENT; /* the last message was refused */
        e.reason = "";
        check(&e, EXIT_ENDED, "ended (INVALID_ARGUMENT)");
        e.reason = NULL;
        check(&e, EXIT_ENDED, "ended (INVALID_ARGUMENT)");
}

static void without_a_connection_there_is_a_hint(void **state) {
        static const struct {
                const char *reason, *words;
        } cases[] = {
                {"failed to connect: Connection refused", "nothing listens there"},
                {"DNS resolution failed for h", "no host of that name"},
                {"connect: Network is unreachable", "no way leads there"},
                {"No route to host", "no way leads there"},
                {"Socket closed", "hung up"},
                {"recvmsg:Connection reset by peer", "hung up"},
                {"Timeout occurred", "`allow`"},
                {"last error: UNKNOWN: ipv4:192.0.2.1:50051: tcp handshaker shutdown", "`allow`"},
                {"connection attempt timed out before receiving SETTINGS frame", "`allow`"},
                {"", "`allow`"},
                {NULL, "`allow`"},
                {"something\nnew\x1b", "something new␛"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Ending e = {.status = RPC_STATUS_UNAVAILABLE,
                            .reason = cases[i].reason,
                            .address = "h:1"};

                check(&e, EXIT_UNREACHABLE, cases[i].words);
                check(&e, EXIT_UNREACHABLE, "cannot connect to h:1: ");
        }
}

static void reasons_are_fit_for_a_terminal(void **state) {
        Ending e = {.status = RPC_STATUS_ABORTED, .reason = "a\x1b[2J\nb", .reached = true};

        check(&e, EXIT_KICKED, "kicked: a␛[2J b (ABORTED)");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_the_server_says_decides_the_status),
                cmocka_unit_test(who_was_in_is_told_that_it_is_over),
                cmocka_unit_test(leaving_is_the_one_end_without_words),
                cmocka_unit_test(without_a_connection_there_is_a_hint),
                cmocka_unit_test(reasons_are_fit_for_a_terminal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
