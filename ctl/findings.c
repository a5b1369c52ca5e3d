/* SPDX-License-Identifier: MIT */
/*
 * Three have to agree: the configuration's files, the daemon that read them, and the socket unit
 * that was made of them. The daemon compares itself with the files; here the unit is compared with
 * them. Each line is mended by its own command whatever the others say, so what is configured
 * counts on both sides, and not what the daemon has made of it so far.
 */
#include "ctl/findings.h"

#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#define RELOAD "chatctl reload"
#define DAEMON_RELOAD "systemctl daemon-reload"
#define NEW_SOCKETS DAEMON_RELOAD " && systemctl restart " UNIT

/* What chatroom-generator makes of the configuration. */
#define GENERATED "50-chatroom-ini.conf"

typedef Chatroom__V1__CheckResponse Answer;

_printf_(2, 3) static int add(Findings *f, const char *format, ...) {
        char **lines = reallocarray(f->lines, f->n + 1, sizeof(*lines));
        va_list arguments;
        int n;

        if (!lines)
                return -ENOMEM;
        f->lines = lines;
        va_start(arguments, format);
        n = vasprintf(&lines[f->n], format, arguments);
        va_end(arguments);
        if (n < 0)
                return -ENOMEM;
        f->n++;
        return 0;
}

/* "a, b, c". */
static int append(char **list, const char *item) {
        char *longer;

        if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? ", " : "", item) < 0)
                return -ENOMEM;
        free(*list);
        *list = longer;
        return 0;
}

static int join(char **ret, char *const *items, size_t n) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = append(ret, items[i]);
        return r;
}

/* ---- the daemon and the files */

static int compare_daemon(Findings *f, const Answer *a) {
        _cleanup_(freep) char *unread = NULL;
        int r = 0;

        if (*a->error)
                r = add(f, "The configuration is wrong: %s; once that is mended: " RELOAD,
                        a->error);
        if (r == 0)
                r = join(&unread, a->unread, a->n_unread);
        if (r == 0 && unread)
                r = add(f,
                        "The daemon has not read what has changed in the configuration "
                        "(%s): " RELOAD,
                        unread);
        for (size_t i = 0; r == 0 && i < a->n_notes; i++)
                r = add(f, "%s", a->notes[i]);
        if (r == 0 && *a->trouble)
                r = add(f, "%s", a->trouble);
        return r;
}

/* ---- the unit and the files: who is let through */

static bool is_covered(const Prefix *p, const Prefix *by, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (prefix_covers(&by[i], p))
                        return true;
        return false;
}

/* Whether nobody in it is dropped: systemd looks at IPAddressAllow= first. */
static bool is_passed(const Prefix *p, const Unit *u) {
        if (is_covered(p, u->allow, u->n_allow))
                return true;
        for (size_t i = 0; i < u->n_deny; i++)
                if (prefix_meets(&u->deny[i], p))
                        return false;
        return true;
}

static int append_prefix(char **list, const Prefix *p) {
        char text[PREFIX_TEXT_MAX];

        prefix_format(p, text);
        return append(list, text);
}

static int compare_filter(Findings *f, const Unit *u, const Prefix *wanted, size_t n) {
        static const Prefix everybody[] = {{.family = AF_INET}, {.family = AF_INET6}};
        _cleanup_(freep) char *dropped = NULL, *passed = NULL;
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                if (!is_passed(&wanted[i], u))
                        r = append_prefix(&dropped, &wanted[i]);
        for (size_t i = 0; r == 0 && i < u->n_allow; i++)
                if (!is_covered(&u->allow[i], wanted, n))
                        r = append_prefix(&passed, &u->allow[i]);
        for (size_t i = 0; r == 0 && !passed && i < ELEMENTS(everybody); i++)
                if (!is_covered(&everybody[i], u->deny, u->n_deny) &&
                    !is_covered(&everybody[i], wanted, n))
                        r = append(&passed, "more than IPAddressAllow= says");
        if (r == 0 && dropped)
                r = add(f, "The kernel drops who comes from %s, which allow has: " DAEMON_RELOAD,
                        dropped);
        if (r == 0 && passed)
                r = add(f, "The kernel lets through %s, which allow does not have: " DAEMON_RELOAD,
                        passed);
        return r;
}

static int compare_allow(Findings *f, const Answer *a, const Unit *u) {
        _cleanup_(freep) Prefix *wanted = calloc(a->n_allow + 1, sizeof(*wanted));

        if (!wanted)
                return -ENOMEM;
        for (size_t i = 0; i < a->n_allow; i++)
                if (prefix_parse(&wanted[i], a->allow[i]) != 0)
                        return -EBADMSG;
        return compare_filter(f, u, wanted, a->n_allow);
}

/* ---- the unit and the files: what is listened on */

/* A bare port, which the generator makes of [::], is of IPv4 alone where there is no IPv6. */
static bool is_address(const char *wanted, const char *is) {
        const char *any6 = "[::]:", *any4 = "0.0.0.0:";

        return strcmp(wanted, is) == 0 ||
               (strncmp(wanted, any6, strlen(any6)) == 0 && strncmp(is, any4, strlen(any4)) == 0 &&
                strcmp(wanted + strlen(any6), is + strlen(any4)) == 0);
}

static bool are_addresses(const Answer *a, char *const *have, size_t n) {
        for (size_t i = 0; i < a->n_listen; i++) {
                size_t k = 0;

                while (k < n && !is_address(a->listen[i], have[k]))
                        k++;
                if (k == n)
                        return false;
        }
        return n == a->n_listen; /* of which no two are one */
}

static int compare_listen(Findings *f, const Answer *a, const Unit *u) {
        bool unit = are_addresses(a, u->listen, u->n_listen);
        _cleanup_(freep) char *wanted = NULL, *have = NULL;
        int r;

        if (unit && are_addresses(a, a->listening, a->n_listening))
                return 0;
        r = join(&wanted, a->listen, a->n_listen);
        if (r == 0)
                r = unit ? join(&have, a->listening, a->n_listening)
                         : join(&have, u->listen, u->n_listen);
        if (r == 0)
                r = add(f, "%s listens on %s and not on %s, as listen has it: " NEW_SOCKETS,
                        unit ? "The daemon" : UNIT, have ? have : "nothing",
                        wanted ? wanted : "nothing");
        return r;
}

/* Settings that do not come from the configuration stay as they are, whatever is reloaded. */
static int name_drop_ins(Findings *f, const Unit *u) {
        _cleanup_(freep) char *others = NULL;
        int r = 0;

        for (char **path = u->drop_ins; r == 0 && path && *path; path++) {
                const char *slash = strrchr(*path, '/');

                if (!slash || strcmp(slash + 1, GENERATED) != 0)
                        r = append(&others, *path);
        }
        if (r == 0 && others)
                r = add(f, "Of that, something may come from %s; to see what: systemctl cat " UNIT,
                        others);
        return r;
}

static int compare_unit(Findings *f, const Answer *a, const Unit *u) {
        size_t before = f->n;
        int r = compare_allow(f, a, u);

        if (r == 0)
                r = compare_listen(f, a, u);
        if (r == 0 && f->n > before)
                return name_drop_ins(f, u);
        if (r == 0 && u->outdated) /* else the same command is there already */
                r = add(f, "systemd has not read what has changed in the files of " UNIT
                           ": " DAEMON_RELOAD);
        return r;
}

int findings_collect(Findings *ret, const Answer *answer, const Unit *unit) {
        int r;

        *ret = (Findings){.n = 0};
        r = compare_daemon(ret, answer);
        if (r == 0 && unit)
                r = compare_unit(ret, answer, unit);
        return r;
}

void findings_done(Findings *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->lines[i]);
        free(f->lines);
}
