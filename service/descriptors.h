/* SPDX-License-Identifier: MIT */
/*
 * .proto files as protoc describes them, to be looked up: which file is called so, which one
 * defines that. Never changes once it is made.
 */
#pragma once

#include <stddef.h>

#include "descriptor.pb-c.h"
#include "proto/base.h"

typedef struct Descriptors Descriptors;

/* Reads a FileDescriptorSet. The bytes are copied. -EBADMSG: they are not one. */
int descriptors_new(Descriptors **ret, const void *bytes, size_t n);
Descriptors *descriptors_free(Descriptors *d);
DEFINE_CLEANUP(Descriptors *, descriptors_free);

/* Full names, in the order of their files. */
const char *const *descriptors_services(const Descriptors *d, size_t *ret_n);

/* Fill in encoded files: the one of that name, or the one that defines the symbol (a full name of
 * whatever has one), and then those that it imports, directly or not. Return how many; 0: there is
 * none such. ret has room for descriptors_count(). */
size_t descriptors_by_name(const Descriptors *d, ProtobufCBinaryData name,
                           ProtobufCBinaryData *ret);
size_t descriptors_by_symbol(const Descriptors *d, ProtobufCBinaryData symbol,
                             ProtobufCBinaryData *ret);
size_t descriptors_count(const Descriptors *d);
