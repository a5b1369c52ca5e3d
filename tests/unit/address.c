/* SPDX-License-Identifier: MIT */
/* Addresses and networks: what is read, what is refused, who belongs together. */
#include "service/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "tests/unit/test.h"

static Address parse(const char *text) {
        Address a;

        if (address_parse(&a, text) != 0)
                fail_msg("\"%s\" is refused", text);
        return a;
}

static Network network(const char *text) {
        Network n;

        if (network_parse(&n, text) != 0)
                fail_msg("\"%s\" is refused", text);
        return n;
}

static void assert_reads_as(const char *text, const char *expected) {
        char formatted[ADDRESS_TEXT_MAX];
        Address a = parse(text);

        address_format(&a, true, formatted);
        assert_string_equal(formatted, expected);
}

static void addresses_survive_reading_and_printing(void **state) {
        const char *texts[] = {"127.0.0.1:50051", "[::]:50051",  "[::1]:0",
                               "0.0.0.0:65535",   "[fd7a::1]:1", "[fe80::1]:50051"};

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_reads_as(texts[i], texts[i]);
}

static void spellings_of_one_address_become_one(void **state) {
        assert_reads_as("[FD7A:0:0::1]:80", "[fd7a::1]:80");
        assert_reads_as("[::ffff:192.0.2.1]:80", "192.0.2.1:80");
        assert_reads_as("[::ffff:c000:201]:80", "192.0.2.1:80");
}

static void whatever_is_not_an_address_and_a_port_is_refused(void **state) {
        const char *texts[] = {"",
                               "50051",
                               ":50051",
                               "127.0.0.1",
                               "127.0.0.1:",
                               "[::1]",
                               "[::1]:",
                               "::1:50051",
                               "[::1:50051",
                               "::1]:50051",
                               "[127.0.0.1]:1",
                               "localhost:50051",
                               "127.1:1",
                               "0x7f.1:1",
                               "127.0.0.1:+1",
                               "127.0.0.1: 1",
                               "127.0.0.1:1 ",
                               " 127.0.0.1:1",
                               "127.0.0.1:65536",
                               "127.0.0.1:00001",
                               "127.0.0.01:1",
                               "[]:1",
                               "[::1%lo]:1",
                               "[::1]x:1",
                               "127.0.0.1:123456789012345678901",
                               "*:50051",
                               "[::1]:1:1",
                               "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1"};
        Address a;

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (address_parse(&a, texts[i]) != ADDRESS_E_SYNTAX)
                        fail_msg("\"%s\" is not refused", texts[i]);
}

static void without_port_there_are_no_brackets(void **state) {
        char text[ADDRESS_TEXT_MAX];
        Address a = parse("[fd7a::1]:80");

        address_format(&a, false, text);
        assert_string_equal(text, "fd7a::1");
        a = parse("192.0.2.1:80");
        address_format(&a, false, text);
        assert_string_equal(text, "192.0.2.1");
        assert_int_equal(address_port(&a), 80);
}

static void a_mapped_peer_is_an_ipv4_peer(void **state) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(7)};
        char text[ADDRESS_TEXT_MAX];
        Address a;

        assert_int_equal(inet_pton(AF_INET6, "::ffff:100.64.0.9", &in6.sin6_addr), 1);
        assert_int_equal(address_from_sockaddr(&a, (struct sockaddr *) &in6, sizeof(in6)), 0);
        assert_int_equal(a.sa.sa_family, AF_INET);
        assert_int_equal(a.size, sizeof(struct sockaddr_in));
        address_format(&a, true, text);
        assert_string_equal(text, "100.64.0.9:7");
}

static void what_the_kernel_gave_comes_out_again(void **state) {
        Address from = parse("[fd7a::1]:80"), to;

        assert_int_equal(address_from_sockaddr(&to, &from.sa, from.size), 0);
        assert_int_equal(to.size, from.size);
        assert_memory_equal(&to.in6, &from.in6, sizeof(to.in6));
        from = parse("127.0.0.1:80");
        assert_int_equal(address_from_sockaddr(&to, &from.sa, from.size), 0);
        assert_int_equal(to.size, from.size);
        assert_memory_equal(&to.in, &from.in, sizeof(to.in));
}

static void other_families_and_short_addresses_are_errors(void **state) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        Address from = parse("[::1]:1"), to;

        assert_int_equal(address_from_sockaddr(&to, (struct sockaddr *) &un, sizeof(un)),
                         -EAFNOSUPPORT);
        assert_int_equal(address_from_sockaddr(&to, &from.sa, 0), -EINVAL);
        assert_int_equal(address_from_sockaddr(&to, &from.sa, sizeof(from.in)), -EINVAL);
        from = parse("127.0.0.1:1");
        assert_int_equal(address_from_sockaddr(&to, &from.sa, sizeof(from.in) - 1), -EINVAL);
}

static bool loopback(const char *text) {
        Address a = parse(text);

        return address_is_loopback(&a);
}

static void loopback_is_127_and_one(void **state) {
        assert_true(loopback("127.0.0.1:0"));
        assert_true(loopback("127.255.255.254:0"));
        assert_true(loopback("[::1]:0"));
        assert_true(loopback("[::ffff:127.0.0.1]:0"));
        assert_false(loopback("128.0.0.1:0"));
        assert_false(loopback("126.255.255.255:0"));
        assert_false(loopback("[::]:0"));
        assert_false(loopback("[::2]:0"));
}

static bool same_group(const char *a, const char *b) {
        Address x = parse(a), y = parse(b);
        uint8_t p[16], q[16];

        address_group(&x, p);
        address_group(&y, q);
        return memcmp(p, q, sizeof(p)) == 0;
}

static void ipv6_shares_limits_by_64_and_ipv4_by_address(void **state) {
        assert_true(same_group("192.0.2.1:1", "192.0.2.1:2"));
        assert_false(same_group("192.0.2.1:1", "192.0.2.2:1"));
        assert_true(same_group("[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:2"));
        assert_false(same_group("[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1"));
        assert_false(same_group("[::1]:1", "0.0.0.1:1"));
        assert_true(same_group("[::ffff:192.0.2.1]:1", "192.0.2.1:1"));
}

static bool contains(const char *net, const char *address) {
        Network n = network(net);
        Address a = parse(address);

        return network_contains(&n, &a);
}

static void networks_contain_what_shares_their_prefix(void **state) {
        assert_true(contains("100.64.0.0/10", "100.64.0.0:1"));
        assert_true(contains("100.64.0.0/10", "100.127.255.255:1"));
        assert_false(contains("100.64.0.0/10", "100.128.0.0:1"));
        assert_false(contains("100.64.0.0/10", "100.63.255.255:1"));
        assert_true(contains("fd7a:115c:a1e0::/48", "[fd7a:115c:a1e0:ffff::1]:1"));
        assert_false(contains("fd7a:115c:a1e0::/48", "[fd7a:115c:a1e1::1]:1"));
        assert_true(contains("0.0.0.0/0", "203.0.113.9:1"));
        assert_true(contains("::/0", "[2001:db8::1]:1"));
        assert_true(contains("192.0.2.0/31", "192.0.2.1:1"));
        assert_false(contains("192.0.2.0/31", "192.0.2.2:1"));
        assert_true(contains("2001:db8::/127", "[2001:db8::1]:1"));
        assert_false(contains("2001:db8::/127", "[2001:db8::2]:1"));
}

static void a_lone_address_is_a_network_of_one(void **state) {
        assert_true(contains("192.0.2.1", "192.0.2.1:1"));
        assert_false(contains("192.0.2.1", "192.0.2.0:1"));
        assert_true(contains("::1", "[::1]:1"));
        assert_false(contains("::1", "[::]:1"));
}

static void families_do_not_contain_each_other(void **state) {
        assert_false(contains("0.0.0.0/0", "[2001:db8::1]:1"));
        assert_false(contains("::/0", "192.0.2.1:1"));
        assert_true(contains("::ffff:192.0.2.0/120", "192.0.2.200:1"));
        assert_true(contains("::ffff:0.0.0.0/96", "192.0.2.200:1"));
}

static void whatever_is_not_a_network_is_refused(void **state) {
        const char *texts[] = {"",           "/8",           "10.0.0.0/",     "10.0.0.0/33",
                               "10.0.0.1/8", "10.0.0.0/+8",  "10.0.0.0/08",   "10/8",
                               "::/129",     "fd7a::1/48",   "::1/64",        "localhost",
                               "any",        "10.0.0.0/8/8", "10.0.0.0 /8",   "10.0.0.0/255.0.0.0",
                               "[::1]/128",  "127.0.0.1:1",  "::ffff:0:0/95", "10.0.0.0/8,"};
        Network n;

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (network_parse(&n, texts[i]) != ADDRESS_E_SYNTAX)
                        fail_msg("\"%s\" is not refused", texts[i]);
}

static void networks_survive_reading_and_printing(void **state) {
        const char *texts[] = {"0.0.0.0/0", "100.64.0.0/10", "::/0", "fd7a:115c:a1e0::/48"};
        char formatted[ADDRESS_TEXT_MAX];
        Network n;

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                n = network(texts[i]);
                network_format(&n, formatted);
                assert_string_equal(formatted, texts[i]);
        }
        n = network("192.0.2.7");
        network_format(&n, formatted);
        assert_string_equal(formatted, "192.0.2.7/32");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_survive_reading_and_printing),
                cmocka_unit_test(spellings_of_one_address_become_one),
                cmocka_unit_test(whatever_is_not_an_address_and_a_port_is_refused),
                cmocka_unit_test(without_port_there_are_no_brackets),
                cmocka_unit_test(a_mapped_peer_is_an_ipv4_peer),
                cmocka_unit_test(what_the_kernel_gave_comes_out_again),
                cmocka_unit_test(other_families_and_short_addresses_are_errors),
                cmocka_unit_test(loopback_is_127_and_one),
                cmocka_unit_test(ipv6_shares_limits_by_64_and_ipv4_by_address),
                cmocka_unit_test(networks_survive_reading_and_printing),
                cmocka_unit_test(networks_contain_what_shares_their_prefix),
                cmocka_unit_test(a_lone_address_is_a_network_of_one),
                cmocka_unit_test(families_do_not_contain_each_other),
                cmocka_unit_test(whatever_is_not_a_network_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
