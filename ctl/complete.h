/* SPDX-License-Identifier: MIT */
/*
 * What can stand where the cursor is, for the shells' completion. Their scripts only hand over the
 * words and show what comes back; the knowledge is in the tables that chatctl runs on.
 */
#pragma once

#include <stdio.h>

/* `chatctl __complete WORD…`: what was typed after "chatctl", the word at the cursor last, be it
 * empty. Not in the help: it is not for people. */
#define COMPLETE_WORD "__complete"

/*
 * Prints a line for each candidate: the word, a tab, and what it is. A line with only
 * COMPLETE_FILES says that the name of a file belongs here. Asks the daemon for names and ids, but
 * never starts it, and never waits for long. Always 0: completion has nobody to complain to.
 */
#define COMPLETE_FILES ":files"
int complete(char *const *words, int n, FILE *out);
