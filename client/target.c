/* SPDX-License-Identifier: MIT */
/*
 * A user's name may hold an @ (though not at its start) and a host may not, so the last one
 * divides. An address with colons of its own needs brackets, as everywhere else; without them its
 * end cannot be told from a port.
 */
#include "client/target.h"

#include <ctype.h>
#include <string.h>

static int parse_port(uint16_t *ret, const char *text) {
        unsigned long port = 0;

        if (!*text)
                return TARGET_E_SYNTAX;
        for (const char *p = text; *p; p++) {
                if (!isdigit((unsigned char) *p))
                        return TARGET_E_SYNTAX;
                port = port * 10 + (unsigned long) (*p - '0');
                if (port > UINT16_MAX)
                        return TARGET_E_SYNTAX;
        }
        if (port == 0)
                return TARGET_E_SYNTAX;
        *ret = (uint16_t) port;
        return 0;
}

/* Finds the host's end and what follows it. */
static int split_host(const char **host, size_t *n, const char **rest, Complaint *complaint) {
        const char *text = *host, *end;

        if (*text == '[') {
                end = strchr(text, ']');
                if (!end)
                        return complain(complaint, TARGET_E_SYNTAX, "\"%s\" lacks a \"]\"", text);
                *host = text + 1;
                *rest = end + 1;
        } else {
                end = strchrnul(text, ':');
                if (*end && strchr(end + 1, ':'))
                        return complain(complaint, TARGET_E_SYNTAX,
                                        "an IPv6 address is written in brackets: [%s]", text);
                *rest = end;
        }
        *n = (size_t) (end - *host);
        return 0;
}

int target_parse(Target *ret, const char *text, Complaint *complaint) {
        const char *at = strrchr(text, '@'), *host = at ? at + 1 : text, *rest = NULL;
        Target t = {.port = TARGET_DEFAULT_PORT};
        size_t n = 0;
        int r;

        if (at == text)
                return complain(complaint, TARGET_E_SYNTAX, "no user's name before the \"@\"");
        r = split_host(&host, &n, &rest, complaint);
        if (r != 0)
                return r;
        if (n == 0)
                return complain(complaint, TARGET_E_SYNTAX, "no host in \"%s\"", text);
        if (*rest && (*rest != ':' || parse_port(&t.port, rest + 1) != 0))
                return complain(complaint, TARGET_E_SYNTAX,
                                "\"%s\" is not a port: \":\" and a number from 1 to 65535", rest);
        t.host = strndup(host, n);
        if (at)
                t.user = strndup(text, (size_t) (at - text));
        if (!t.host || (at && !t.user)) {
                target_done(&t);
                return -ENOMEM;
        }
        *ret = t;
        return 0;
}

void target_done(Target *t) {
        free(TAKE_PTR(t->user));
        free(TAKE_PTR(t->host));
}

int target_address(const Target *t, char **ret) {
        const char *format = strchr(t->host, ':') ? "[%s]:%u" : "%s:%u";

        return asprintf(ret, format, t->host, t->port) < 0 ? -ENOMEM : 0;
}
