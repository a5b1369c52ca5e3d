/* SPDX-License-Identifier: MIT */
/*
 * The v1 protocol, proto/chatroom/v1/chatroom.proto: its two streams. Connect talks and listens,
 * Subscribe listens.
 */
#pragma once

#include "service/stream.h"

/* Messages of one session that are neither acknowledged nor refused yet. */
#define CONNECT_MAX_UNACKNOWLEDGED 64
/* When to come back after a drain, or when there was too much of something. */
#define CONNECT_RETRY_AFTER_MS 500

extern const StreamProtocol connect_protocol, subscribe_protocol;
