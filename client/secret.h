/* SPDX-License-Identifier: MIT */
/* The token: from a file that is the user's alone, or typed unseen. Wiped when it is let go of. */
#pragma once

#include "client/complaint.h"

enum {
        SECRET_E_REFUSED = 1, /* the complaint says why */
        SECRET_E_NO_TERMINAL,
        SECRET_E_INTERRUPTED,
};

/* The first and only line of the file. Outcome: SECRET_E_REFUSED. */
int secret_from_file(char **ret, const char *path, Complaint *complaint);

/* Asks on the controlling terminal, with its echo off. signals is a signalfd, and what it tells of
 * is left in it. Outcomes: SECRET_E_*. */
int secret_from_terminal(char **ret, const char *prompt, int signals, Complaint *complaint);

char *secret_free(char *secret);

DEFINE_CLEANUP(char *, secret_free);
