/* SPDX-License-Identifier: MIT */
/*
 * Keeping a token out, and letting it in again. A revocation acts in memory before it is written,
 * whatever becomes of that; an unrevocation only when it is.
 */
#include <string.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/service.h"

/* Is it one that the request means? */
static bool is_meant(const AdminRequest *r, const Token *token) {
        if (r->target == ADMIN_TOKEN)
                return strcmp(r->token_id, token->id) == 0;
        return !token->any_name && name_equal(&r->user, &token->name);
}

/* For the answer: the ids of all that is changed. */
typedef struct Ids {
        ProtobufCBinaryData *list;
        size_t n;
} Ids;

static void ids_done(Ids *ids) {
        free(ids->list);
}

static int list_ids(const AdminCall *a, Ids *ret) {
        ret->list = calloc(a->n_changes + 1, sizeof(*ret->list));
        if (!ret->list)
                return -ENOMEM;
        for (; ret->n < a->n_changes; ret->n++)
                ret->list[ret->n] = message_text(a->changes[ret->n].token.id);
        return 0;
}

static void summarise(AdminCall *a, const char *what) {
        size_t used = (size_t) snprintf(a->summary, sizeof(a->summary), "%s", what);

        for (size_t i = 0; i < a->n_changes && used < sizeof(a->summary); i++)
                used += (size_t) snprintf(a->summary + used, sizeof(a->summary) - used, " %s",
                                          a->changes[i].token.id);
        if (a->method == ADMIN_REVOKE && used < sizeof(a->summary))
                snprintf(a->summary + used, sizeof(a->summary) - used, ", %u session%s ended",
                         a->n_ended, a->n_ended == 1 ? "" : "s");
}

/* ---- revoke */

static int add_revocation(const Token *token, void *userdata) {
        AdminCall *a = userdata;

        /* One that is revoked already, too: the last time it may not have been durable. */
        if (!is_meant(&a->request, token) ||
            (a->request.target == ADMIN_USER && !token->configured && !token->stored))
                return 0;
        return admin_add_change(a, TOKEN_REVOKE, token) ? 0 : -ENOMEM;
}

static size_t count_sessions(const Service *s, const TokenHash *token) {
        size_t n = 0;

        for (const Stream *stream = s->streams; stream; stream = stream->next)
                n += stream->state == STREAM_JOINED &&
                     memcmp(&stream->session.token, token, sizeof(*token)) == 0;
        return n;
}

/* Somebody who is in by a token that is not his alone: there is nothing of his to revoke. */
static void refuse_any_name(AdminCall *a, const Session *session) {
        const char *user = session->user->name.text;
        size_t n = count_sessions(a->service, &session->token);
        char text[512];

        snprintf(text, sizeof(text),
                 "%s came in with the token %s, which admits any name: %zu session%s came in with "
                 "it. To end %s and keep that token out: chatctl revoke --token %s. To end those "
                 "of %s alone, for now: chatctl kick %s.",
                 user, session->token_id, n, n == 1 ? "" : "s", n == 1 ? "it" : "them all",
                 session->token_id, user, user);
        admin_refuse(a, RPC_FAILED_PRECONDITION, text);
}

static void refuse_revoke(AdminCall *a) {
        const AdminRequest *r = &a->request;
        const User *user = r->target == ADMIN_USER ? room_find(a->service->room, &r->user) : NULL;

        if (user)
                refuse_any_name(a, user->sessions);
        else
                admin_refuse(a, RPC_NOT_FOUND,
                             r->target == ADMIN_USER ? "There is no token for that name."
                                                     : "There is no such token.");
}

static void on_revoked(AdminCall *a, int result) {
        Admin__RevokeResponse response = ADMIN__REVOKE_RESPONSE__INIT;
        _cleanup_(ids_done) Ids ids = {0};

        if (list_ids(a, &ids) != 0) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return;
        }
        response.token_ids = ids.list;
        response.n_token_ids = ids.n;
        response.sessions = a->n_ended;
        summarise(a, "revoked");
        if (result != 0)
                admin_reply_undurable(a, &response.base, result);
        else
                admin_reply(a, &response.base);
}

void admin_revoke(AdminCall *a) {
        if (token_table_foreach(access_tokens(a->service->access), add_revocation, a) != 0)
                return;
        if (a->n_changes == 0) {
                refuse_revoke(a);
                return;
        }
        (void) admin_apply(a);
        admin_commit(a, on_revoked);
}

/* ---- unrevoke */

static int add_unrevocation(const Token *token, void *userdata) {
        AdminCall *a = userdata;

        if (!token->revoked || !is_meant(&a->request, token))
                return 0;
        return admin_add_change(a, TOKEN_UNREVOKE, token) ? 0 : -ENOMEM;
}

static int is_one_meant(const Token *token, void *userdata) {
        return is_meant(userdata, token);
}

static void on_unrevoked(AdminCall *a, int result) {
        Admin__UnrevokeResponse response = ADMIN__UNREVOKE_RESPONSE__INIT;
        _cleanup_(ids_done) Ids ids = {0};

        if (result != 0 && result != ACCESS_E_MEMORY) {
                admin_refuse_unwritten(a, result);
                return;
        }
        (void) admin_apply(a);
        if (list_ids(a, &ids) != 0) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return;
        }
        response.token_ids = ids.list;
        response.n_token_ids = ids.n;
        summarise(a, "let in again");
        admin_reply(a, &response.base);
}

void admin_unrevoke(AdminCall *a) {
        const TokenTable *tokens = access_tokens(a->service->access);

        if (token_table_foreach(tokens, add_unrevocation, a) != 0)
                return;
        if (a->n_changes > 0)
                admin_commit(a, on_unrevoked);
        else if (token_table_foreach(tokens, is_one_meant, &a->request) != 0)
                admin_refuse(a, RPC_FAILED_PRECONDITION, "It is not revoked.");
        else
                admin_refuse(a, RPC_NOT_FOUND,
                             a->request.target == ADMIN_USER ? "There is no token for that name."
                                                             : "There is no such token.");
}
