/* SPDX-License-Identifier: MIT */
/*
 * protobuf-c decodes a description of the requests in which every string is bytes, because it does
 * not check strings and cuts them at their first NUL.
 */
#include "service/admin-request.h"

#include <string.h>

#include "proto/base.h"
#include "service/text.h"
#include "wire-admin.pb-c.h"

static const char *take_user(AdminRequest *r, const ProtobufCBinaryData *bytes) {
        int outcome = name_parse(&r->user, (const char *) bytes->data, bytes->len);

        if (outcome < 0)
                return "The server is out of memory.";
        if (outcome > 0)
                return name_strerror(outcome);
        r->target = ADMIN_USER;
        return NULL;
}

/* Text of one line. */
static const char *take_line(char *ret, size_t max, const ProtobufCBinaryData *bytes) {
        if (bytes->len == 0)
                return NULL;
        switch (text_check((const char *) bytes->data, bytes->len, max)) {
        case 0:
                break;
        case TEXT_E_LONG:
                return "The reason or label is too long.";
        default:
                return "The reason or label contains a control character or is not UTF-8.";
        }
        if (memchr(bytes->data, '\n', bytes->len) || memchr(bytes->data, '\t', bytes->len))
                return "The reason or label is more than one line.";
        memcpy(ret, bytes->data, bytes->len);
        ret[bytes->len] = '\0';
        return NULL;
}

static const char *take_kick(AdminRequest *r, const ProtobufCMessage *message) {
        const Admin__KickRequest *m = (const Admin__KickRequest *) message;
        const char *wrong = NULL;

        switch (m->target_case) {
        case ADMIN__KICK_REQUEST__TARGET_USER:
                wrong = take_user(r, &m->user);
                break;
        case ADMIN__KICK_REQUEST__TARGET_SESSION:
                r->target = ADMIN_SESSION;
                r->session = m->session;
                break;
        default:
                return "Say which user or which session.";
        }
        return wrong ? wrong : take_line(r->reason, ADMIN_REASON_MAX, &m->reason);
}

static const char *take_token_id(AdminRequest *r, const ProtobufCBinaryData *bytes) {
        const char *wrong =
                "A token's id is 12 hexadecimal digits, as chatctl token list shows it.";

        if (bytes->len != TOKEN_ID_CHARS)
                return wrong;
        for (size_t i = 0; i < TOKEN_ID_CHARS; i++) {
                char c = (char) bytes->data[i];

                if (c >= 'A' && c <= 'F')
                        c += 'a' - 'A';
                if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
                        return wrong;
                r->token_id[i] = c;
        }
        r->target = ADMIN_TOKEN;
        return NULL;
}

static const char *take_revoke(AdminRequest *r, const ProtobufCMessage *message) {
        const Admin__RevokeRequest *m = (const Admin__RevokeRequest *) message;

        switch (m->target_case) {
        case ADMIN__REVOKE_REQUEST__TARGET_USER:
                return take_user(r, &m->user);
        case ADMIN__REVOKE_REQUEST__TARGET_TOKEN_ID:
                return take_token_id(r, &m->token_id);
        default:
                return "Say which user or which token.";
        }
}

static const char *take_unrevoke(AdminRequest *r, const ProtobufCMessage *message) {
        const Admin__UnrevokeRequest *m = (const Admin__UnrevokeRequest *) message;

        switch (m->target_case) {
        case ADMIN__UNREVOKE_REQUEST__TARGET_USER:
                return take_user(r, &m->user);
        case ADMIN__UNREVOKE_REQUEST__TARGET_TOKEN_ID:
                return take_token_id(r, &m->token_id);
        default:
                return "Say which user or which token.";
        }
}

static const char *take_add_token(AdminRequest *r, const ProtobufCMessage *message) {
        const Admin__AddTokenRequest *m = (const Admin__AddTokenRequest *) message;
        const char *wrong = NULL;

        if (m->user.len == 1 && m->user.data[0] == '*')
                r->target = ADMIN_ANY_NAME;
        else
                wrong = take_user(r, &m->user);
        if (wrong)
                return wrong;
        if (m->lifetime_ms < 0 || m->lifetime_ms > ADMIN_LIFETIME_MAX_MS)
                return "A token lives between a millisecond and a hundred years, or for ever.";
        r->lifetime_ms = m->lifetime_ms;
        return take_line(r->label, TOKEN_LABEL_MAX, &m->label);
}

static const char *take_remove_token(AdminRequest *r, const ProtobufCMessage *message) {
        return take_token_id(r, &((const Admin__RemoveTokenRequest *) message)->token_id);
}

static const char *take_rotate_token(AdminRequest *r, const ProtobufCMessage *message) {
        return take_token_id(r, &((const Admin__RotateTokenRequest *) message)->token_id);
}

static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *(*take)(AdminRequest *r, const ProtobufCMessage *message); /* NULL: empty */
} requests[ADMIN_METHODS] = {
        [ADMIN_LIST_USERS] = {&admin__list_users_request__descriptor, NULL},
        [ADMIN_KICK] = {&admin__kick_request__descriptor, take_kick},
        [ADMIN_REVOKE] = {&admin__revoke_request__descriptor, take_revoke},
        [ADMIN_UNREVOKE] = {&admin__unrevoke_request__descriptor, take_unrevoke},
        [ADMIN_ADD_TOKEN] = {&admin__add_token_request__descriptor, take_add_token},
        [ADMIN_LIST_TOKENS] = {&admin__list_tokens_request__descriptor, NULL},
        [ADMIN_REMOVE_TOKEN] = {&admin__remove_token_request__descriptor, take_remove_token},
        [ADMIN_ROTATE_TOKEN] = {&admin__rotate_token_request__descriptor, take_rotate_token},
        [ADMIN_RELOAD] = {&admin__reload_request__descriptor, NULL},
        [ADMIN_GET_STATUS] = {&admin__get_status_request__descriptor, NULL},
        [ADMIN_CHECK] = {&admin__check_request__descriptor, NULL},
};

const char *admin_request_decode(AdminRequest *ret, AdminMethod method, const uint8_t *bytes,
                                 size_t n) {
        ProtobufCMessage *m =
                protobuf_c_message_unpack(requests[method].descriptor, NULL, n, bytes);
        const char *wrong = NULL;

        *ret = (AdminRequest){.target = ADMIN_NOBODY};
        if (!m)
                return "The request cannot be decoded.";
        if (requests[method].take)
                wrong = requests[method].take(ret, m);
        protobuf_c_message_free_unpacked(m, NULL);
        return wrong;
}
