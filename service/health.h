/* SPDX-License-Identifier: MIT */
/* gRPC's health protocol, proto/standard/health.proto. */
#pragma once

#include "service/stream.h"

extern const StreamProtocol health_check_protocol, health_watch_protocol;

/* Tells those who watch that service ends. */
void health_drain(Service *s);
