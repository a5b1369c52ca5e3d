/* SPDX-License-Identifier: MIT */
/* What people and programs are told of: in words between the messages, or as JSON objects. */
#pragma once

#include "client/screen.h"
#include "client/session.h"
#include "wire-chatroom.pb-c.h"

typedef struct Report {
        Screen *screen;
        bool person;   /* somebody watches */
        bool messages; /* what is said is wanted, and what is missing of it */
        const char *address;
} Report;

/* again: after the connection had been lost. */
int report_welcome(const Report *r, const Chatroom__Welcome *w, bool again);
int report_message(const Report *r, const Chatroom__Message *m, int64_t now_ms);
/* One's own is in the room. */
int report_sent(const Report *r, const Outgoing *o, uint64_t id, int64_t time_ms);
/* It was not taken. */
int report_refused(const Report *r, const Outgoing *o, const Chatroom__Notice *n);
/* The server cannot take it now, and will be asked again. */
int report_held(const Report *r, RpcBytes reason);
/* missed: how many; 0: nobody knows. */
int report_gap(const Report *r, uint64_t from, uint64_t to, uint64_t missed);
int report_presence(const Report *r, const Chatroom__Presence *p);
int report_came(const Report *r, RpcBytes name);
int report_went(const Report *r, RpcBytes name);
int report_lost(const Report *r, RpcStatus status, const char *reason);
int report_member(const Report *r, const Chatroom__Member *m);
