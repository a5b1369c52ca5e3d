/* SPDX-License-Identifier: MIT */
/* Tokens that are remembered: a file for each user at a host and port, that only its owner may
 * read. */
#pragma once

#include "client/complaint.h"
#include "client/target.h"

enum {
        KEYRING_E_NONE = 1, /* nothing is remembered, or there is nowhere to */
        KEYRING_E_REFUSED,  /* the complaint says why */
};

/* Outcomes: KEYRING_E_*. secret_free() lets go of the token. */
int keyring_find(char **ret, const Target *target, Complaint *complaint);
/* Outcome: KEYRING_E_REFUSED. */
int keyring_keep(const Target *target, const char *token, Complaint *complaint);
/* Outcomes: KEYRING_E_*. */
int keyring_forget(const Target *target, Complaint *complaint);
