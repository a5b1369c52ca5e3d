/* SPDX-License-Identifier: MIT */
/*
 * Calls for which nobody has to show a token: what gRPC's own tools ask. Anybody who may connect
 * can make them, so there may only be few at a time. The loop's.
 */
#pragma once

#include "service/stream.h"

/* Counts it, or refuses it as stream_refuse() does. */
int guest_admit(Stream *s);
/* It does not count any more. Nothing happens to who has not been counted. */
void guest_leave(Stream *s);

/* It has not said what it wants, or has been here for as long as it may. */
void guest_timeout(Stream *s);

/* Sends it a message. Takes it; NULL: there was no memory for it. */
void guest_post(Stream *s, RpcPayload *message);
