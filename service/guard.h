/* SPDX-License-Identifier: MIT */
/*
 * Looks after memory: a peer that makes gRPC take in more than it may is cut off. Every second
 * every connection is looked at; at once, when memory has grown quickly. The loop's.
 */
#pragma once

typedef struct Guard Guard;
typedef struct Service Service;

int guard_new(Guard **ret, Service *s);
Guard *guard_free(Guard *g);
