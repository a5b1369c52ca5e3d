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

static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *(*take)(AdminRequest *r, const ProtobufCMessage *message); /* NULL: empty */
} requests[ADMIN_METHODS] = {
        [ADMIN_LIST_USERS] = {&admin__list_users_request__descriptor, NULL},
        [ADMIN_KICK] = {&admin__kick_request__descriptor, take_kick},
        [ADMIN_RELOAD] = {&admin__reload_request__descriptor, NULL},
        [ADMIN_GET_STATUS] = {&admin__get_status_request__descriptor, NULL},
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
