/* SPDX-License-Identifier: MIT */
/* The v1 protocol's single calls: Send, ListMembers. Their token has to be bound to a name. */
#pragma once

#include "service/message.h"
#include "service/stream.h"

/* Answers the one request of a stream. */
void unary_reply(Stream *s, const ProtobufCMessage *message);

extern const StreamProtocol send_protocol, list_members_protocol;
