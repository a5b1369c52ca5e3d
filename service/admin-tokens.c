/* SPDX-License-Identifier: MIT */
/*
 * Making tokens, listing them, taking them away. A secret leaves the daemon in one answer, once; a
 * token that could not be written is not made, because its secret would be lost with the answer.
 */
#include <string.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/service.h"

#define MAX_TOKENS 10000 /* that were made at run time */

static void fill_in(Admin__Token *row, const Token *token) {
        admin__token__init(row);
        row->id = message_text(token->id);
        row->user = message_text(token->any_name ? "*" : token->name.text);
        row->label = message_text(token->label);
        row->created_ms = token->created_ms;
        row->expires_ms = token->expires_ms;
        row->last_used_ms = token->last_used_ms;
        row->revoked = token->revoked;
        row->configured = token->configured;
}

/* ---- list */

typedef struct Listing {
        Admin__Token *rows;
        Admin__Token **refs;
        size_t n;
} Listing;

static void listing_done(Listing *l) {
        free(l->rows);
        free(l->refs);
}

static int add_row(const Token *token, void *userdata) {
        Listing *l = userdata;

        fill_in(&l->rows[l->n], token);
        l->refs[l->n] = &l->rows[l->n];
        l->n++;
        return 0;
}

static const char *text_of(const ProtobufCBinaryData *bytes) {
        return (const char *) bytes->data;
}

static int by_user(const void *a, const void *b) {
        const Admin__Token *left = *(Admin__Token *const *) a, *right = *(Admin__Token *const *) b;
        int order = strcmp(text_of(&left->user), text_of(&right->user));

        if (order == 0 && left->created_ms != right->created_ms)
                order = left->created_ms < right->created_ms ? -1 : 1;
        return order != 0 ? order : strcmp(text_of(&left->id), text_of(&right->id));
}

void admin_list_tokens(AdminCall *a) {
        Admin__ListTokensResponse response = ADMIN__LIST_TOKENS_RESPONSE__INIT;
        const TokenTable *tokens = access_tokens(a->service->access);
        _cleanup_(listing_done)
                Listing l = {.rows = calloc(token_table_size(tokens) + 1, sizeof(*l.rows)),
                             .refs = calloc(token_table_size(tokens) + 1, sizeof(Admin__Token *))};

        if (!l.rows || !l.refs) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return;
        }
        (void) token_table_foreach(tokens, add_row, &l);
        qsort(l.refs, l.n, sizeof(*l.refs), by_user);
        response.tokens = l.refs;
        response.n_tokens = l.n;
        admin_reply(a, &response.base);
}

/* ---- add */

static int is_stored(const Token *token, void *userdata) {
        *(size_t *) userdata += token->stored;
        return 0;
}

/* A new secret, and a token for it whose id is nobody else's. */
static int make_token(AdminCall *a, Token *ret, const Name *name) {
        const TokenTable *tokens = access_tokens(a->service->access);
        TokenHash hash;
        int r;

        do {
                r = token_secret_new(a->secret);
                if (r == 0)
                        r = token_hash_secret(&hash, a->secret, TOKEN_SECRET_MAX);
                if (r == 0)
                        token_init(ret, &hash, name);
        } while (r == 0 && token_table_find_id(tokens, ret->id));
        ret->created_ms = service_now_ms();
        ret->stored = true;
        return r;
}

static int may_make(AdminCall *a) {
        size_t n = 0;

        (void) token_table_foreach(access_tokens(a->service->access), is_stored, &n);
        if (n < MAX_TOKENS)
                return 0;
        admin_refuse(a, RPC_RESOURCE_EXHAUSTED,
                     "There are 10000 tokens; remove some: chatctl token remove ID.");
        return -ENOSPC;
}

static void on_added(AdminCall *a, int result) {
        Admin__AddTokenResponse response = ADMIN__ADD_TOKEN_RESPONSE__INIT;
        Admin__Token row;

        if (result != 0 && result != ACCESS_E_MEMORY) {
                admin_refuse_unwritten(a, result);
                return;
        }
        if (admin_apply(a) != 0) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return;
        }
        fill_in(&row, &a->changes[0].token);
        response.secret = message_text(a->secret);
        response.token = &row;
        snprintf(a->summary, sizeof(a->summary), "made %s", a->changes[0].token.id);
        admin_reply(a, &response.base);
}

void admin_add_token(AdminCall *a) {
        AdminRequest *r = &a->request;
        Token token;

        if (may_make(a) != 0)
                return;
        if (make_token(a, &token, r->target == ADMIN_ANY_NAME ? NULL : &r->user) != 0) {
                admin_refuse(a, RPC_INTERNAL, "No secret could be made.");
                return;
        }
        memcpy(r->token_id, token.id, sizeof(token.id)); /* for the journal */
        memcpy(token.label, r->label, sizeof(token.label));
        token.expires_ms = r->lifetime_ms > 0 ? token.created_ms + r->lifetime_ms : 0;
        if (admin_add_change(a, TOKEN_ADD, &token))
                admin_commit(a, on_added);
}

/* ---- remove */

static const Token *find_target(AdminCall *a) {
        const Token *token =
                token_table_find_id(access_tokens(a->service->access), a->request.token_id);

        if (!token)
                admin_refuse(a, RPC_NOT_FOUND, "There is no such token.");
        return token;
}

static void on_removed(AdminCall *a, int result) {
        Admin__RemoveTokenResponse response = ADMIN__REMOVE_TOKEN_RESPONSE__INIT;

        response.sessions = a->n_ended;
        snprintf(a->summary, sizeof(a->summary), "%u session%s ended", a->n_ended,
                 a->n_ended == 1 ? "" : "s");
        if (result != 0 && result != ACCESS_E_MEMORY) {
                admin_reply_undurable(a, &response.base, result);
                return;
        }
        (void) admin_apply(a);
        admin_reply(a, &response.base);
}

/* Until it is gone from the disk it is revoked: it lets nobody in, and can be removed again. */
void admin_remove_token(AdminCall *a) {
        const Token *token = find_target(a);
        TokenChange *change;

        if (!token)
                return;
        if (token->configured) {
                admin_refuse(a, RPC_FAILED_PRECONDITION,
                             "It stands in the configuration: take it out there and reload, or "
                             "keep it out with chatctl revoke --token ID.");
                return;
        }
        change = admin_add_change(a, TOKEN_REVOKE, token);
        if (!change)
                return;
        (void) admin_apply(a);
        change->kind = TOKEN_REMOVE;
        admin_commit(a, on_removed);
}

/* ---- rotate */

static void on_rotated(AdminCall *a, int result) {
        Admin__RotateTokenResponse response = ADMIN__ROTATE_TOKEN_RESPONSE__INIT;
        Admin__Token row;

        if (result == ACCESS_E_EXISTS) {
                admin_refuse(a, RPC_FAILED_PRECONDITION, "It has just been revoked.");
                return;
        }
        if (result != 0 && result != ACCESS_E_MEMORY) {
                admin_refuse_unwritten(a, result);
                return;
        }
        a->changes[1].kind = TOKEN_REVOKE; /* the disk has said that it was not too late */
        if (admin_apply(a) != 0) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return;
        }
        fill_in(&row, &a->changes[0].token);
        response.secret = message_text(a->secret);
        response.token = &row;
        snprintf(a->summary, sizeof(a->summary), "made %s, %u session%s ended",
                 a->changes[0].token.id, a->n_ended, a->n_ended == 1 ? "" : "s");
        admin_reply(a, &response.base);
}

void admin_rotate_token(AdminCall *a) {
        const Token *old = find_target(a);
        Token token;

        if (!old)
                return;
        if (!token_is_good(old, service_now_ms())) {
                admin_refuse(a, RPC_FAILED_PRECONDITION,
                             "It is revoked or has expired: chatctl token add makes another one.");
                return;
        }
        if (may_make(a) != 0)
                return;
        if (make_token(a, &token, old->any_name ? NULL : &old->name) != 0) {
                admin_refuse(a, RPC_INTERNAL, "No secret could be made.");
                return;
        }
        memcpy(token.label, old->label, sizeof(token.label));
        token.expires_ms = old->expires_ms;
        if (!admin_add_change(a, TOKEN_ADD, &token) || !admin_add_change(a, TOKEN_RETIRE, old))
                return;
        /* Gone, and not only revoked: `unrevoke USER` is not to bring it back one day. */
        if (old->configured || admin_add_change(a, TOKEN_REMOVE, old))
                admin_commit(a, on_rotated);
}
