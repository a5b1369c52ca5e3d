/* SPDX-License-Identifier: MIT */
/*
 * Numeric addresses, in and out. Nothing here resolves a name or depends on the host's interfaces,
 * so a configuration means the same wherever it is read. Whatever is not a strict form is refused:
 * inet_aton()'s octal and three-part addresses have opened more doors than they were worth.
 */
#include "service/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "proto/base.h"

static Address from_in(struct in_addr in, in_port_t port) {
        return (Address){
                .in = {.sin_family = AF_INET, .sin_port = port, .sin_addr = in},
                .size = sizeof(struct sockaddr_in),
        };
}

static Address from_in6(const struct in6_addr *in6, in_port_t port, uint32_t scope) {
        struct in_addr in;

        if (IN6_IS_ADDR_V4MAPPED(in6)) {
                memcpy(&in, in6->s6_addr + 12, sizeof(in));
                return from_in(in, port);
        }
        return (Address){
                .in6 = {.sin6_family = AF_INET6,
                        .sin6_port = port,
                        .sin6_addr = *in6,
                        .sin6_scope_id = scope},
                .size = sizeof(struct sockaddr_in6),
        };
}

/* Reads a decimal number of up to five digits without sign, blanks or leading zeros. */
static int parse_number(const char *text, unsigned max, unsigned *ret) {
        size_t n = strspn(text, "0123456789");
        unsigned value = 0;

        if (n == 0 || n > 5 || text[n] != '\0' || (n > 1 && text[0] == '0'))
                return ADDRESS_E_SYNTAX;
        for (size_t i = 0; i < n; i++)
                value = value * 10 + (unsigned) (text[i] - '0');
        if (value > max)
                return ADDRESS_E_SYNTAX;
        *ret = value;
        return 0;
}

/* The host part of n bytes: IPv4, or IPv6 with its brackets taken off. */
static int parse_host(Address *ret, const char *text, size_t n, bool ipv6, in_port_t port) {
        char host[INET6_ADDRSTRLEN];
        struct in_addr in;
        struct in6_addr in6;

        if (n >= sizeof(host))
                return ADDRESS_E_SYNTAX;
        memcpy(host, text, n);
        host[n] = '\0';
        if (ipv6) {
                if (inet_pton(AF_INET6, host, &in6) != 1)
                        return ADDRESS_E_SYNTAX;
                *ret = from_in6(&in6, port, 0);
        } else {
                if (inet_pton(AF_INET, host, &in) != 1)
                        return ADDRESS_E_SYNTAX;
                *ret = from_in(in, port);
        }
        return 0;
}

int address_parse(Address *ret, const char *text) {
        const char *colon = strrchr(text, ':');
        bool brackets = text[0] == '[';
        unsigned port;
        size_t n;
        int r;

        if (!colon)
                return ADDRESS_E_SYNTAX;
        r = parse_number(colon + 1, UINT16_MAX, &port);
        if (r != 0)
                return r;
        n = (size_t) (colon - text);
        if (!brackets)
                return parse_host(ret, text, n, false, htons((uint16_t) port));
        if (n < 2 || text[n - 1] != ']')
                return ADDRESS_E_SYNTAX;
        return parse_host(ret, text + 1, n - 2, true, htons((uint16_t) port));
}

int address_from_sockaddr(Address *ret, const struct sockaddr *sa, socklen_t size) {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;

        if (size < offsetof(struct sockaddr, sa_family) + sizeof(sa->sa_family))
                return -EINVAL;
        switch (sa->sa_family) {
        case AF_INET:
                if (size < sizeof(in))
                        return -EINVAL;
                memcpy(&in, sa, sizeof(in));
                *ret = from_in(in.sin_addr, in.sin_port);
                return 0;
        case AF_INET6:
                if (size < sizeof(in6))
                        return -EINVAL;
                memcpy(&in6, sa, sizeof(in6));
                *ret = from_in6(&in6.sin6_addr, in6.sin6_port, in6.sin6_scope_id);
                return 0;
        default:
                return -EAFNOSUPPORT;
        }
}

void address_format(const Address *a, bool with_port, char ret[static ADDRESS_TEXT_MAX]) {
        char host[INET6_ADDRSTRLEN] = "?";
        bool ipv6 = a->sa.sa_family == AF_INET6;

        if (ipv6)
                inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
        else
                inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
        if (!with_port)
                snprintf(ret, ADDRESS_TEXT_MAX, "%s", host);
        else
                snprintf(ret, ADDRESS_TEXT_MAX, ipv6 ? "[%s]:%u" : "%s:%u", host, address_port(a));
}

uint16_t address_port(const Address *a) {
        return ntohs(a->sa.sa_family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port);
}

bool address_is_loopback(const Address *a) {
        if (a->sa.sa_family == AF_INET6)
                return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
        return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
}

/* The address as 16 bytes, an IPv4 one as its mapped form: for one way to count bits. */
static void to_bytes(const Address *a, uint8_t ret[static 16]) {
        if (a->sa.sa_family == AF_INET6) {
                memcpy(ret, &a->in6.sin6_addr, 16);
                return;
        }
        memset(ret, 0, 10);
        memset(ret + 10, 0xff, 2);
        memcpy(ret + 12, &a->in.sin_addr, 4);
}

void address_group(const Address *a, uint8_t ret[static 16]) {
        to_bytes(a, ret);
        if (a->sa.sa_family == AF_INET6)
                memset(ret + 8, 0, 8);
}

/* How many bits of the 16 bytes a prefix covers. */
static unsigned covered(const Network *n) {
        return n->address.sa.sa_family == AF_INET6 ? n->prefix : n->prefix + 96;
}

static uint8_t mask_at(unsigned bits, unsigned byte) {
        if (bits >= (byte + 1) * 8)
                return 0xff;
        if (bits <= byte * 8)
                return 0;
        return (uint8_t) (0xff << (8 - bits % 8));
}

static bool bits_behind_prefix(const Network *n) {
        uint8_t bytes[16];

        to_bytes(&n->address, bytes);
        for (unsigned i = 0; i < 16; i++)
                if (bytes[i] & ~mask_at(covered(n), i))
                        return true;
        return false;
}

int network_parse(Network *ret, const char *text) {
        bool ipv6 = strchr(text, ':') != NULL;
        const char *slash = strchr(text, '/');
        unsigned bits = ipv6 ? 128 : 32;
        Network network = {.prefix = bits};
        int r;

        if (slash) {
                r = parse_number(slash + 1, bits, &network.prefix);
                if (r != 0)
                        return r;
        }
        r = parse_host(&network.address, text, slash ? (size_t) (slash - text) : strlen(text), ipv6,
                       0);
        if (r != 0)
                return r;
        if (ipv6 && network.address.sa.sa_family == AF_INET) {
                if (network.prefix < 96)
                        return ADDRESS_E_SYNTAX;
                network.prefix -= 96;
        }
        if (bits_behind_prefix(&network))
                return ADDRESS_E_SYNTAX;
        *ret = network;
        return 0;
}

void network_format(const Network *n, char ret[static ADDRESS_TEXT_MAX]) {
        size_t used;

        address_format(&n->address, false, ret);
        used = strlen(ret);
        snprintf(ret + used, ADDRESS_TEXT_MAX - used, "/%u", n->prefix);
}

bool network_contains(const Network *n, const Address *a) {
        uint8_t net[16], host[16];

        if (n->address.sa.sa_family != a->sa.sa_family)
                return false;
        to_bytes(&n->address, net);
        to_bytes(a, host);
        for (unsigned i = 0; i < 16; i++)
                if ((net[i] ^ host[i]) & mask_at(covered(n), i))
                        return false;
        return true;
}
