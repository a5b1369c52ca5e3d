/* SPDX-License-Identifier: MIT */
/*
 * What methods that change tokens have in common: a list of changes, made in memory and on the disk
 * in the order that is on the safe side, and an answer when both are done.
 */
#include <string.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/service.h"

TokenChange *admin_add_change(AdminCall *a, TokenChangeKind kind, const Token *token) {
        TokenChange *changes = reallocarray(a->changes, a->n_changes + 1, sizeof(*changes));

        if (!changes) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return NULL;
        }
        a->changes = changes;
        changes[a->n_changes] = (TokenChange){kind, *token};
        return &changes[a->n_changes++];
}

int admin_apply(AdminCall *a) {
        Access *access = a->service->access;
        int r = access_apply(access, a->changes, a->n_changes);

        a->n_ended += access_enforce(access);
        return r;
}

static void on_committed(void *userdata, int result) {
        AdminCall *a = userdata;

        a->committed(a, result);
        control_done(a);
}

void admin_commit(AdminCall *a, void (*committed)(AdminCall *a, int result)) {
        a->committed = committed;
        a->busy = true;
        access_commit(a->service->access, a->changes, a->n_changes, on_committed, a);
}

void admin_refuse_unwritten(AdminCall *a, int result) {
        char text[256];

        snprintf(text, sizeof(text), "Nothing was changed, because it cannot be kept: %s.",
                 access_strerror(result));
        admin_refuse(a, RPC_FAILED_PRECONDITION, text);
}
