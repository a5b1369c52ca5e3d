/* SPDX-License-Identifier: MIT */
/* gRPC's reflection protocol, proto/standard/reflection.proto, in both its versions. */
#pragma once

#include "service/descriptors.h"
#include "service/stream.h"

extern const StreamProtocol reflection_protocol;

enum {
        REFLECTION_E_SYNTAX = 1,
};

/* The answer to an encoded request. Outcome: REFLECTION_E_SYNTAX. Any thread. */
int reflection_answer(RpcPayload **ret, const Descriptors *d, const uint8_t *bytes, size_t n);
