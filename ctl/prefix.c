/* SPDX-License-Identifier: MIT */
/* Of two networks one is in the other or they have nothing in common: there is no third case. */
#include "ctl/prefix.h"

#include <arpa/inet.h>
#include <string.h>

#include "proto/base.h"

int prefix_parse(Prefix *ret, const char *text) {
        const char *slash = strchr(text, '/');
        Prefix p = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
        char host[INET6_ADDRSTRLEN];
        char *end;

        if (!slash || (size_t) (slash - text) >= sizeof(host) || slash[1] < '0' || slash[1] > '9')
                return PREFIX_E_SYNTAX;
        memcpy(host, text, (size_t) (slash - text));
        host[slash - text] = '\0';
        p.bits = (unsigned) strtoul(slash + 1, &end, 10);
        if (*end || p.bits > (p.family == AF_INET6 ? 128 : 32) ||
            inet_pton(p.family, host, p.bytes) != 1)
                return PREFIX_E_SYNTAX;
        *ret = p;
        return 0;
}

void prefix_format(const Prefix *p, char ret[static PREFIX_TEXT_MAX]) {
        char host[INET6_ADDRSTRLEN] = "?";

        inet_ntop(p->family, p->bytes, host, sizeof(host));
        snprintf(ret, PREFIX_TEXT_MAX, "%s/%u", host, p->bits);
}

bool prefix_covers(const Prefix *a, const Prefix *b) {
        unsigned whole = a->bits / 8, rest = a->bits % 8;

        if (a->family != b->family || a->bits > b->bits || memcmp(a->bytes, b->bytes, whole) != 0)
                return false;
        return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

bool prefix_meets(const Prefix *a, const Prefix *b) {
        return prefix_covers(a, b) || prefix_covers(b, a);
}
