/* SPDX-License-Identifier: MIT */
/*
 * From any message to JSON, by the description that protoc-c generates with it: a verb needs no
 * code of its own for --json. Knows the kinds of fields that admin.proto has.
 */
#include "ctl/json.h"

#include <string.h>

#include "proto/printable.h"

json_t *json_of_text(const char *text) {
        _cleanup_(freep) char *clean = NULL;
        json_t *json = json_string(text);

        if (!json && printable(&clean, text, strlen(text), "\t", "\n") == 0)
                json = json_string(clean);
        return json;
}

static size_t size_of(ProtobufCType type) {
        switch (type) {
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_UINT64:
                return sizeof(uint64_t);
        case PROTOBUF_C_TYPE_UINT32:
                return sizeof(uint32_t);
        case PROTOBUF_C_TYPE_BOOL:
                return sizeof(protobuf_c_boolean);
        default:
                return sizeof(void *);
        }
}

static json_t *json_of_value(ProtobufCType type, const void *value) {
        switch (type) {
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_UINT64:
                return json_integer(*(const json_int_t *) value);
        case PROTOBUF_C_TYPE_UINT32:
                return json_integer(*(const uint32_t *) value);
        case PROTOBUF_C_TYPE_BOOL:
                return json_boolean(*(const protobuf_c_boolean *) value);
        case PROTOBUF_C_TYPE_STRING:
                return json_of_text(*(char *const *) value);
        case PROTOBUF_C_TYPE_MESSAGE:
                if (!*(ProtobufCMessage *const *) value)
                        return json_null();
                return json_of_message(*(ProtobufCMessage *const *) value);
        default:
                return NULL;
        }
}

static json_t *json_of_list(ProtobufCType type, size_t n, const char *values) {
        json_t *list = json_array();

        for (size_t i = 0; list && i < n; i++)
                if (json_array_append_new(list, json_of_value(type, values + i * size_of(type)))) {
                        json_decref(list);
                        return NULL;
                }
        return list;
}

json_t *json_of_message(const ProtobufCMessage *message) {
        const char *base = (const char *) message;
        json_t *object = json_object();

        for (unsigned i = 0; object && i < message->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *f = &message->descriptor->fields[i];
                const char *at = base + f->offset;
                json_t *value;

                if (f->label == PROTOBUF_C_LABEL_REPEATED)
                        value = json_of_list(f->type,
                                             *(const size_t *) (base + f->quantifier_offset),
                                             *(const char *const *) at);
                else
                        value = json_of_value(f->type, at);
                if (json_object_set_new(object, f->name, value) < 0) {
                        json_decref(object);
                        return NULL;
                }
        }
        return object;
}

int json_show(json_t *document) {
        size_t flags = JSON_INDENT(2);
        int r = 0;

        if (!document)
                return -ENOMEM;
        /* Nothing in it is to move the cursor or turn letters round. */
        if (isatty(STDOUT_FILENO))
                flags |= JSON_ENSURE_ASCII;
        if (json_dumpf(document, stdout, flags) < 0)
                r = -EIO;
        putchar('\n');
        json_decref(document);
        return r;
}

int json_show_message(const ProtobufCMessage *message) {
        return json_show(json_of_message(message));
}
