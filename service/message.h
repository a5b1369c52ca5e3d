/* SPDX-License-Identifier: MIT */
/* A message of the room as the protocols put it on the wire. Any thread. */
#pragma once

#include "service/log.h"
#include "service/ring.h"
#include "service/rpc.h"
#include "wire-chatroom.pb-c.h"

int message_pack(RpcPayload **ret, const ProtobufCMessage *message);

/* Answers a unary call, be it with RPC_RESOURCE_EXHAUSTED because there is no memory. text NULL:
 * none. */
void message_reply(RpcCall *call, const ProtobufCMessage *message, RpcStatus status,
                   const char *text);

/* A NUL-terminated text as a field. */
ProtobufCBinaryData message_text(const char *text);

/* One form each, as ring_entry_new() wants them. */
int message_encode(RpcPayload *ret[static WIRES], const LogMessage *m);

/* v1: what follows `after`, as one payload: the messages, and before them the gap if the first does
 * not follow at once. With no messages, everything up to `head` is the gap. */
int message_encode_batch(RpcPayload **ret, const LogMessage *messages, size_t n, uint64_t after,
                         uint64_t head);
