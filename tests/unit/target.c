/* SPDX-License-Identifier: MIT */
/* [USER@]HOST[:PORT], as people write it. */
#include "client/target.h"

#include "tests/unit/test.h"

typedef struct Case {
        const char *text, *user, *host;
        uint16_t port;
        const char *address;
} Case;

static void assert_text(const char *got, const char *wanted) {
        if (wanted)
                assert_string_equal(got, wanted);
        else
                assert_null(got);
}

static void what_people_write_is_understood(void **state) {
        static const Case cases[] = {
                {"host", NULL, "host", 50051, "host:50051"},
                {"alice@host", "alice", "host", 50051, "host:50051"},
                {"a@b@host:1", "a@b", "host", 1, "host:1"},
                {"1.2.3.4:65535", NULL, "1.2.3.4", 65535, "1.2.3.4:65535"},
                {"é@[::1]", "é", "::1", 50051, "[::1]:50051"},
                {"a@[fe80::1%eth0]:7", "a", "fe80::1%eth0", 7, "[fe80::1%eth0]:7"},
                {"h/../x?y#z", NULL, "h/../x?y#z", 50051, "h/../x?y#z:50051"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(freep) char *address = NULL;
                Complaint complaint;
                Target t;

                assert_int_equal(target_parse(&t, cases[i].text, &complaint), 0);
                assert_text(t.user, cases[i].user);
                assert_string_equal(t.host, cases[i].host);
                assert_int_equal(t.port, cases[i].port);
                assert_int_equal(target_address(&t, &address), 0);
                assert_string_equal(address, cases[i].address);
                target_done(&t);
        }
}

static void what_cannot_be_meant_is_refused(void **state) {
        static const char *const texts[] = {
                "",         "@host",      "alice@",
                "alice@:1", "host:",      "host:0",
                "host:x",   "host:65536", "host:99999999999999999999",
                "host: 1",  "host:-1",    "::1",
                "a@::1",    "[::1",       "[::1]x",
                "[::1]:",   "[]:1",       "host:1:2",
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                Complaint complaint = {""};
                Target t;

                assert_int_equal(target_parse(&t, texts[i], &complaint), TARGET_E_SYNTAX);
                assert_string_not_equal(complaint.text, "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_people_write_is_understood),
                cmocka_unit_test(what_cannot_be_meant_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
