/* SPDX-License-Identifier: MIT */
/* A question that is asked on the controlling terminal. */
#pragma once

#include "proto/base.h"

enum {
        QUESTION_NO = 1,
        QUESTION_INTERRUPTED, /* by a signal, which is left in the signalfd */
};

/* Asks, and waits for a line: 0 is yes, and only "y" and "yes" are. No terminal, the end of the
 * input or no answer within timeout_ms (-1: no limit) is QUESTION_NO. */
int question_ask(const char *prompt, int signals, int timeout_ms);
