/* SPDX-License-Identifier: MIT */
/*
 * Who somebody is. Every look at a token that was shown goes through the count of failed logins
 * first, so that an answer is worth nothing to who guesses.
 */
#include <string.h>

#include "service/service.h"
#include "service/stream.h"

static uint64_t now_usec(const Stream *s) {
        return service_now_usec(s->service);
}

static const Limits *limits(const Stream *s) {
        return &s->service->config->limits;
}

const Token *stream_find_token(const Stream *s, const TokenHash *secret) {
        const Token *token = token_table_find(access_tokens(s->service->access), secret);

        return token && token_is_good(token, service_now_ms()) ? token : NULL;
}

static int check_name(Stream *s, const Token *token, const Name *name) {
        if (!token->any_name && !name_equal(&token->name, name))
                return stream_refuse(s, RPC_PERMISSION_DENIED, "The token is for another name.");
        if (token->any_name && token_table_binds(access_tokens(s->service->access), name))
                return stream_refuse(
                        s, RPC_PERMISSION_DENIED,
                        "The name belongs to somebody; it takes the token made for it.");
        return 0;
}

int stream_may_login(Stream *s) {
        uint64_t wait = connection_may_login(s->connection, limits(s), now_usec(s));

        if (wait == 0)
                return 0;
        stream_set_retry(s, wait);
        return stream_refuse(s, RPC_RESOURCE_EXHAUSTED,
                             "Too many failed logins from your address; wait a minute "
                             "(auth_failures_per_minute).");
}

void stream_count_guess(Stream *s) {
        connection_login_failed(s->connection, limits(s), now_usec(s));
}

int stream_identify(Stream *s, const TokenHash *secret, const char *name, size_t n_name,
                    StreamIdentity *ret) {
        StreamIdentity identity;
        int r = stream_may_login(s);

        if (r != 0)
                return r;
        identity.token = secret ? stream_find_token(s, secret) : NULL;
        if (!identity.token) {
                stream_count_guess(s);
                return stream_refuse(s, RPC_UNAUTHENTICATED, STREAM_TOKEN_REFUSED);
        }
        if (n_name == 0 && !identity.token->any_name)
                identity.name = identity.token->name;
        else
                r = name_parse(&identity.name, name, n_name);
        if (r != 0)
                return stream_refuse(s, RPC_INVALID_ARGUMENT, name_strerror(r));
        r = check_name(s, identity.token, &identity.name);
        if (r != 0)
                return r;
        if (!identity.token->any_name)
                identity.name = identity.token->name;
        *ret = identity;
        return 0;
}

bool stream_is_own_token(const Stream *s, const void *text, size_t n) {
        TokenHash hash;

        return token_hash_secret(&hash, text, n) == 0 &&
               memcmp(&hash, &s->session.token, sizeof(hash)) == 0;
}

bool stream_check_token(Stream *s) {
        const Token *token;

        if (s->state == STREAM_ENDING || (s->state == STREAM_OPEN && !s->has_bearer))
                return false;
        token = stream_find_token(s,
                                  s->state == STREAM_JOINED ? &s->session.token : &s->bearer_hash);
        if (!token)
                return stream_refuse(s, RPC_UNAUTHENTICATED, STREAM_TOKEN_REFUSED) != 0;
        return s->state == STREAM_JOINED && check_name(s, token, &s->session.user->name) != 0;
}
