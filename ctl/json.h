/* SPDX-License-Identifier: MIT */
/*
 * Answers as JSON. The keys are the names of the fields in admin.proto, all of them, also those
 * that are empty: a script need not ask whether one is there.
 */
#pragma once

#include <jansson.h>

#include "admin.pb-c.h"
#include "proto/base.h"

/* NULL: no memory. */
json_t *json_of_message(const ProtobufCMessage *message);
/* Text that may not be UTF-8; what is not becomes U+FFFD. */
json_t *json_of_text(const char *text);

/* Prints it on standard output, and releases it. NULL is -ENOMEM. */
int json_show(json_t *document);
int json_show_message(const ProtobufCMessage *message);
