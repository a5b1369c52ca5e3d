/* SPDX-License-Identifier: MIT */
/*
 * Connections: how one begins, what its end means, and when the next one begins. Only a session
 * that has been in the room is taken up again, and only after an end that time can mend: whom the
 * server does not want, it does not see again. That a name is taken is mended by time if it is
 * taken by what is left of one's own connection.
 */
#include <string.h>
#include <sys/random.h>

#include "client/chat-state.h"
#include "client/keyring.h"
#include "client/question.h"

/* A server cuts off whoever does not read for half a minute. */
#define REMEMBER_TIMEOUT_MS 20000

static uint64_t random_number(void) {
        uint64_t n;

        /* It spreads clients that come back: without it they come back at once. */
        return getrandom(&n, sizeof(n), 0) == sizeof(n) ? n : 0;
}

static int make_request(Chat *c, Request *ret) {
        SessionStart start;

        if (c->options->command == COMMAND_WHO)
                return request_list_members(ret);
        start = session_start(c->session);
        if (c->subscribing)
                return request_subscribe(ret, &start);
        return request_connect(ret, c->options->target.user, &start,
                               c->options->command == COMMAND_TALK &&
                                       (c->person || c->options->json));
}

int joining_open(Chat *c) {
        Request request;
        int r;

        c->goodbye = false;
        c->sending = true;
        c->hold_ms = 0;
        chat_enter(c, PHASE_JOINING, c->options->connect_timeout_ms);
        r = make_request(c, &request);
        if (r < 0)
                return r;
        return room_link_open(c->link, &request);
}

static int ask(Chat *c, const char *question, int timeout_ms) {
        int r = question_ask(question, c->signals, timeout_ms);

        return r == QUESTION_INTERRUPTED ? QUESTION_NO : r;
}

int joining_doubt(Chat *c, const char *address) {
        _cleanup_(freep) char *question = NULL;
        int r = QUESTION_NO;

        if (!c->joined && c->person) {
                r = asprintf(
                        &question,
                        "%s is %s: neither this machine nor on the tailnet, so the token would "
                        "be sent in clear. Send it?",
                        c->address, address);
                if (r < 0)
                        return -ENOMEM;
                r = ask(c, question, -1);
        }
        if (r < 0)
                return r;
        if (r == 0) {
                chat_enter(c, c->phase, c->options->connect_timeout_ms);
                return room_link_trust(c->link);
        }
        room_link_close(c->link);
        screen_error("%s is %s: neither this machine nor on the tailnet. The token is not sent "
                     "there in clear without --insecure-network",
                     c->address, address);
        chat_finish(c, EXIT_OTHER);
        return 0;
}

static int remember(Chat *c) {
        _cleanup_(freep) char *question = NULL;
        Complaint complaint;
        int r;

        r = asprintf(&question, "Remember this token for %s@%s?", c->options->target.user,
                     c->address);
        if (r < 0)
                return -ENOMEM;
        r = ask(c, question, REMEMBER_TIMEOUT_MS);
        if (r != 0)
                return r < 0 ? r : 0;
        r = keyring_keep(&c->options->target, c->token->text, &complaint);
        if (r == KEYRING_E_REFUSED)
                screen_error("the token is not remembered: %s", complaint.text);
        return r < 0 ? r : 0;
}

int joining_welcomed(Chat *c) {
        bool first = !c->joined;

        c->joined = true;
        c->lost = false;
        c->joined_at_ms = chat_now_ms();
        backoff_joined(&c->backoff);
        chat_enter(c, PHASE_IN, 0);
        return first && c->token->typed && c->person ? remember(c) : 0;
}

static bool may_return(Chat *c, const RoomLinkEvent *e) {
        if (!c->joined || c->options->no_reconnect || c->signal)
                return false;
        if (c->goodbye && c->retry_after_ms <= 0)
                return false;
        if (e->reached && e->status == RPC_STATUS_ALREADY_EXISTS && c->phase == PHASE_JOINING)
                return backoff_may_be_oneself(&c->backoff, chat_now_ms());
        return !e->reached || e->status == RPC_STATUS_UNAVAILABLE ||
               e->status == RPC_STATUS_RESOURCE_EXHAUSTED;
}

static int on_lost(Chat *c, const RoomLinkEvent *e) {
        unsigned delay;
        int r = 0;

        if (c->phase == PHASE_IN || c->phase == PHASE_LEAVING)
                backoff_stood(&c->backoff, chat_now_ms() - c->joined_at_ms);
        if (c->goodbye)
                delay = backoff_told(&c->backoff, c->retry_after_ms, random_number());
        else
                delay = backoff_next(&c->backoff, random_number());
        session_lost(c->session);
        c->sending = false;
        room_link_close(c->link);
        chat_enter(c, PHASE_AWAY, delay + 1);
        if (!c->lost)
                r = report_lost(&c->report, e->status, e->text ? e->text : "");
        c->lost = true;
        return r;
}

/* An open token has no name, and only Connect can give it one. */
static bool is_for_connect(const Chat *c, const RoomLinkEvent *e) {
        return c->subscribing && !c->joined && e->reached &&
               e->status == RPC_STATUS_PERMISSION_DENIED;
}

int joining_ended(Chat *c, const RoomLinkEvent *e) {
        if (e->status == RPC_STATUS_OK && c->options->command == COMMAND_WHO) {
                chat_finish(c, EXIT_LEFT);
                return 0;
        }
        if (is_for_connect(c, e)) {
                c->subscribing = false;
                return joining_open(c);
        }
        if (!may_return(c, e))
                return chat_explain(c, e->status, e->text, e->reached);
        if (c->phase == PHASE_LEAVING && session_pending(c->session) == 0) {
                chat_finish(c, EXIT_LEFT); /* all is acknowledged: there is no reason to return */
                return 0;
        }
        return on_lost(c, e);
}

int joining_timed_out(Chat *c) {
        RoomLinkEvent e = {.kind = ROOM_LINK_ENDED, .status = RPC_STATUS_DEADLINE_EXCEEDED};

        room_link_close(c->link);
        return joining_ended(c, &e);
}
