/* SPDX-License-Identifier: MIT */
/* What was wrong, in a line, for the person who typed it. Whoever reads it decides to print it. */
#pragma once

#include "proto/base.h"

typedef struct Complaint {
        char text[512];
} Complaint;

/* Writes the text and returns r, so that a failure is one statement. */
int complain(Complaint *c, int r, const char *format, ...) _printf_(3, 4);
