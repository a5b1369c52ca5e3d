/* SPDX-License-Identifier: MIT */
/*
 * The table of tokens: one list of entries, found by hash and, if they are bound, by name. Both
 * look-ups take the same time however many tokens there are. Hashes are compared in constant time;
 * which bucket is looked at says no more about a secret than its SHA-256 does.
 *
 * Out of memory is an error like any other here, not uthash's exit(): whatever was half added is
 * taken out again.
 */
#include "service/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "proto/base.h"

#define HASH_KEYCMP(a, b, n) CRYPTO_memcmp(a, b, n)
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->not_added = true)
#include <uthash.h>

typedef struct Entry {
        Token token;
        bool not_added;
        UT_hash_handle hh;      /* by token.hash */
        UT_hash_handle by_name; /* by token.name.key; the first token of each name only */
} Entry;

struct TokenTable {
        Entry *entries;
        Entry *names;
};

int token_hash_secret(TokenHash *ret, const void *secret, size_t n) {
        TokenHash hash;

        if (EVP_Digest(secret, n, hash.bytes, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        *ret = hash;
        return 0;
}

/* Not isxdigit(): what a token means must not depend on the locale. */
static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

int token_hash_parse(TokenHash *ret, const char *hex) {
        TokenHash hash;

        if (strlen(hex) != TOKEN_HASH_BYTES * 2)
                return TOKEN_E_HEX;
        for (size_t i = 0; i < TOKEN_HASH_BYTES; i++) {
                int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

                if (high < 0 || low < 0)
                        return TOKEN_E_HEX;
                hash.bytes[i] = (uint8_t) (high << 4 | low);
        }
        *ret = hash;
        return 0;
}

void token_hash_format(const TokenHash *hash, char ret[static TOKEN_HASH_BYTES * 2 + 1]) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < TOKEN_HASH_BYTES; i++) {
                ret[2 * i] = digits[hash->bytes[i] >> 4];
                ret[2 * i + 1] = digits[hash->bytes[i] & 0xf];
        }
        ret[TOKEN_HASH_BYTES * 2] = '\0';
}

int token_table_new(TokenTable **ret) {
        TokenTable *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        *ret = t;
        return 0;
}

TokenTable *token_table_free(TokenTable *t) {
        Entry *entry, *next;

        if (!t)
                return NULL;
        HASH_CLEAR(by_name, t->names);
        HASH_ITER (hh, t->entries, entry, next) {
                HASH_DEL(t->entries, entry);
                free(entry);
        }
        free(t);
        return NULL;
}

static Entry *find_hash(const TokenTable *t, const TokenHash *hash) {
        Entry *entry;

        HASH_FIND(hh, t->entries, hash->bytes, TOKEN_HASH_BYTES, entry);
        return entry;
}

static Entry *find_name(const TokenTable *t, const Name *name) {
        Entry *entry;

        HASH_FIND(by_name, t->names, name->key, strlen(name->key), entry);
        return entry;
}

static int entry_new(Entry **ret, const TokenHash *hash, const Name *name) {
        Entry *entry = calloc(1, sizeof(*entry));
        char hex[TOKEN_HASH_BYTES * 2 + 1];

        if (!entry)
                return -ENOMEM;
        token_hash_format(hash, hex);
        memcpy(entry->token.id, hex, TOKEN_ID_CHARS);
        entry->token.hash = *hash;
        entry->token.any_name = !name;
        if (name)
                entry->token.name = *name;
        *ret = entry;
        return 0;
}

static int add_hash(TokenTable *t, Entry *entry) {
        HASH_ADD_KEYPTR(hh, t->entries, entry->token.hash.bytes, TOKEN_HASH_BYTES, entry);
        return entry->not_added ? -ENOMEM : 0;
}

static int add_name(TokenTable *t, Entry *entry) {
        const char *key = entry->token.name.key;

        if (entry->token.any_name || find_name(t, &entry->token.name))
                return 0;
        HASH_ADD_KEYPTR(by_name, t->names, key, strlen(key), entry);
        return entry->not_added ? -ENOMEM : 0;
}

int token_table_add(TokenTable *t, const TokenHash *hash, const Name *name) {
        _cleanup_(freep) Entry *entry = NULL;
        int r;

        if (find_hash(t, hash))
                return TOKEN_E_EXISTS;
        r = entry_new(&entry, hash, name);
        if (r < 0)
                return r;
        r = add_hash(t, entry);
        if (r < 0)
                return r;
        r = add_name(t, entry);
        if (r < 0) {
                HASH_DEL(t->entries, entry);
                return r;
        }
        TAKE_PTR(entry);
        return 0;
}

const Token *token_table_find(const TokenTable *t, const TokenHash *hash) {
        const Entry *entry = find_hash(t, hash);

        return entry ? &entry->token : NULL;
}

bool token_table_binds(const TokenTable *t, const Name *name) {
        return find_name(t, name) != NULL;
}

size_t token_table_size(const TokenTable *t) {
        return HASH_COUNT(t->entries);
}

int token_table_foreach(const TokenTable *t, int (*fn)(const Token *token, void *userdata),
                        void *userdata) {
        Entry *entry, *next;
        int r;

        HASH_ITER (hh, t->entries, entry, next) {
                r = fn(&entry->token, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}
