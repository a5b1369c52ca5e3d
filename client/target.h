/* SPDX-License-Identifier: MIT */
/* Whom to be and where to go: [USER@]HOST[:PORT]. */
#pragma once

#include <stdint.h>

#include "client/complaint.h"

#define TARGET_DEFAULT_PORT 50051

typedef struct Target {
        char *user; /* NULL when the text had none */
        char *host; /* without brackets */
        uint16_t port;
} Target;

enum {
        TARGET_E_SYNTAX = 1,
};

/* Outcome: TARGET_E_SYNTAX. */
int target_parse(Target *ret, const char *text, Complaint *complaint);
void target_done(Target *t);

/* "host:50051", "[::1]:50051": as people write it. */
int target_address(const Target *t, char **ret);
