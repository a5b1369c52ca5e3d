/* SPDX-License-Identifier: MIT */
/*
 * A gRPC server for the tests of the clients' side. Its methods:
 *   /test.Echo/Unary    answers with the request, or with the call's `x-answer` if it has one
 *   /test.Echo/Stream   sends back every message; OK when the client closes
 *   /test.Echo/Refuse   PERMISSION_DENIED "not you", before anything is sent
 *   /test.Echo/Silent   takes the call and never answers
 * Everything else is UNIMPLEMENTED.
 */
#pragma once

#include "proto/base.h"

typedef struct EchoServer EchoServer;

/* address: "127.0.0.1:0", "unix:/path". */
EchoServer *echo_server_new(const char *address);
/* Ends what is still open. */
EchoServer *echo_server_free(EchoServer *s);
int echo_server_port(const EchoServer *s);

DEFINE_CLEANUP(EchoServer *, echo_server_free);
