/* SPDX-License-Identifier: MIT */
/* A host's name looked up without anybody waiting for it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/base.h"

typedef struct Resolve Resolve;

int resolve_new(Resolve **ret, const char *host, uint16_t port);
/* Also while it is under way. */
Resolve *resolve_free(Resolve *r);

/* Readable when it is done. */
int resolve_fd(const Resolve *r);
bool resolve_done(const Resolve *r);
/* NULL when it succeeded: then there is at least one address. */
const char *resolve_error(const Resolve *r);
/* In the order in which they are to be tried; NULL behind the last one. */
const struct sockaddr *resolve_address(const Resolve *r, size_t i);

DEFINE_CLEANUP(Resolve *, resolve_free);
