/* SPDX-License-Identifier: MIT */
/*
 * What keeps people out, made of what the daemon says and what systemd says: lines, each with what
 * to type at its end. Asks nobody.
 */
#pragma once

#include "admin.pb-c.h"
#include "ctl/unit.h"

typedef struct Findings {
        char **lines;
        size_t n;
} Findings;

/* unit NULL: it could not be looked at. *ret is to be findings_done() in any case. */
int findings_collect(Findings *ret, const Chatroom__V1__CheckResponse *answer, const Unit *unit);
void findings_done(Findings *f);
