/* SPDX-License-Identifier: MIT */
/*
 * Tokens: the secrets that let somebody join. A secret is never kept, only its SHA-256; whoever has
 * a token is found by that hash, whatever name he gives. A token admits one name, or ("*") any free
 * name that no token is bound to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"
#include "service/name.h"

#define TOKEN_HASH_BYTES 32
#define TOKEN_ID_CHARS 12

typedef struct TokenHash {
        uint8_t bytes[TOKEN_HASH_BYTES];
} TokenHash;

typedef struct Token {
        TokenHash hash;
        char id[TOKEN_ID_CHARS + 1]; /* the first 12 hex digits of the hash: safe to show and log */
        bool any_name;               /* a `*` token */
        Name name;                   /* unless any_name */
} Token;

typedef struct TokenTable TokenTable;

enum {
        TOKEN_E_EXISTS = 1, /* the same secret is in the table already */
        TOKEN_E_HEX,        /* not 64 hex digits */
};

int token_hash_secret(TokenHash *ret, const void *secret, size_t n);
/* Outcome: TOKEN_E_HEX. */
int token_hash_parse(TokenHash *ret, const char *hex);
void token_hash_format(const TokenHash *hash, char ret[static TOKEN_HASH_BYTES * 2 + 1]);

int token_table_new(TokenTable **ret);
TokenTable *token_table_free(TokenTable *t);
DEFINE_CLEANUP(TokenTable *, token_table_free);

/* name NULL makes a `*` token. Outcome: TOKEN_E_EXISTS. */
int token_table_add(TokenTable *t, const TokenHash *hash, const Name *name);

/* Compares in constant time. NULL when there is none; owned by the table. */
const Token *token_table_find(const TokenTable *t, const TokenHash *hash);

/* Is there a token that admits this name and no other? */
bool token_table_binds(const TokenTable *t, const Name *name);

size_t token_table_size(const TokenTable *t);

/* In no particular order; stops at, and returns, the first non-zero that fn returns. */
int token_table_foreach(const TokenTable *t, int (*fn)(const Token *token, void *userdata),
                        void *userdata);
