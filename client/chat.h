/* SPDX-License-Identifier: MIT */
/* A session in a room, from connecting to leaving, between a terminal or two pipes and a server. */
#pragma once

#include "client/ending.h"
#include "client/options.h"

/* signals: a signalfd of those that end the session in order. Prints why it ended, if that was not
 * in order. < 0 only for want of memory or descriptors. */
int chat_run(ExitStatus *ret, const Options *options, const char *token, int signals);
