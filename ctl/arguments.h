/* SPDX-License-Identifier: MIT */
/*
 * The command line, made into one struct and checked against the verb's row, before anything is
 * asked of the daemon.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base.h"

#define CONTROL_SOCKET "/run/chatroom/control.sock"

/* chatctl's exit statuses, and the outcomes of everything that a verb calls. Whoever returns one
 * has said on standard error what it is about. */
typedef enum CtlError {
        CTL_E_REFUSED = 1, /* or not found, not answered, not durable, not in order */
        CTL_E_USAGE = 2,
        CTL_E_NO_SOCKET = 3,
} CtlError;

typedef struct Verb Verb;

typedef enum OptionId {
        OPTION_REASON,
        OPTION_TOKEN,
        OPTION_LABEL,
        OPTION_EXPIRES,
        OPTION_JSON, /* from here on: of every verb */
        OPTION_SOCKET,
        OPTION_TIMEOUT,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_COUNT,
} OptionId;

/* A set of them. */
#define WITH(option) (1u << OPTION_##option)
#define OF_EVERY_VERB (WITH(JSON) | WITH(SOCKET) | WITH(TIMEOUT) | WITH(HELP) | WITH(VERSION))

typedef struct Option {
        const char *name;
        const char *value; /* what help calls it; NULL: it takes none */
        const char *help;
        char letter; /* 0: none */
} Option;

extern const Option options[OPTION_COUNT];

typedef struct Invocation {
        const Verb *verb; /* NULL with help or version alone */
        char *const *operands;
        int n_operands;
        bool help, version, json;
        const char *socket;
        unsigned timeout_ms;
        const char *reason, *token, *label; /* NULL: not given */
        int64_t expires_ms;                 /* 0: not given */
        bool not_durable; /* set by control_call(): done, but a restart undoes it */
} Invocation;

/* *ret points into argv, whose order changes. 0 or CTL_E_USAGE. */
int arguments_parse(Invocation *ret, int argc, char **argv);
