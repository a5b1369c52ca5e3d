/* SPDX-License-Identifier: MIT */
/* What is sent to a room, encoded. */
#pragma once

#include "client/session.h"

typedef struct Request {
        const char *method; /* of the call that it begins; NULL when it begins none */
        bool alone;         /* nothing else will be sent on that call */
        uint8_t *data;
        size_t size;
} Request;

/* Joins, to talk. */
int request_connect(Request *ret, const char *user, const SessionStart *start, bool presence);
/* Joins, to listen. */
int request_subscribe(Request *ret, const SessionStart *start);
int request_list_members(Request *ret);
int request_say(Request *ret, const Outgoing *o);
void request_done(Request *r);
