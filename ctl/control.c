/* SPDX-License-Identifier: MIT */
/*
 * One unary call on the control socket. Why there was no answer is found out afterwards, by a plain
 * connect(): gRPC knows but tells only in prose. Nothing that the daemon says is trusted to be fit
 * for a terminal.
 */
#include "ctl/control.h"

#include <ctype.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ctl/duration.h"
#include "ctl/output.h"
#include "proto/printable.h"
#include "proto/rpc_client.h"

#define ADMIN_GROUP "chatroom-admin"
#define TARGET_MAX (3 * 108 + sizeof("unix://"))
#define NAME_MAX_BYTES 64

typedef struct Question {
        const char *method;
        const ProtobufCMessage *request;
        const ProtobufCMessageDescriptor *type;
} Question;

/* The socket as gRPC wants it: a URI, in which other characters than these have a meaning. */
static void make_target(char ret[TARGET_MAX], const char *path) {
        char *end = stpcpy(ret, *path == '/' ? "unix://" : "unix:");

        for (; *path; path++)
                if (isalnum((unsigned char) *path) || strchr("/-._~", *path))
                        *end++ = *path;
                else
                        end += sprintf(end, "%%%02X", (unsigned char) *path);
        *end = '\0';
}

/* Who typed sudo, if anybody did: only a claim, and only what HTTP/2 can carry. */
static size_t sudo_metadata(RpcMetadata *ret, char name[NAME_MAX_BYTES]) {
        const char *user = getenv("SUDO_USER");

        if (!user || !*user)
                return 0;
        snprintf(name, NAME_MAX_BYTES, "%s", user);
        for (char *p = name; *p; p++)
                if (*p <= ' ' || *p > '~')
                        *p = '?';
        *ret = (RpcMetadata){"chatroom-sudo-user", name};
        return 1;
}

static int exchange(const Invocation *v, const Question *q, const RpcCallOptions *with,
                    RpcReply *ret) {
        _cleanup_(rpc_channel_freep) RpcChannel *channel = NULL;
        _cleanup_(freep) uint8_t *bytes = NULL;
        char target[TARGET_MAX];
        size_t n;
        int r;

        bytes = malloc(protobuf_c_message_get_packed_size(q->request) + 1);
        if (!bytes)
                return -ENOMEM;
        n = protobuf_c_message_pack(q->request, bytes);
        make_target(target, v->socket);
        r = rpc_channel_new(&channel, target, 0);
        if (r < 0)
                return r;
        return rpc_unary(ret, channel, q->method, (RpcBytes){bytes, n}, with);
}

/* 0: somebody listens; otherwise a negative errno. */
static int try_socket(const char *path) {
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (fd < 0)
                return -errno;
        memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 && errno != EAGAIN)
                return -errno;
        return 0;
}

/* Says who may. */
static void explain_permission(const char *path) {
        const char *sudo = geteuid() == 0 ? "" : "\nTry it again with sudo.";
        const struct group *group = NULL;
        struct stat st;

        if (stat(path, &st) == 0 && st.st_gid != 0)
                group = getgrgid(st.st_gid);
        remark("Only root and members of the group %s may.%s", group ? group->gr_name : ADMIN_GROUP,
               sudo);
}

static int report_unreached(const Invocation *v, const RpcReply *reply) {
        char wait[DURATION_TEXT_MAX];
        int r = try_socket(v->socket);

        if (r == -EACCES || r == -EPERM) {
                complain("you are not allowed to use %s", v->socket);
                explain_permission(v->socket);
                return CTL_E_REFUSED;
        }
        if (r < 0) {
                complain("nobody listens on %s: %s", v->socket, strerror(-r));
                if (strcmp(v->socket, CONTROL_SOCKET) == 0)
                        remark("To start the daemon: %ssystemctl start chatroom.socket",
                               geteuid() == 0 ? "" : "sudo ");
                else
                        remark("The daemon listens where `control` in its configuration says, or "
                               "its option --control.");
                return CTL_E_NO_SOCKET;
        }
        duration_format(wait, v->timeout_ms);
        if (reply->status == RPC_STATUS_DEADLINE_EXCEEDED)
                complain("somebody listens on %s, but does not answer within %s", v->socket, wait);
        else
                complain("%s: whoever listens there does not speak gRPC, or has just ended",
                         v->socket);
        remark("To see why: systemctl status chatroom.service");
        return CTL_E_REFUSED;
}

static int report_status(const Invocation *v, const RpcReply *reply, const char *text) {
        char wait[DURATION_TEXT_MAX];

        switch (reply->status) {
        case RPC_STATUS_DEADLINE_EXCEEDED:
                duration_format(wait, v->timeout_ms);
                complain("no answer within %s", wait);
                remark("It may be done all the same.");
                break;
        case RPC_STATUS_PERMISSION_DENIED:
                complain("%s", text);
                explain_permission(v->socket);
                break;
        case RPC_STATUS_UNIMPLEMENTED:
                complain("the daemon does not know this verb; it is of another version than "
                         "chatctl " CHATROOM_VERSION);
                break;
        case RPC_STATUS_UNAVAILABLE:
                complain("%s", text);
                remark("It may be done all the same.");
                break;
        default:
                complain("%s", text);
        }
        return CTL_E_REFUSED;
}

static int take_answer(Invocation *v, const Question *q, const RpcReply *reply,
                       ProtobufCMessage **ret) {
        _cleanup_(freep) char *text = NULL;
        const char *raw =
                reply->text && *reply->text ? reply->text : rpc_status_name(reply->status);

        if (!reply->reached)
                return report_unreached(v, reply);
        if (printable(&text, raw, strlen(raw), NULL, NULL) < 0)
                return -ENOMEM;
        if (reply->status == RPC_STATUS_DATA_LOSS) {
                complain("done, but a restart of the daemon will undo it: %s", text);
                remark("When that is mended, do it again to make it last.");
                v->not_durable = true;
                if (!reply->data)
                        return CTL_E_REFUSED;
        } else if (reply->status != RPC_STATUS_OK)
                return report_status(v, reply, text);

        *ret = protobuf_c_message_unpack(q->type, NULL, reply->size, reply->data);
        if (!*ret) {
                complain("the daemon's answer makes no sense; it is of another version than "
                         "chatctl " CHATROOM_VERSION);
                return CTL_E_REFUSED;
        }
        return 0;
}

int control_call(Invocation *v, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret) {
        Question q = {method, request, type};
        char name[NAME_MAX_BYTES];
        RpcMetadata sudo;
        RpcCallOptions with = {.metadata = &sudo, .timeout_ms = v->timeout_ms};
        _cleanup_(rpc_reply_done) RpcReply reply = {0};
        int r;

        with.n_metadata = sudo_metadata(&sudo, name);
        r = exchange(v, &q, &with, &reply);
        if (r < 0)
                return r;
        return take_answer(v, &q, &reply, ret);
}

int control_ask(const Invocation *v, const char *method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret) {
        Question q = {method, request, type};
        RpcCallOptions with = {.timeout_ms = v->timeout_ms};
        _cleanup_(rpc_reply_done) RpcReply reply = {0};
        int r = exchange(v, &q, &with, &reply);

        if (r < 0)
                return r;
        if (reply.status != RPC_STATUS_OK)
                return CTL_E_REFUSED;
        *ret = protobuf_c_message_unpack(type, NULL, reply.size, reply.data);
        return *ret ? 0 : CTL_E_REFUSED;
}
