/* SPDX-License-Identifier: MIT */
/*
 * Addresses and networks, read from text and taken from the kernel's form. What was read prints as
 * something that reads the same; a network contains its own address.
 */
#include "service/address.h"

#include <string.h>

#include "proto/base.h"
#include "tests/fuzz/fuzz.h"

static bool same(const Address *a, const Address *b) {
        uint8_t p[16], q[16];

        address_group(a, p);
        address_group(b, q);
        return a->sa.sa_family == b->sa.sa_family && a->size == b->size &&
               address_port(a) == address_port(b) && memcmp(p, q, sizeof(p)) == 0;
}

static void check_address(const Address *a) {
        char text[ADDRESS_TEXT_MAX], text_again[ADDRESS_TEXT_MAX];
        Address again;
        Network alone;

        address_format(a, true, text);
        REQUIRE(address_parse(&again, text) == 0);
        REQUIRE(same(a, &again));
        address_format(&again, true, text_again);
        REQUIRE(strcmp(text, text_again) == 0);
        REQUIRE(address_is_loopback(a) == address_is_loopback(&again));

        address_format(a, false, text);
        REQUIRE(network_parse(&alone, text) == 0);
        REQUIRE(network_contains(&alone, a));
}

static void check_network(const Network *n) {
        REQUIRE(n->prefix <= (n->address.sa.sa_family == AF_INET ? 32 : 128));
        REQUIRE(network_contains(n, &n->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        _cleanup_(freep) char *text = malloc(n + 1);
        struct sockaddr_storage storage = {0};
        Address address;
        Network network;
        int r;

        REQUIRE(text);
        memcpy(text, bytes, n);
        text[n] = '\0';
        r = address_parse(&address, text);
        REQUIRE(r == 0 || r == ADDRESS_E_SYNTAX);
        if (r == 0)
                check_address(&address);
        r = network_parse(&network, text);
        REQUIRE(r == 0 || r == ADDRESS_E_SYNTAX);
        if (r == 0)
                check_network(&network);

        if (n > sizeof(storage))
                n = sizeof(storage);
        memcpy(&storage, bytes, n);
        r = address_from_sockaddr(&address, (struct sockaddr *) &storage, (socklen_t) n);
        REQUIRE(r == 0 || r == -EINVAL || r == -EAFNOSUPPORT);
        if (r == 0)
                check_address(&address);
        return 0;
}
