/* SPDX-License-Identifier: MIT */
/* What chat can do, a row each, and the help that is made from the rows. */
#pragma once

#include "proto/base.h"

typedef enum CommandKind {
        COMMAND_TALK,
        COMMAND_SEND,
        COMMAND_TAIL,
        COMMAND_WHO,
        COMMANDS,
} CommandKind;

/* Sets of commands, for what belongs to some of them only. */
#define COMMAND_BIT(kind) (1u << (kind))
#define COMMAND_ALL (COMMAND_BIT(COMMANDS) - 1)

typedef struct Command {
        const char *word; /* that stands first on the command line; NULL: none does */
        const char *synopsis, *help;
} Command;

extern const Command commands[COMMANDS];

/* COMMAND_TALK when the word is no command. */
CommandKind command_find(const char *word);
void command_help(FILE *out);
