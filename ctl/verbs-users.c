/* SPDX-License-Identifier: MIT */
/* The verbs about who is in the room: users, kick. */
#include <inttypes.h>
#include <string.h>

#include "ctl/control.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/times.h"
#include "ctl/verbs.h"

#define NUMBER_MAX 24

static int add_session(Table *t, const Chatroom__V1__User *user, const Chatroom__V1__Session *s) {
        char session[NUMBER_MAX], joined[TIMES_MAX], messages[NUMBER_MAX], lag[NUMBER_MAX];
        const char *cells[] = {user->name,  session,  s->address, joined,
                               s->protocol, messages, lag,        s->token_id};

        snprintf(session, sizeof(session), "@%" PRIu64, s->id);
        times_ago(joined, times_now(), s->joined_ms);
        snprintf(messages, sizeof(messages), "%" PRIu64, s->messages);
        snprintf(lag, sizeof(lag), "%" PRIu64, s->lag);
        return table_add(t, cells);
}

static int show_users(const Chatroom__V1__ListUsersResponse *answer) {
        static const Column columns[] = {{"USER"},      {"SESSION", true}, {"ADDRESS"},
                                         {"JOINED"},    {"PROTOCOL"},      {"MESSAGES", true},
                                         {"LAG", true}, {"TOKEN"}};
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(&t, columns, ELEMENTS(columns));

        for (size_t i = 0; r == 0 && i < answer->n_users; i++)
                for (size_t j = 0; r == 0 && j < answer->users[i]->n_sessions; j++)
                        r = add_session(t, answer->users[i], answer->users[i]->sessions[j]);
        if (r < 0)
                return r;
        if (answer->n_users == 0)
                remark("Nobody is in the room.");
        else
                table_show(t);
        return 0;
}

int verb_users(Invocation *v) {
        Chatroom__V1__ListUsersRequest request = CHATROOM__V1__LIST_USERS_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        int r = control_call(v, ADMIN("ListUsers"), &request.base,
                             &chatroom__v1__list_users_response__descriptor, &answer);

        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        return show_users((const Chatroom__V1__ListUsersResponse *) answer);
}

/* "@17". */
static int parse_session(uint64_t *ret, const char *text) {
        uint64_t n = 0;
        const char *p = text + 1;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, (unsigned) (*p - '0'), &n))
                        break;
        if (*p || n == 0) {
                complain("\"%s\" is not a session: @ and the number that `chatctl users` shows",
                         text);
                return CTL_E_USAGE;
        }
        *ret = n;
        return 0;
}

int verb_kick(Invocation *v) {
        Chatroom__V1__KickRequest request = CHATROOM__V1__KICK_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        char *who = v->operands[0];
        int r = 0;

        if (*who == '@') {
                request.target_case = CHATROOM__V1__KICK_REQUEST__TARGET_SESSION;
                r = parse_session(&request.session, who);
        } else {
                request.target_case = CHATROOM__V1__KICK_REQUEST__TARGET_USER;
                request.user = who;
        }
        if (r != 0)
                return r;
        if (v->reason)
                request.reason = (char *) v->reason;
        r = control_call(v, ADMIN("Kick"), &request.base, &chatroom__v1__kick_response__descriptor,
                         &answer);
        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        say("Kicked %s: %s", who,
            counted(((Chatroom__V1__KickResponse *) answer)->sessions, "session").text);
        return 0;
}
