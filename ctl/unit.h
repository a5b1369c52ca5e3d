/* SPDX-License-Identifier: MIT */
/* What systemd makes of chatroom.socket at the moment. */
#pragma once

#include "ctl/prefix.h"
#include "proto/base.h"

#define UNIT "chatroom.socket"

typedef struct Unit {
        Prefix *allow; /* IPAddressAllow= */
        size_t n_allow;
        Prefix *deny; /* IPAddressDeny= */
        size_t n_deny;
        char **listen; /* "[::]:50051" */
        size_t n_listen;
        char **drop_ins; /* paths; NULL ends it, or stands for none */
        bool outdated;   /* NeedDaemonReload: its files are not what was read */
} Unit;

enum {
        UNIT_E_NONE = 1, /* systemd has no such unit, or has not loaded it */
};

/* Asks systemd, over the system's bus. Outcome: UNIT_E_NONE; negative: it cannot be asked. *ret is
 * to be unit_done() in any case. */
int unit_read(Unit *ret, unsigned timeout_ms);
void unit_done(Unit *u);
