/* SPDX-License-Identifier: MIT */
/*
 * Without a connection, the words are gRPC's, and of little help: those that are recognised are
 * replaced by what to look at. Not recognising them costs nothing but the hint.
 */
#include "client/ending.h"

#include <string.h>

#include "proto/printable.h"

static int say_unreachable(char **ret, const Ending *e, const char *reason) {
        static const char no_way[] =
                "no way leads there. Is this machine on the host's network (tailscale status)?";
        static const char hung_up[] =
                "the other end hung up at once. Either it is not a chatroom, or its `allow` list "
                "or one of its limits keeps this machine out";
        static const struct {
                const char *needle, *text;
        } known[] = {
                {"Connection refused",
                 "nothing listens there. Is the daemon's socket started (there: systemctl status "
                 "chatroom.socket), and is this its port?"},
                {"DNS resolution failed",
                 "no host of that name is known. Is it spelled right, and is this machine on the "
                 "network that knows it (tailscale status)?"},
                {"Timeout", NULL},
                {"Deadline", NULL},
                {"tcp handshaker shutdown", NULL}, /* so it calls its own time-out of connect() */
                {"before receiving SETTINGS", NULL},
                {"unreachable", no_way},
                {"No route", no_way},
                {"Socket closed", hung_up},
                {"reset by peer", hung_up},
                {"parsing HTTP/2", "what listens there is not a chatroom. Is this its port?"},
                {"http1", "what listens there is not a chatroom. Is this its port?"},
        };
        const char *text = reason;

        for (size_t i = 0; i < ELEMENTS(known); i++)
                if (strstr(reason, known[i].needle)) {
                        text = known[i].text;
                        break;
                }
        if (!text || !*text)
                text = "it does not answer. A chatroom does not answer whom its `allow` list does "
                       "not name: is this machine on its tailnet (tailscale status), and does the "
                       "list name it?";
        return asprintf(ret, "cannot connect to %s: %s", e->address, text) < 0 ? -ENOMEM : 0;
}

static int say_ended(char **ret, ExitStatus *ret_status, const Ending *e, const char *reason) {
        const char *what, *colon = *reason ? ": " : "";
        ExitStatus status = EXIT_ENDED;

        switch (e->status) {
        case RPC_STATUS_UNAUTHENTICATED:
        case RPC_STATUS_PERMISSION_DENIED:
                what = e->joined ? "not admitted any more" : "not admitted";
                status = EXIT_NOT_ADMITTED;
                break;
        case RPC_STATUS_ABORTED:
                what = "kicked";
                status = EXIT_KICKED;
                break;
        case RPC_STATUS_UNIMPLEMENTED:
                what = "there is a gRPC server, but it is not a chatroom, or one that is too old";
                break;
        default:
                what = "the session has ended";
        }
        *ret_status = status;
        return asprintf(ret, "%s%s%s (%s)", what, colon, reason, rpc_status_name(e->status)) < 0
                       ? -ENOMEM
                       : 0;
}

int ending_explain(char **ret_text, ExitStatus *ret_status, const Ending *e) {
        _cleanup_(freep) char *reason = NULL;
        int r;

        if (e->status == RPC_STATUS_OK && e->leaving) {
                *ret_text = NULL;
                *ret_status = EXIT_LEFT;
                return 0;
        }
        r = printable(&reason, e->reason, e->reason ? strlen(e->reason) : 0, " ", " ");
        if (r < 0)
                return r;
        if (e->reached)
                return say_ended(ret_text, ret_status, e, reason);
        *ret_status = EXIT_UNREACHABLE;
        return say_unreachable(ret_text, e, reason);
}
