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
#include <sys/random.h>

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

/* Three bytes at a time, no padding: 32 bytes make 43 characters. */
static void base64url(const uint8_t *bytes, size_t n, char *ret) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        uint32_t bits = 0;
        unsigned have = 0;

        for (size_t i = 0; i < n; i++) {
                bits = bits << 8 | bytes[i];
                for (have += 8; have >= 6; have -= 6)
                        *ret++ = digits[bits >> (have - 6) & 63];
        }
        if (have > 0)
                *ret++ = digits[bits << (6 - have) & 63];
        *ret = '\0';
}

int token_secret_new(char ret[static TOKEN_SECRET_MAX + 1]) {
        static const char prefix[] = "crt_";
        uint8_t random[TOKEN_HASH_BYTES];

        if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -EIO;
        memcpy(ret, prefix, sizeof(prefix));
        base64url(random, sizeof(random), ret + strlen(prefix));
        explicit_bzero(random, sizeof(random));
        return 0;
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

void token_init(Token *ret, const TokenHash *hash, const Name *name) {
        char hex[TOKEN_HASH_BYTES * 2 + 1];

        *ret = (Token){.hash = *hash, .any_name = !name};
        token_hash_format(hash, hex);
        memcpy(ret->id, hex, TOKEN_ID_CHARS);
        if (name)
                ret->name = *name;
}

bool token_is_good(const Token *token, int64_t now_ms) {
        return !token->revoked && (token->expires_ms == 0 || now_ms < token->expires_ms);
}

static int add_hash(TokenTable *t, Entry *entry) {
        HASH_ADD_KEYPTR(hh, t->entries, entry->token.hash.bytes, TOKEN_HASH_BYTES, entry);
        return entry->not_added ? -ENOMEM : 0;
}

static bool binds(const Token *token) {
        return !token->any_name && (token->configured || token->stored);
}

static int add_name(TokenTable *t, Entry *entry) {
        const char *key = entry->token.name.key;

        if (!binds(&entry->token) || find_name(t, &entry->token.name))
                return 0;
        HASH_ADD_KEYPTR(by_name, t->names, key, strlen(key), entry);
        return entry->not_added ? -ENOMEM : 0;
}

/* Its hash is not in the table. */
static int insert(TokenTable *t, const Token *token) {
        _cleanup_(freep) Entry *entry = calloc(1, sizeof(*entry));
        int r;

        if (!entry)
                return -ENOMEM;
        entry->token = *token;
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

/* The name may have other tokens: one of them takes this one's place in the index. */
static void drop(TokenTable *t, Entry *entry) {
        Entry *other;

        HASH_DEL(t->entries, entry);
        if (binds(&entry->token) && find_name(t, &entry->token.name) == entry) {
                HASH_DELETE(by_name, t->names, entry);
                for (other = t->entries; other; other = other->hh.next)
                        if (binds(&other->token) &&
                            name_equal(&other->token.name, &entry->token.name) &&
                            add_name(t, other) == 0)
                                break;
        }
        free(entry);
}

int token_table_add(TokenTable *t, const TokenHash *hash, const Name *name) {
        Token token;

        if (find_hash(t, hash))
                return TOKEN_E_EXISTS;
        token_init(&token, hash, name);
        token.configured = true;
        return insert(t, &token);
}

/* ---- at run time */

/* The entry of the change's token; if there is none, one that says nothing but its name. */
static int get_entry(TokenTable *t, const Token *token, Entry **ret) {
        Token bare;

        *ret = find_hash(t, &token->hash);
        if (*ret)
                return 0;
        token_init(&bare, &token->hash, token->any_name ? NULL : &token->name);
        if (insert(t, &bare) != 0)
                return -ENOMEM;
        *ret = find_hash(t, &token->hash);
        return 0;
}

static int apply_add(TokenTable *t, const Token *token) {
        Entry *entry = find_hash(t, &token->hash);
        Token added = *token;

        if (entry && (entry->token.configured || entry->token.stored))
                return TOKEN_E_EXISTS;
        added.stored = true;
        added.revoked = entry && entry->token.revoked;
        if (entry)
                drop(t, entry);
        return insert(t, &added);
}

static void apply_unrevoke(TokenTable *t, Entry *entry) {
        if (!entry)
                return;
        entry->token.revoked = entry->token.unwritten = false;
        if (!entry->token.configured && !entry->token.stored)
                drop(t, entry);
}

int token_table_apply(TokenTable *t, const TokenChange *change) {
        Entry *entry = find_hash(t, &change->token.hash);
        int r = 0;

        switch (change->kind) {
        case TOKEN_ADD:
                return apply_add(t, &change->token);
        case TOKEN_REMOVE:
                if (entry)
                        drop(t, entry);
                return 0;
        case TOKEN_UNREVOKE:
                apply_unrevoke(t, entry);
                return 0;
        case TOKEN_RETIRE:
                if (entry && entry->token.revoked)
                        return TOKEN_E_EXISTS;
                /* fall through */
        case TOKEN_REVOKE:
                r = get_entry(t, &change->token, &entry);
                if (r == 0)
                        entry->token.revoked = true;
                return r;
        case TOKEN_USE:
                r = get_entry(t, &change->token, &entry);
                if (r == 0)
                        entry->token.last_used_ms = change->token.last_used_ms;
                return r;
        }
        return -EINVAL;
}

/* One token of the configuration, with what is known about it. If it was made here as well, what
 * was made here counts: it has more to say. */
static int insert_configured(TokenTable *t, const TokenTable *old, const Token *configured) {
        const Entry *known = find_hash(old, &configured->hash);
        Token token = known && known->token.stored ? known->token : *configured;

        token.configured = true;
        token.revoked = known && known->token.revoked;
        token.unwritten = known && known->token.unwritten;
        token.last_used_ms = known ? known->token.last_used_ms : 0;
        return insert(t, &token);
}

int token_table_configure(TokenTable **ret, const TokenTable *old, const TokenTable *configured) {
        _cleanup_(token_table_freep) TokenTable *t = NULL;
        const Entry *entry;
        int r;

        r = token_table_new(&t);
        for (entry = configured->entries; r == 0 && entry; entry = entry->hh.next)
                r = insert_configured(t, old, &entry->token);
        for (entry = old->entries; r == 0 && entry; entry = entry->hh.next) {
                Token token = entry->token;

                token.configured = false;
                if ((token.stored || token.revoked) && !find_hash(t, &token.hash))
                        r = insert(t, &token);
        }
        if (r == 0)
                *ret = TAKE_PTR(t);
        return r;
}

void token_table_set_unwritten(TokenTable *t, const TokenHash *hash, bool unwritten) {
        Entry *entry = find_hash(t, hash);

        if (entry)
                entry->token.unwritten = unwritten;
}

void token_table_use(TokenTable *t, const TokenHash *hash, int64_t now_ms) {
        Entry *entry = find_hash(t, hash);

        if (entry)
                entry->token.last_used_ms = now_ms;
}

/* ---- what a table is asked */

const Token *token_table_find(const TokenTable *t, const TokenHash *hash) {
        const Entry *entry = find_hash(t, hash);

        return entry ? &entry->token : NULL;
}

const Token *token_table_find_id(const TokenTable *t, const char *id) {
        for (const Entry *entry = t->entries; entry; entry = entry->hh.next)
                if (strcmp(entry->token.id, id) == 0)
                        return &entry->token;
        return NULL;
}

int64_t token_table_next_expiry(const TokenTable *t, int64_t now_ms) {
        int64_t next = 0;

        for (const Entry *entry = t->entries; entry; entry = entry->hh.next) {
                int64_t at = entry->token.expires_ms;

                if (!entry->token.revoked && at > now_ms && (next == 0 || at < next))
                        next = at;
        }
        return next;
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
