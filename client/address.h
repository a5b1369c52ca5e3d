/* SPDX-License-Identifier: MIT */
/* Addresses that a host's name stands for. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "proto/base.h"

/* Whether what is sent there in clear stays on this machine or goes through the tailnet, which
 * encrypts it. */
bool address_is_private(const struct sockaddr *address);
/* "192.0.2.1", "fe80::1%eth0" */
int address_text(char **ret, const struct sockaddr *address);
/* "ipv4:192.0.2.1:50051": as gRPC takes it. */
int address_uri(char **ret, const struct sockaddr *address);
