/* SPDX-License-Identifier: MIT */
/* How a session ended: the exit status for scripts and the words for people. */
#pragma once

#include <stdbool.h>

#include "proto/base.h"
#include "proto/rpc_status.h"

/* As options_help documents them. */
typedef enum ExitStatus {
        EXIT_LEFT = 0,
        EXIT_OTHER = 1,
        EXIT_USAGE = 2,
        EXIT_UNREACHABLE = 3,
        EXIT_ENDED = 4,
        EXIT_NOT_ADMITTED = 5,
        EXIT_KICKED = 6,
        EXIT_SIGNAL = 128, /* plus its number */
} ExitStatus;

typedef struct Ending {
        RpcStatus status;
        const char *reason; /* from the network, may be NULL */
        bool reached;       /* there was a connection */
        bool leaving;       /* it was ours to end */
        bool joined;        /* it had been admitted once */
        const char *address;
} Ending;

/* *ret_text is a new string without anything that could control a terminal; NULL when there is
 * nothing to say, because all went as it should. */
int ending_explain(char **ret_text, ExitStatus *ret_status, const Ending *e);
