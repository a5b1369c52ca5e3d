/* SPDX-License-Identifier: MIT */
/* What tests of tokens have in common. */
#include "tests/unit/tokens.h"

#include <string.h>

#include "tests/unit/test.h"

Token token_of(const char *secret, const char *name) {
        TokenHash hash;
        Token token;
        Name parsed;

        assert_int_equal(token_hash_secret(&hash, secret, strlen(secret)), 0);
        if (name)
                assert_int_equal(name_parse(&parsed, name, strlen(name)), 0);
        token_init(&token, &hash, name ? &parsed : NULL);
        return token;
}

TokenChange change_of(TokenChangeKind kind, const char *secret, const char *name) {
        return (TokenChange){kind, token_of(secret, name)};
}

const Token *find_secret(const TokenTable *t, const char *secret) {
        Token token = token_of(secret, NULL);

        return token_table_find(t, &token.hash);
}
