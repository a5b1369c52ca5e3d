/* SPDX-License-Identifier: MIT */
/*
 * The connection to the daemon: one call, one answer; and what went wrong, in words and as an exit
 * status.
 */
#pragma once

#include "admin.pb-c.h"
#include "ctl/arguments.h"

#define ADMIN(method) "/chatroom.v1.AdminService/" method

/*
 * *ret is the daemon's answer, of that type and the caller's to free. A CtlError was reported on
 * standard error. When the daemon did what it was asked but cannot keep it across a restart, this
 * says so, sets v->not_durable, and goes on with the answer, if there is one.
 */
int control_call(Invocation *v, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);
/* The same, without a word and without metadata: for what is nice to know. */
int control_ask(const Invocation *v, const char *method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);

static inline void message_freep(ProtobufCMessage **m) {
        if (*m)
                protobuf_c_message_free_unpacked(*m, NULL);
}
