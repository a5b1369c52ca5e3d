/* SPDX-License-Identifier: MIT */
/* The v1 protocol's single calls: Send, ListMembers. Their token has to be bound to a name. */
#pragma once

#include "service/stream.h"

extern const StreamProtocol send_protocol, list_members_protocol;
