/* SPDX-License-Identifier: MIT */
/*
 * The first chatroom's protocol, proto/chat.proto: one stream of one kind of message. The first
 * message says who wants in, and with what token; every other one is chat.
 */
#pragma once

#include "service/stream.h"

extern const StreamProtocol join_protocol;
