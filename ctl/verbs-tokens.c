/* SPDX-License-Identifier: MIT */
/*
 * The verbs about tokens: token add, list, remove, rotate; revoke, unrevoke. A new token is the
 * only thing that goes to standard output when it is made; what else there is to say about it goes
 * to standard error, so that `chatctl token add bob >file` makes a file that chat can read.
 */
#include <string.h>

#include "ctl/control.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/times.h"
#include "ctl/verbs.h"

#define ANYBODY "*"
#define CHAT_PORT "50051"
#define HOST_MAX 256
#define COMMAND_MAX 512

/* ":50052", when the daemon listens on no other port than that; else nothing. */
static void find_port(const Invocation *v, char *ret, size_t size) {
        Chatroom__V1__GetStatusRequest request = CHATROOM__V1__GET_STATUS_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__GetStatusResponse *status;
        const char *port = NULL;

        *ret = '\0';
        if (control_ask(v, ADMIN("GetStatus"), &request.base,
                        &chatroom__v1__get_status_response__descriptor, &answer) != 0)
                return;
        status = (const Chatroom__V1__GetStatusResponse *) answer;
        for (size_t i = 0; i < status->n_listen; i++) {
                const char *colon = strrchr(status->listen[i], ':');

                if (colon && strcmp(colon, ":" CHAT_PORT) == 0)
                        return;
                port = port ? port : colon;
        }
        if (port)
                snprintf(ret, size, "%s", port);
}

/* What the user types. */
static void make_command(const Invocation *v, const char *user, char ret[COMMAND_MAX]) {
        char host[HOST_MAX] = "", port[16];

        (void) gethostname(host, sizeof(host) - 1);
        find_port(v, port, sizeof(port));
        snprintf(ret, COMMAND_MAX, "chat %s@%s%s", strcmp(user, ANYBODY) == 0 ? "NAME" : user, host,
                 port);
}

static int show_secret_json(const ProtobufCMessage *answer, const char *command) {
        json_t *document = json_of_message(answer);

        if (document && json_object_set_new(document, "command", json_of_text(command)) < 0) {
                json_decref(document);
                document = NULL;
        }
        return json_show(document);
}

/* What add and rotate have in common; both answers are made alike. */
static int show_secret(const Invocation *v, const ProtobufCMessage *answer, const char *secret,
                       const Chatroom__V1__Token *token) {
        bool anybody = token && strcmp(token->user, ANYBODY) == 0;
        char until[TIMES_MAX], command[COMMAND_MAX];

        if (!token || !*secret) {
                complain("the daemon's answer has no token in it");
                return CTL_E_REFUSED;
        }
        make_command(v, token->user, command);
        if (v->json)
                return show_secret_json(answer, command);
        times_until(until, times_now(), token->expires_ms);
        remark("Token %s for %s, shown only this once; expires: %s", token->id,
               anybody ? "anybody, by any free name" : token->user, until);
        say("%s", secret);
        /* In the order in which it is to be read, also where both go to one file. */
        if (fflush(stdout) != 0)
                return -errno;
        remark("%s types: %s", anybody ? "Whoever has it" : token->user, command);
        return 0;
}

int verb_token_add(Invocation *v) {
        Chatroom__V1__AddTokenRequest request = CHATROOM__V1__ADD_TOKEN_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__AddTokenResponse *made;
        int r;

        request.user = v->operands[0];
        if (v->label)
                request.label = (char *) v->label;
        request.lifetime_ms = v->expires_ms;
        r = control_call(v, ADMIN("AddToken"), &request.base,
                         &chatroom__v1__add_token_response__descriptor, &answer);
        if (r != 0)
                return r;
        made = (const Chatroom__V1__AddTokenResponse *) answer;
        return show_secret(v, answer, made->secret, made->token);
}

int verb_token_rotate(Invocation *v) {
        Chatroom__V1__RotateTokenRequest request = CHATROOM__V1__ROTATE_TOKEN_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__RotateTokenResponse *made;
        int r;

        request.token_id = v->operands[0];
        r = control_call(v, ADMIN("RotateToken"), &request.base,
                         &chatroom__v1__rotate_token_response__descriptor, &answer);
        if (r != 0)
                return r;
        made = (const Chatroom__V1__RotateTokenResponse *) answer;
        return show_secret(v, answer, made->secret, made->token);
}

static const char *state_of(const Chatroom__V1__Token *token, int64_t now) {
        if (token->revoked)
                return "revoked";
        if (token->expires_ms != 0 && token->expires_ms <= now)
                return "expired";
        return "good";
}

static int add_token(Table *t, const Chatroom__V1__Token *token, int64_t now) {
        char created[TIMES_MAX], expires[TIMES_MAX], used[TIMES_MAX];
        const char *cells[] = {token->id, token->user, state_of(token, now), created,
                               expires,   used,        token->label};

        if (token->configured)
                snprintf(created, sizeof(created), "configured");
        else
                times_ago(created, now, token->created_ms);
        times_until(expires, now, token->expires_ms);
        times_ago(used, now, token->last_used_ms);
        return table_add(t, cells);
}

static int show_tokens(const Chatroom__V1__ListTokensResponse *answer) {
        static const Column columns[] = {{"TOKEN"},   {"USER"}, {"STATE"}, {"CREATED"},
                                         {"EXPIRES"}, {"USED"}, {"LABEL"}};
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(&t, columns, ELEMENTS(columns));

        for (size_t i = 0; r == 0 && i < answer->n_tokens; i++)
                r = add_token(t, answer->tokens[i], times_now());
        if (r < 0)
                return r;
        if (answer->n_tokens == 0)
                remark("There are no tokens. To make one: chatctl token add USER");
        else
                table_show(t);
        return 0;
}

int verb_token_list(Invocation *v) {
        Chatroom__V1__ListTokensRequest request = CHATROOM__V1__LIST_TOKENS_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        int r = control_call(v, ADMIN("ListTokens"), &request.base,
                             &chatroom__v1__list_tokens_response__descriptor, &answer);

        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        return show_tokens((const Chatroom__V1__ListTokensResponse *) answer);
}

int verb_token_remove(Invocation *v) {
        Chatroom__V1__RemoveTokenRequest request = CHATROOM__V1__REMOVE_TOKEN_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        int r;

        request.token_id = v->operands[0];
        r = control_call(v, ADMIN("RemoveToken"), &request.base,
                         &chatroom__v1__remove_token_response__descriptor, &answer);
        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        say("Removed token %s; ended %s", v->operands[0],
            counted(((Chatroom__V1__RemoveTokenResponse *) answer)->sessions, "session").text);
        return 0;
}

/* "Revoked token 0123456789ab of alice"; "Revoked 2 tokens of alice: …, …". */
static int say_tokens(const Invocation *v, const char *done, char *const *ids, size_t n) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(fclosep) FILE *out = NULL;
        size_t size;

        out = open_memstream(&text, &size);
        if (!out)
                return -errno;
        if (v->token)
                fprintf(out, "%s token %s", done, v->token);
        else
                fprintf(out, "%s %s of %s", done, counted(n, "token").text, v->operands[0]);
        for (size_t i = 0; !v->token && i < n; i++)
                fprintf(out, "%s %s", i == 0 ? ":" : ",", ids[i]);
        if (fclose(TAKE_PTR(out)) != 0)
                return -errno;
        say("%s", text);
        return 0;
}

int verb_revoke(Invocation *v) {
        Chatroom__V1__RevokeRequest request = CHATROOM__V1__REVOKE_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__RevokeResponse *done;
        int r;

        if (v->token) {
                request.target_case = CHATROOM__V1__REVOKE_REQUEST__TARGET_TOKEN_ID;
                request.token_id = (char *) v->token;
        } else {
                request.target_case = CHATROOM__V1__REVOKE_REQUEST__TARGET_USER;
                request.user = v->operands[0];
        }
        r = control_call(v, ADMIN("Revoke"), &request.base,
                         &chatroom__v1__revoke_response__descriptor, &answer);
        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        done = (const Chatroom__V1__RevokeResponse *) answer;
        r = say_tokens(v, "Revoked", done->token_ids, done->n_token_ids);
        if (r == 0)
                say("Ended %s", counted(done->sessions, "session").text);
        return r;
}

int verb_unrevoke(Invocation *v) {
        Chatroom__V1__UnrevokeRequest request = CHATROOM__V1__UNREVOKE_REQUEST__INIT;
        _cleanup_(message_freep) ProtobufCMessage *answer = NULL;
        const Chatroom__V1__UnrevokeResponse *done;
        int r;

        if (v->token) {
                request.target_case = CHATROOM__V1__UNREVOKE_REQUEST__TARGET_TOKEN_ID;
                request.token_id = (char *) v->token;
        } else {
                request.target_case = CHATROOM__V1__UNREVOKE_REQUEST__TARGET_USER;
                request.user = v->operands[0];
        }
        r = control_call(v, ADMIN("Unrevoke"), &request.base,
                         &chatroom__v1__unrevoke_response__descriptor, &answer);
        if (r != 0)
                return r;
        if (v->json)
                return json_show_message(answer);
        done = (const Chatroom__V1__UnrevokeResponse *) answer;
        return say_tokens(v, "Unrevoked", done->token_ids, done->n_token_ids);
}
