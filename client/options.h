/* SPDX-License-Identifier: MIT */
/* The command line of chat. */
#pragma once

#include <stdbool.h>

#include "client/command.h"
#include "client/complaint.h"
#include "client/since.h"
#include "client/target.h"

typedef struct Options {
        CommandKind command;
        Target target; /* with a user in any case */
        const char *token_file;
        char *text; /* to send; NULL: the lines of the input */
        Since since;
        long count; /* of messages to begin with; -1: as usual */
        bool json;
        bool follow;
        bool forget;
        bool no_reconnect;
        bool insecure_network;
        unsigned linger_ms;
        unsigned connect_timeout_ms;
} Options;

enum {
        OPTIONS_E_USAGE = 1,
        OPTIONS_E_HELP,    /* --help was asked for */
        OPTIONS_E_VERSION, /* --version */
};

/* Outcomes: OPTIONS_E_*. What is not on the command line is taken from the environment. */
int options_parse(Options *ret, int argc, char **argv, Complaint *complaint);
void options_done(Options *o);
