/* SPDX-License-Identifier: MIT */
/*
 * Who may come in: the configuration's tokens together with what was made and revoked at run time,
 * in memory for whoever asks, on the disk for the next start. The loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/token.h"

typedef struct Access Access;
typedef struct Service Service;

/* Called once, on the loop, when changes are durable (0) or not: negative errno. Outcomes:
 * ACCESS_E_EXISTS, ACCESS_E_MEMORY. */
typedef void (*AccessFn)(void *userdata, int result);

enum {
        ACCESS_E_EXISTS = 1, /* a TOKEN_ADD or TOKEN_RETIRE came too late; nothing was changed */
        ACCESS_E_MEMORY,     /* there is no state directory: nothing outlives the process */
};

/* Reads the state. What goes wrong has been logged. */
int access_new(Access **ret, Service *s);
int access_start(Access *a);
Access *access_free(Access *a);

/* Another configuration's tokens; out of memory: everything stays as it is. */
int access_configure(Access *a, const TokenTable *configured);
TokenTable *access_tokens(const Access *a);

/* On the disk; not in memory. The changes stay the caller's, until fn is called. */
void access_commit(Access *a, const TokenChange *changes, size_t n, AccessFn fn, void *userdata);
/* In memory; not on the disk. */
int access_apply(Access *a, const TokenChange *changes, size_t n);
/* Ends the streams that are not let in any more. Returns how many. */
unsigned access_enforce(Access *a);

/* Writes down now and then when tokens were used last, and what the disk would not take before. */
void access_tick(Access *a);

/* 0: what has changed and what changes now is durable. Else why not: negative errno;
 * ACCESS_E_MEMORY. */
int access_check(const Access *a);
const char *access_strerror(int result);
/* For how long the disk has not answered; 0: nothing is asked of it. */
uint64_t access_waiting_usec(const Access *a);
