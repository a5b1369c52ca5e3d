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
#include "service/message.h"
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
        uint64_t due_usec; /* when the request must have come, or the answer be taken; 0: never */
        bool answered;
        bool closed;       /* nobody waits for the answer any more */
        bool busy;         /* it is not done yet */
        char summary[128]; /* what was done, for the journal */
        /* What waits for the disk, and then calls committed(). */
        TokenChange *changes;
        size_t n_changes;
        void (*committed)(AdminCall *a, int result);
        unsigned n_ended; /* streams */
        char secret[TOKEN_SECRET_MAX + 1];
        AdminCall *previous, *next;
};

/* The paths of the methods, with their AdminMethod. */
void admin_list_methods(RpcMethod ret[static ADMIN_METHODS]);

/* A call of somebody who may; its request has been checked. */
void admin_run(AdminCall *a);

/* Each call is answered once, with one of these. */
void admin_reply(AdminCall *a, const ProtobufCMessage *message);
/* It is done, but only until the next restart, because of that result of access_commit(). */
void admin_reply_undurable(AdminCall *a, const ProtobufCMessage *message, int result);
void admin_refuse(AdminCall *a, RpcStatus status, const char *text);

/* Gives everything up that the call holds. */
AdminCall *admin_call_free(AdminCall *a);

/* admin-sessions.c */
void admin_list_users(AdminCall *a);
void admin_kick(AdminCall *a);
/* admin-tokens.c */
void admin_add_token(AdminCall *a);
void admin_list_tokens(AdminCall *a);
void admin_remove_token(AdminCall *a);
void admin_rotate_token(AdminCall *a);
/* admin-revoke.c */
void admin_revoke(AdminCall *a);
void admin_unrevoke(AdminCall *a);
/* admin-commit.c: what these have in common. */
#define ADMIN_OUT_OF_MEMORY "The server is out of memory."
/* Has a->changes made durable, and a->committed() called. */
void admin_commit(AdminCall *a, void (*committed)(AdminCall *a, int result));
/* Room for one more change, about a copy of that token. NULL: no memory, and the call was refused.
 */
TokenChange *admin_add_change(AdminCall *a, TokenChangeKind kind, const Token *token);
/* Makes the changes in memory, and ends the streams that they keep out. */
int admin_apply(AdminCall *a);
/* What lets somebody in and could not be written was not done. */
void admin_refuse_unwritten(AdminCall *a, int result);
/* admin-status.c */
void admin_reload(AdminCall *a);
void admin_get_status(AdminCall *a);
void admin_check(AdminCall *a);
