/* SPDX-License-Identifier: MIT */
/*
 * One row per method. What is common to all of them stands here: the answer, and the entry in the
 * journal that says who did what to whom and what came of it.
 */
#include "service/admin.h"

#include <ctype.h>
#include <string.h>

#include "proto/base.h"
#include "service/journal.h"
#include "service/service.h"

/* Where the tool says who typed the command; nobody vouches for it. */
#define CLAIM_KEY "chatroom-sudo-user"
#define CLAIM_MAX 64

/* How long a peer may take to read an answer. */
#define TAKE_USEC UINT64_C(30000000)

#define PATH(method) "/chatroom.v1.AdminService/" method

static const struct {
        const char *path;
        const char *verb;
        void (*run)(AdminCall *a);
        bool mutates;
} methods[ADMIN_METHODS] = {
        [ADMIN_LIST_USERS] = {PATH("ListUsers"), "users", admin_list_users, false},
        [ADMIN_KICK] = {PATH("Kick"), "kick", admin_kick, true},
        [ADMIN_REVOKE] = {PATH("Revoke"), "revoke", admin_revoke, true},
        [ADMIN_UNREVOKE] = {PATH("Unrevoke"), "unrevoke", admin_unrevoke, true},
        [ADMIN_ADD_TOKEN] = {PATH("AddToken"), "token add", admin_add_token, true},
        [ADMIN_LIST_TOKENS] = {PATH("ListTokens"), "token list", admin_list_tokens, false},
        [ADMIN_REMOVE_TOKEN] = {PATH("RemoveToken"), "token remove", admin_remove_token, true},
        [ADMIN_ROTATE_TOKEN] = {PATH("RotateToken"), "token rotate", admin_rotate_token, true},
        [ADMIN_RELOAD] = {PATH("Reload"), "reload", admin_reload, true},
        [ADMIN_GET_STATUS] = {PATH("GetStatus"), "status", admin_get_status, false},
        [ADMIN_CHECK] = {PATH("Check"), "check", admin_check, false},
};

void admin_list_methods(RpcMethod ret[static ADMIN_METHODS]) {
        for (int i = 0; i < ADMIN_METHODS; i++)
                ret[i] = (RpcMethod){methods[i].path, i};
}

void admin_run(AdminCall *a) {
        methods[a->method].run(a);
}

AdminCall *admin_call_free(AdminCall *a) {
        free(a->changes);
        explicit_bzero(a->secret, sizeof(a->secret));
        rpc_call_unref(a->call);
        free(a);
        return NULL;
}

/* ---- the journal */

static char *claim(const AdminCall *a) {
        char *value = rpc_call_metadata(a->call, CLAIM_KEY);

        if (value && strlen(value) > CLAIM_MAX)
                value[CLAIM_MAX] = '\0';
        for (char *c = value; c && *c; c++)
                if (!isprint((unsigned char) *c))
                        *c = '?';
        return value;
}

static void format_target(const AdminRequest *r, char *ret, size_t size) {
        switch (r->target) {
        case ADMIN_USER:
                snprintf(ret, size, " %s", r->user.text);
                break;
        case ADMIN_ANY_NAME:
                snprintf(ret, size, " *");
                break;
        case ADMIN_SESSION:
                snprintf(ret, size, " @%llu", (unsigned long long) r->session);
                break;
        case ADMIN_TOKEN:
                snprintf(ret, size, " --token %s", r->token_id);
                break;
        case ADMIN_NOBODY:
                ret[0] = '\0';
                break;
        }
}

static void log_verb(const AdminCall *a, bool done, const char *result) {
        const AdminRequest *r = &a->request;
        _cleanup_(freep) char *claimed = claim(a);
        JournalActor actor = {a->peer.uid, a->peer.pid, claimed};
        JournalEvent event = {.kind = JOURNAL_VERB,
                              .actor = &actor,
                              .verb = methods[a->method].verb,
                              .user = r->target == ADMIN_USER ? r->user.text : NULL,
                              .session = r->session,
                              .token_id = r->token_id[0] ? r->token_id : NULL,
                              .reason = r->reason[0] ? r->reason : NULL};
        char target[64];

        format_target(r, target, sizeof(target));
        journal_write(LOG_NOTICE, &event, "%s%s by uid %u (pid %d%s%s): %s%s%s",
                      methods[a->method].verb, target, a->peer.uid, a->peer.pid,
                      claimed ? ", claims to be " : "", claimed ? claimed : "",
                      done ? "done" : "refused", result[0] ? ": " : "", result);
}

/* ---- answers */

static void answered(AdminCall *a, bool done, const char *result) {
        a->answered = true;
        a->due_usec = service_now_usec(a->service) + TAKE_USEC;
        if (methods[a->method].mutates)
                log_verb(a, done, result);
}

void admin_reply(AdminCall *a, const ProtobufCMessage *message) {
        message_reply(a->call, message, RPC_OK, NULL);
        answered(a, true, a->summary);
}

void admin_reply_undurable(AdminCall *a, const ProtobufCMessage *message, int result) {
        char text[256], both[sizeof(a->summary) + sizeof(text) + 2];

        snprintf(text, sizeof(text), "not durable: %s", access_strerror(result));
        message_reply(a->call, message, RPC_DATA_LOSS, text);
        snprintf(both, sizeof(both), "%s, %s", a->summary, text);
        answered(a, true, both);
}

void admin_refuse(AdminCall *a, RpcStatus status, const char *text) {
        rpc_call_finish(a->call, status, text);
        answered(a, false, text);
}
