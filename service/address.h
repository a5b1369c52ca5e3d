/* SPDX-License-Identifier: MIT */
/*
 * Addresses of peers and of listening sockets, always numeric. IPv4-mapped IPv6 addresses are
 * unmapped on the way in, so that one peer has one address whatever socket it came through.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct Address {
        union {
                struct sockaddr sa;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        };
        socklen_t size;
} Address;

/* A network: an address and how many of its leading bits count. */
typedef struct Network {
        Address address;
        unsigned prefix;
} Network;

#define ADDRESS_TEXT_MAX 64

enum {
        ADDRESS_E_SYNTAX = 1,
};

/* "127.0.0.1:50051", "[::]:50051", "[fd7a::1]:0". Outcome: ADDRESS_E_SYNTAX. A scope ("%eth0") is
 * none: no address here depends on the host. */
int address_parse(Address *ret, const char *text);
/* Takes a kernel's sockaddr; unmaps. A family that is neither IPv4 nor IPv6: -EAFNOSUPPORT. */
int address_from_sockaddr(Address *ret, const struct sockaddr *sa, socklen_t size);
/* "127.0.0.1:50051" or "[::1]:50051"; with_port false leaves brackets and port off. */
void address_format(const Address *a, bool with_port, char ret[static ADDRESS_TEXT_MAX]);
uint16_t address_port(const Address *a);
bool address_is_loopback(const Address *a);

/* Who shares limits: the whole IPv4 address, the /64 of an IPv6 one. 16 bytes, ports left out. */
void address_group(const Address *a, uint8_t ret[static 16]);

/* "100.64.0.0/10", "fd7a:115c:a1e0::/48", a lone address. Outcome: ADDRESS_E_SYNTAX, also for bits
 * set behind the prefix. */
int network_parse(Network *ret, const char *text);
/* "100.64.0.0/10", and a lone address with its prefix, too. */
void network_format(const Network *n, char ret[static ADDRESS_TEXT_MAX]);
bool network_contains(const Network *n, const Address *a);
