/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows D-Bus. It only reads: whoever may use the control socket need not be root
 * for it, and nothing is started because of it.
 */
#include "ctl/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#define SYSTEMD "org.freedesktop.systemd1"

/* What is asked. */
typedef struct Query {
        sd_bus *bus;
        char *path; /* of the unit */
} Query;

static void query_done(Query *q) {
        sd_bus_flush_close_unref(q->bus);
        free(q->path);
}

static int find_unit(Query *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path;
        int r;

        /* Not LoadUnit(): that would make up one which is not there. */
        r = sd_bus_call_method(q->bus, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
                               "GetUnit", &error, &reply, "s", UNIT);
        if (sd_bus_error_has_name(&error, SYSTEMD ".NoSuchUnit"))
                return UNIT_E_NONE;
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        q->path = strdup(path);
        return q->path ? 0 : -ENOMEM;
}

static int get(const Query *q, const char *name, const char *type, sd_bus_message **ret) {
        return sd_bus_get_property(q->bus, SYSTEMD, q->path, SYSTEMD ".Socket", name, NULL, ret,
                                   type);
}

/* Room for one more; items is a pointer to the pointer. */
static int grow(void *items, size_t n, size_t size) {
        void **array = items, *more = reallocarray(*array, n + 1, size);

        if (!more)
                return -ENOMEM;
        *array = more;
        return 0;
}

/* The next of an a(iayu). > 0: it was there. */
static int read_network(sd_bus_message *m, Prefix *ret) {
        const void *bytes;
        size_t n;
        int r = sd_bus_message_enter_container(m, 'r', "iayu");

        if (r <= 0)
                return r;
        *ret = (Prefix){.bits = 0};
        r = sd_bus_message_read(m, "i", &ret->family);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &bytes, &n);
        if (r >= 0)
                r = sd_bus_message_read(m, "u", &ret->bits);
        if (r < 0)
                return r;
        if (n != (ret->family == AF_INET6 ? 16 : 4) || ret->bits > n * 8)
                return -EBADMSG;
        memcpy(ret->bytes, bytes, n);
        r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int get_networks(const Query *q, const char *name, Prefix **ret, size_t *ret_n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Prefix network;
        int r = get(q, name, "a(iayu)", &m);

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(iayu)");
        if (r < 0)
                return r;
        while ((r = read_network(m, &network)) > 0) {
                r = grow(ret, *ret_n, sizeof(network));
                if (r < 0)
                        return r;
                (*ret)[(*ret_n)++] = network;
        }
        return r;
}

static int get_listen(const Query *q, Unit *u) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *kind, *address;
        int r = get(q, "Listen", "a(ss)", &m);

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ss)", &kind, &address)) > 0) {
                r = grow(&u->listen, u->n_listen, sizeof(char *));
                if (r < 0)
                        return r;
                u->listen[u->n_listen] = strdup(address);
                if (!u->listen[u->n_listen])
                        return -ENOMEM;
                u->n_listen++;
        }
        return r;
}

/* Where the unit comes from. */
static int get_files(const Query *q, Unit *u) {
        int outdated = 0;
        int r = sd_bus_get_property_strv(q->bus, SYSTEMD, q->path, SYSTEMD ".Unit", "DropInPaths",
                                         NULL, &u->drop_ins);

        if (r >= 0)
                r = sd_bus_get_property_trivial(q->bus, SYSTEMD, q->path, SYSTEMD ".Unit",
                                                "NeedDaemonReload", NULL, 'b', &outdated);
        u->outdated = outdated;
        return r;
}

static int get_all(const Query *q, Unit *u) {
        int r = get_networks(q, "IPAddressAllow", &u->allow, &u->n_allow);

        if (r >= 0)
                r = get_networks(q, "IPAddressDeny", &u->deny, &u->n_deny);
        if (r >= 0)
                r = get_listen(q, u);
        if (r >= 0)
                r = get_files(q, u);
        return r < 0 ? r : 0;
}

int unit_read(Unit *ret, unsigned timeout_ms) {
        _cleanup_(query_done) Query q = {.bus = NULL};
        int r;

        *ret = (Unit){.outdated = false};
        r = sd_bus_open_system(&q.bus);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(q.bus, UINT64_C(1000) * timeout_ms);
        if (r >= 0)
                r = find_unit(&q);
        return r != 0 ? r : get_all(&q, ret);
}

void unit_done(Unit *u) {
        for (size_t i = 0; i < u->n_listen; i++)
                free(u->listen[i]);
        free(u->listen);
        for (char **path = u->drop_ins; path && *path; path++)
                free(*path);
        free(u->drop_ins);
        free(u->allow);
        free(u->deny);
}
