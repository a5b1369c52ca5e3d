/* SPDX-License-Identifier: MIT */
/* How a message looks on the output. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base.h"
#include "proto/rpc_client.h"

typedef struct Said {
        int64_t time_ms; /* Unix time */
        RpcBytes user;
        RpcBytes text;
} Said;

typedef struct FormatStyle {
        bool json;   /* an object on a line */
        bool lines;  /* a message of several lines takes several; else a message is a line */
        bool colour; /* tell names apart by colours */
} FormatStyle;

/* A new string that ends with a newline: "HH:MM <user> text" in local time, fit for a terminal, or
 * {"type":"message","time":…,"user":…,"text":…} in ASCII, which is exact. */
int format_said(char **ret, const FormatStyle *style, const Said *said);
