/* SPDX-License-Identifier: MIT */
/*
 * The operator's methods: what chatroom.v1.AdminService does. One call is one request and one
 * answer; a method may answer later than it was asked. Methods that change something leave one
 * entry in the journal, whatever came of it. The loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/admin-request.h"
#include "service/connection.h"
#include "service/rpc.h"
#include "wire-admin.pb-c.h"

typedef struct Service Service;
typedef struct AdminCall AdminCall;

struct AdminCall {
        Service *service;
        RpcCall *call;
        Connection *connection; /* until it is closed */
        Peer peer;
        AdminMethod method;
        AdminRequest request;
        uint64_t due_usec; /* when the request must have come; 0: it has */
        bool answered;
        bool closed;       /* nobody waits for the answer any more */
        bool busy;         /* it is not done yet */
        char summary[128]; /* what was done, for the journal */
        AdminCall *previous, *next;
};

/* The paths of the methods, with their AdminMethod. */
void admin_list_methods(RpcMethod ret[static ADMIN_METHODS]);

/* A call of somebody who may; its request has been checked. */
void admin_run(AdminCall *a);

/* Each call is answered once, with one of these. */
void admin_reply(AdminCall *a, const ProtobufCMessage *message);
void admin_refuse(AdminCall *a, RpcStatus status, const char *text);

/* For the fields of answers. */
ProtobufCBinaryData admin_text(const char *text);

/* admin-sessions.c */
void admin_list_users(AdminCall *a);
void admin_kick(AdminCall *a);
/* admin-status.c */
void admin_reload(AdminCall *a);
void admin_get_status(AdminCall *a);
