/* SPDX-License-Identifier: MIT */
/* A stay in a room, from connecting to leaving, between a terminal or two pipes and a server. */
#pragma once

#include "client/ending.h"
#include "client/token.h"

/* signals: a signalfd of those that end it in order. Prints why it ended, if that was not in order.
 * < 0 only for want of memory or descriptors. */
int chat_run(ExitStatus *ret, const Options *options, const ChatToken *token, int signals);
