/* SPDX-License-Identifier: MIT */
/*
 * What a connection has sent that no message accounts for. gRPC takes in a header block of any
 * length, and once it waits for a message takes in all of it, whatever its announced length, before
 * anybody is asked. The kernel counts the bytes; what was received as messages is subtracted, and
 * so is what honest peers send besides; the rest is a debt, and a peer whose debt is larger than
 * what its streams may have on the way is after our memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/limits.h"

typedef struct Intake {
        uint64_t received, sent;    /* as the kernel counted when it was last asked */
        uint64_t accounted, opened; /* bytes of messages and number of streams since then */
        uint64_t debt;              /* bytes */
        uint64_t at_usec;
} Intake;

/* A message: the bytes that it took on the wire are worked out here. */
void intake_account(Intake *i, uint64_t message_bytes);
void intake_open_stream(Intake *i);

/* Asks the kernel and brings the debt up to date. Is it more than a peer with so many streams can
 * have honestly? False when fd is no TCP socket. */
bool intake_is_excessive(Intake *i, int fd, unsigned streams, const Limits *limits,
                         uint64_t now_usec);
