/* SPDX-License-Identifier: MIT */
/*
 * The first chatroom's protocol, proto/chat.proto: one stream of one kind of message. The first
 * message says who wants in, and with what token; every other one is chat.
 */
#pragma once

#include "service/stream.h"

/* The three names that this one method goes by. */
#define JOIN_PATHS "/chat.Chat/Join", "/chat.ChatService/Join", "/ChatService/Join"

/* The call has been admitted; a bearer token may let it in at once. Not 0: it was refused. */
int join_opened(Stream *s);
void join_received(Stream *s);
void join_half_closed(Stream *s);
