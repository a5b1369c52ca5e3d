/* SPDX-License-Identifier: MIT */
/* How a message looks on the output. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base.h"
#include "proto/rpc_client.h"

typedef struct Said {
        uint64_t id;
        int64_t time_ms, now_ms; /* Unix time; that of another day gets its date */
        RpcBytes user;
        RpcBytes text;
} Said;

typedef struct FormatStyle {
        bool json;   /* an object on a line */
        bool lines;  /* a message of several lines takes several; else a message is a line */
        bool colour; /* tell names apart by colours */
} FormatStyle;

/* A new string that ends with a newline: "HH:MM <user> text" in local time, fit for a terminal, or
 * {"type":"message","id":…,"time":…,"user":…,"text":…} in ASCII, which is exact. */
int format_said(char **ret, const FormatStyle *style, const Said *said);

typedef enum FormatFieldKind {
        FORMAT_NULL,
        FORMAT_NUMBER,
        FORMAT_FLAG,  /* number: 0 or not */
        FORMAT_TEXT,  /* texts: one */
        FORMAT_TEXTS, /* texts: n */
} FormatFieldKind;

typedef struct FormatField {
        const char *key;
        FormatFieldKind kind;
        int64_t number;
        const RpcBytes *texts;
        size_t n;
} FormatField;

/* A JSON object with these fields behind its type, and a newline. */
int format_object(char **ret, const char *type, const FormatField *fields, size_t n);
