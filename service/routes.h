/* SPDX-License-Identifier: MIT */
/* Which protocol answers which method on the chat port: a row each. */
#pragma once

#include "service/stream.h"

#define ROUTES 7

void routes_list(RpcMethod ret[static ROUTES]);
/* NULL: nobody does. */
const StreamProtocol *routes_protocol(int method);
