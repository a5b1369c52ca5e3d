/* SPDX-License-Identifier: MIT */
/* Addresses: which of them a token may go to in clear, and how gRPC takes them. */
#include "client/address.h"

#include <netdb.h>

#include "tests/unit/test.h"

static struct addrinfo *parse(const char *text) {
        struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;

        assert_int_equal(getaddrinfo(text, "50051", &hints, &found), 0);
        return found;
}

static void this_machine_and_the_tailnet_are_private(void **state) {
        static const struct {
                const char *text;
                bool is_private;
        } cases[] = {
                {"127.0.0.1", true},
                {"127.255.255.254", true},
                {"128.0.0.1", false},
                {"100.63.255.255", false},
                {"100.64.0.0", true},
                {"100.100.100.100", true},
                {"100.127.255.255", true},
                {"100.128.0.0", false},
                {"192.168.1.1", false},
                {"10.0.0.1", false},
                {"0.0.0.0", false},
                {"203.0.113.5", false},
                {"::1", true},
                {"::", false},
                {"fd7a:115c:a1e0::1", true},
                {"fd7a:115c:a1e0:ffff::1", true},
                {"fd7a:115c:a1e1::1", false},
                {"fe80::1", false},
                {"2001:db8::1", false},
                {"::ffff:127.0.0.1", true},
                {"::ffff:100.64.0.1", true},
                {"::ffff:203.0.113.5", false},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct addrinfo *a = parse(cases[i].text);

                if (address_is_private(a->ai_addr) != cases[i].is_private)
                        fail_msg("%s", cases[i].text);
                freeaddrinfo(a);
        }
        assert_false(address_is_private(&(struct sockaddr){.sa_family = AF_UNIX}));
}

static void they_are_written_as_grpc_takes_them(void **state) {
        static const struct {
                const char *text, *uri;
        } cases[] = {
                {"192.0.2.1", "ipv4:192.0.2.1:50051"},
                {"::1", "ipv6:%5B::1%5D:50051"},
                {"fe80::1%lo", "ipv6:%5Bfe80::1%25lo%5D:50051"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(freep) char *text = NULL, *uri = NULL;
                struct addrinfo *a = parse(cases[i].text);

                assert_int_equal(address_text(&text, a->ai_addr), 0);
                assert_string_equal(text, cases[i].text);
                assert_int_equal(address_uri(&uri, a->ai_addr), 0);
                assert_string_equal(uri, cases[i].uri);
                freeaddrinfo(a);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(this_machine_and_the_tailnet_are_private),
                cmocka_unit_test(they_are_written_as_grpc_takes_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
