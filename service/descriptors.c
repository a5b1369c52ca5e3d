/* SPDX-License-Identifier: MIT */
/*
 * A symbol is looked for by going down the file that its package may stand for, name by name. That
 * is not the fastest way, but there are few files, and nothing to be kept in step.
 */
#include "service/descriptors.h"

#include <stdbool.h>
#include <string.h>

typedef ProtobufCBinaryData Text;

struct Descriptors {
        Descriptor__Files *set;
        Descriptor__File **files; /* as many */
        char **services;
        size_t n_services;
};

/* ---- what a file defines */

static bool is(Text symbol, Text name) {
        return symbol.len == name.len &&
               (name.len == 0 || memcmp(symbol.data, name.data, name.len) == 0);
}

/* Is it "name.something"? Then that something. */
static bool is_inside(Text symbol, Text name, Text *ret) {
        if (symbol.len <= name.len || symbol.data[name.len] != '.' ||
            (name.len > 0 && memcmp(symbol.data, name.data, name.len) != 0))
                return false;
        *ret = (Text){symbol.len - name.len - 1, symbol.data + name.len + 1};
        return true;
}

static bool members_have(Descriptor__Member *const *members, size_t n, Text symbol) {
        for (size_t i = 0; i < n; i++)
                if (is(symbol, members[i]->name))
                        return true;
        return false;
}

/* The values of an enum stand beside it, as in C. */
static bool enums_have(Descriptor__Group *const *enums, size_t n, Text symbol) {
        for (size_t i = 0; i < n; i++)
                if (is(symbol, enums[i]->name) ||
                    members_have(enums[i]->member, enums[i]->n_member, symbol))
                        return true;
        return false;
}

static bool services_have(Descriptor__Group *const *services, size_t n, Text symbol) {
        Text method;

        for (size_t i = 0; i < n; i++)
                if (is(symbol, services[i]->name) ||
                    (is_inside(symbol, services[i]->name, &method) &&
                     members_have(services[i]->member, services[i]->n_member, method)))
                        return true;
        return false;
}

static bool messages_have(Descriptor__Message *const *messages, size_t n, Text symbol) {
        for (size_t i = 0; i < n; i++) {
                const Descriptor__Message *m = messages[i];
                Text inner;

                if (is(symbol, m->name))
                        return true;
                if (is_inside(symbol, m->name, &inner) &&
                    (members_have(m->field, m->n_field, inner) ||
                     members_have(m->oneof_decl, m->n_oneof_decl, inner) ||
                     enums_have(m->enum_type, m->n_enum_type, inner) ||
                     messages_have(m->nested_type, m->n_nested_type, inner)))
                        return true;
        }
        return false;
}

static bool file_has(const Descriptor__File *f, Text symbol) {
        Text name = symbol;

        if (f->package.len > 0 && !is_inside(symbol, f->package, &name))
                return false;
        return messages_have(f->message_type, f->n_message_type, name) ||
               enums_have(f->enum_type, f->n_enum_type, name) ||
               services_have(f->service, f->n_service, name);
}

/* ---- look-ups */

static void add(const Descriptors *d, size_t file, Text *ret, size_t *n);

static void add_by_name(const Descriptors *d, Text name, Text *ret, size_t *n) {
        for (size_t i = 0; i < d->set->n_file; i++)
                if (is(name, d->files[i]->name)) {
                        add(d, i, ret, n);
                        return;
                }
}

/* Each once, so that ret is large enough, and a circle has an end. */
static void add(const Descriptors *d, size_t file, Text *ret, size_t *n) {
        const Descriptor__File *f = d->files[file];

        for (size_t i = 0; i < *n; i++)
                if (ret[i].data == d->set->file[file].data)
                        return;
        ret[(*n)++] = d->set->file[file];
        for (size_t i = 0; i < f->n_dependency; i++)
                add_by_name(d, f->dependency[i], ret, n);
}

size_t descriptors_by_name(const Descriptors *d, Text name, Text *ret) {
        size_t n = 0;

        add_by_name(d, name, ret, &n);
        return n;
}

size_t descriptors_by_symbol(const Descriptors *d, Text symbol, Text *ret) {
        size_t n = 0;

        for (size_t i = 0; n == 0 && i < d->set->n_file; i++)
                if (file_has(d->files[i], symbol))
                        add(d, i, ret, &n);
        return n;
}

size_t descriptors_count(const Descriptors *d) {
        return d->set->n_file;
}

const char *const *descriptors_services(const Descriptors *d, size_t *ret_n) {
        *ret_n = d->n_services;
        return (const char *const *) d->services;
}

/* ---- beginning and end */

static int add_services(Descriptors *d, const Descriptor__File *f) {
        char **services =
                reallocarray(d->services, d->n_services + f->n_service + 1, sizeof(*services));

        if (!services)
                return -ENOMEM;
        d->services = services;
        for (size_t i = 0; i < f->n_service; i++) {
                Text name = f->service[i]->name;

                if (asprintf(&services[d->n_services], "%.*s%s%.*s", (int) f->package.len,
                             (const char *) f->package.data, f->package.len > 0 ? "." : "",
                             (int) name.len, (const char *) name.data) < 0)
                        return -ENOMEM;
                d->n_services++;
        }
        return 0;
}

int descriptors_new(Descriptors **ret, const void *bytes, size_t n) {
        _cleanup_(descriptors_freep) Descriptors *d = calloc(1, sizeof(*d));
        int r = 0;

        if (!d)
                return -ENOMEM;
        d->set = descriptor__files__unpack(NULL, n, bytes);
        if (!d->set)
                return -EBADMSG;
        d->files = calloc(d->set->n_file + 1, sizeof(*d->files));
        if (!d->files)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < d->set->n_file; i++) {
                d->files[i] =
                        descriptor__file__unpack(NULL, d->set->file[i].len, d->set->file[i].data);
                r = d->files[i] ? add_services(d, d->files[i]) : -EBADMSG;
        }
        if (r == 0)
                *ret = TAKE_PTR(d);
        return r;
}

Descriptors *descriptors_free(Descriptors *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; d->files && i < d->set->n_file; i++)
                descriptor__file__free_unpacked(d->files[i], NULL);
        for (size_t i = 0; i < d->n_services; i++)
                free(d->services[i]);
        free(d->services);
        free(d->files);
        descriptor__files__free_unpacked(d->set, NULL);
        free(d);
        return NULL;
}
