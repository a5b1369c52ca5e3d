/* SPDX-License-Identifier: MIT */
/*
 * What an operator asks for, decoded and checked: behind this, names are names, ids are ids, and no
 * text holds a control character.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/name.h"
#include "service/token.h"

#define ADMIN_REASON_MAX 256 /* bytes */
#define ADMIN_LIFETIME_MAX_MS (INT64_C(36500) * 86400 * 1000)

typedef enum AdminMethod {
        ADMIN_LIST_USERS,
        ADMIN_KICK,
        ADMIN_REVOKE,
        ADMIN_UNREVOKE,
        ADMIN_ADD_TOKEN,
        ADMIN_LIST_TOKENS,
        ADMIN_REMOVE_TOKEN,
        ADMIN_ROTATE_TOKEN,
        ADMIN_RELOAD,
        ADMIN_GET_STATUS,
        ADMIN_CHECK,
        ADMIN_METHODS,
} AdminMethod;

typedef enum AdminTarget {
        ADMIN_NOBODY, /* the request has no target */
        ADMIN_USER,
        ADMIN_ANY_NAME, /* "*" */
        ADMIN_SESSION,
        ADMIN_TOKEN,
} AdminTarget;

typedef struct AdminRequest {
        AdminTarget target;
        Name user;
        uint64_t session;
        char token_id[TOKEN_ID_CHARS + 1];
        char reason[ADMIN_REASON_MAX + 1];
        char label[TOKEN_LABEL_MAX + 1];
        int64_t lifetime_ms; /* 0: for ever */
} AdminRequest;

/* NULL, or what is wrong with the request, for whoever sent it. */
const char *admin_request_decode(AdminRequest *ret, AdminMethod method, const uint8_t *bytes,
                                 size_t n);
