/* SPDX-License-Identifier: MIT */
/*
 * Tokens: the secrets that let somebody join. A secret is never kept, only its SHA-256; whoever has
 * a token is found by that hash, whatever name he gives. A token admits one name, or ("*") any free
 * name that no token is bound to.
 *
 * A table is what the configuration lists together with what was made and revoked at run time. A
 * token that was revoked or has expired is still in it, and its name still bound: whoever loses his
 * token does not lose his name to the next one who comes along.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"
#include "service/name.h"

#define TOKEN_HASH_BYTES 32
#define TOKEN_ID_CHARS 12
#define TOKEN_LABEL_MAX 64  /* bytes */
#define TOKEN_SECRET_MAX 47 /* "crt_" and 256 bits in base64url */

typedef struct TokenHash {
        uint8_t bytes[TOKEN_HASH_BYTES];
} TokenHash;

typedef struct Token {
        TokenHash hash;
        char id[TOKEN_ID_CHARS + 1]; /* the first 12 hex digits of the hash: safe to show and log */
        bool any_name;               /* a `*` token */
        Name name;                   /* unless any_name */
        char label[TOKEN_LABEL_MAX + 1];
        int64_t created_ms, expires_ms, last_used_ms; /* Unix; 0: not known, never */

        bool configured; /* it stands in the configuration */
        bool stored;     /* it was made at run time */
        bool revoked;    /* it admits nobody, wherever it stands */
        bool unwritten;  /* that it is revoked is not on the disk yet */
} Token;

/* What can happen to a table at run time, and is kept: the same in memory and in a file. */
typedef enum TokenChangeKind {
        TOKEN_ADD,    /* the whole token; stored */
        TOKEN_REMOVE, /* whatever is known about the hash */
        TOKEN_REVOKE, /* the hash, whether or not there is a token; its name is kept for lists */
        TOKEN_RETIRE, /* the same, but TOKEN_E_EXISTS if it is revoked already */
        TOKEN_UNREVOKE,
        TOKEN_USE, /* last_used_ms */
} TokenChangeKind;

typedef struct TokenChange {
        TokenChangeKind kind;
        Token token;
} TokenChange;

typedef struct TokenTable TokenTable;

enum {
        TOKEN_E_EXISTS = 1, /* the same secret is in the table already */
        TOKEN_E_HEX,        /* not 64 hex digits */
};

int token_hash_secret(TokenHash *ret, const void *secret, size_t n);
/* Outcome: TOKEN_E_HEX. */
int token_hash_parse(TokenHash *ret, const char *hex);
void token_hash_format(const TokenHash *hash, char ret[static TOKEN_HASH_BYTES * 2 + 1]);

/* A new secret, for people: TOKEN_SECRET_MAX printable characters and a NUL. */
int token_secret_new(char ret[static TOKEN_SECRET_MAX + 1]);

/* name NULL: a `*` token. */
void token_init(Token *ret, const TokenHash *hash, const Name *name);
/* Neither revoked nor expired. */
bool token_is_good(const Token *token, int64_t now_ms);

int token_table_new(TokenTable **ret);
TokenTable *token_table_free(TokenTable *t);
DEFINE_CLEANUP(TokenTable *, token_table_free);
/* A line of the configuration. name NULL makes a `*` token. Outcome: TOKEN_E_EXISTS. */
int token_table_add(TokenTable *t, const TokenHash *hash, const Name *name);

/* Outcome: TOKEN_E_EXISTS, of TOKEN_ADD and TOKEN_RETIRE. Only what adds can be out of memory. */
int token_table_apply(TokenTable *t, const TokenChange *change);
/* A table of what happened to `old` at run time, and of another configuration's tokens. */
int token_table_configure(TokenTable **ret, const TokenTable *old, const TokenTable *configured);

/* Good or not. Compares in constant time. NULL when there is none; owned by the table. */
const Token *token_table_find(const TokenTable *t, const TokenHash *hash);
const Token *token_table_find_id(const TokenTable *t, const char *id);
void token_table_set_unwritten(TokenTable *t, const TokenHash *hash, bool unwritten);
void token_table_use(TokenTable *t, const TokenHash *hash, int64_t now_ms);
/* When the next token expires; 0: none will. */
int64_t token_table_next_expiry(const TokenTable *t, int64_t now_ms);

/* Is there a token that admits this name and no other? */
bool token_table_binds(const TokenTable *t, const Name *name);
size_t token_table_size(const TokenTable *t);

/* In no particular order; stops at, and returns, the first non-zero that fn returns. */
int token_table_foreach(const TokenTable *t, int (*fn)(const Token *token, void *userdata),
                        void *userdata);
