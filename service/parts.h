/* SPDX-License-Identifier: MIT */
/* What a v1 session is told besides its welcome and the messages. The loop's. */
#pragma once

#include "service/log.h"
#include "service/stream.h"
#include "wire-chatroom.pb-c.h"

/* Its message is in the log. */
void parts_ack(Stream *s, const LogMessage *m);
/* Its message was not taken. */
void parts_notice(Stream *s, ProtobufCBinaryData client_id, RpcStatus code, const char *text);
void parts_pong(Stream *s, uint64_t number);
/* Who is there, as a difference to what it knows. One at a time: the next one is made when this one
 * is on its way. */
void parts_presence(Stream *s);
/* NULL: out of memory. */
RpcPayload *parts_goodbye(RpcStatus status, const char *text);
