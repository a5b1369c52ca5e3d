/* SPDX-License-Identifier: MIT */
/*
 * Text that goes with an error's number. It is cut at the end of its buffer: it is for reading,
 * nothing depends on it.
 */
#include "client/complaint.h"

#include <stdarg.h>

int complain(Complaint *c, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(c->text, sizeof(c->text), format, args);
        va_end(args);
        return r;
}
