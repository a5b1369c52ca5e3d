/* SPDX-License-Identifier: MIT */
/* Which protocol answers which method on the TCP port: a row each. */
#pragma once

#include "service/config.h"
#include "service/stream.h"

#define ROUTES 11

void routes_list(RpcMethod ret[static ROUTES]);
/* NULL: nobody does. */
const StreamProtocol *routes_protocol(const Config *config, int method);
/* Does a method belong to a service of that full name? */
bool routes_serve(const Config *config, const char *service, size_t n);
