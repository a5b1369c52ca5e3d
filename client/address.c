/* SPDX-License-Identifier: MIT */
/*
 * The tailnet's networks are those that Tailscale gives addresses from. The first of them is also
 * what providers number their customers with, so it is a statement about this machine's network,
 * which the documentation makes too.
 */
#include "client/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

static bool is_private4(const uint8_t *a) {
        return a[0] == 127 || (a[0] == 100 && (a[1] & 0xc0) == 64); /* 100.64.0.0/10 */
}

static bool is_private6(const struct in6_addr *a) {
        static const uint8_t tailnet[] = {0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0}; /* ::/48 */

        if (IN6_IS_ADDR_V4MAPPED(a))
                return is_private4(a->s6_addr + 12);
        return IN6_IS_ADDR_LOOPBACK(a) || memcmp(a, tailnet, sizeof(tailnet)) == 0;
}

bool address_is_private(const struct sockaddr *address) {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;

        switch (address->sa_family) {
        case AF_INET:
                memcpy(&in, address, sizeof(in));
                return is_private4((const uint8_t *) &in.sin_addr);
        case AF_INET6:
                memcpy(&in6, address, sizeof(in6));
                return is_private6(&in6.sin6_addr);
        default:
                return false;
        }
}

static int numeric(const struct sockaddr *address, char host[static NI_MAXHOST],
                   char port[static NI_MAXSERV]) {
        socklen_t size = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in);

        return getnameinfo(address, size, host, NI_MAXHOST, port, NI_MAXSERV,
                           NI_NUMERICHOST | NI_NUMERICSERV) == 0
                       ? 0
                       : -EAFNOSUPPORT;
}

int address_text(char **ret, const struct sockaddr *address) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        int r = numeric(address, host, port);

        if (r < 0)
                return r;
        *ret = strdup(host);
        return *ret ? 0 : -ENOMEM;
}

int address_uri(char **ret, const struct sockaddr *address) {
        bool six = address->sa_family == AF_INET6;
        char host[NI_MAXHOST], port[NI_MAXSERV], escaped[3 * NI_MAXHOST], *out = escaped;
        int r = numeric(address, host, port);

        if (r < 0)
                return r;
        for (const char *p = host; *p; p++) /* a scope begins with a % */
                if (isalnum((unsigned char) *p) || strchr("-._:", *p))
                        *out++ = *p;
                else
                        out += sprintf(out, "%%%02X", (unsigned char) *p);
        *out = '\0';
        r = asprintf(ret, six ? "ipv6:%%5B%s%%5D:%s" : "ipv4:%s:%s", escaped, port);
        return r < 0 ? -ENOMEM : 0;
}
