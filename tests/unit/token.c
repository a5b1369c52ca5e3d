/* SPDX-License-Identifier: MIT */
/* Tokens: hashes in and out, and the table that finds them. */
#include "service/token.h"

#include <string.h>

#include "tests/unit/test.h"

#define ABC_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static Name name_of(const char *text) {
        Name name;

        assert_int_equal(name_parse(&name, text, strlen(text)), 0);
        return name;
}

static TokenHash hash_of(const char *secret) {
        TokenHash hash;

        assert_int_equal(token_hash_secret(&hash, secret, strlen(secret)), 0);
        return hash;
}

static int add(TokenTable *t, const char *secret, const char *name) {
        TokenHash hash = hash_of(secret);
        Name parsed;

        if (name)
                parsed = name_of(name);
        return token_table_add(t, &hash, name ? &parsed : NULL);
}

static const Token *find(const TokenTable *t, const char *secret) {
        TokenHash hash = hash_of(secret);

        return token_table_find(t, &hash);
}

static bool binds(const TokenTable *t, const char *name) {
        Name parsed = name_of(name);

        return token_table_binds(t, &parsed);
}

static TokenTable *new_table(void) {
        TokenTable *t;

        assert_int_equal(token_table_new(&t), 0);
        return t;
}

static void a_secret_is_known_by_its_sha256(void **state) {
        char hex[TOKEN_HASH_BYTES * 2 + 1];
        TokenHash hash = hash_of("abc");

        token_hash_format(&hash, hex);
        assert_string_equal(hex, ABC_HEX);
}

static void hashes_are_read_in_either_case(void **state) {
        TokenHash expected = hash_of("abc"), hash;
        char upper[] = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";

        assert_int_equal(token_hash_parse(&hash, ABC_HEX), 0);
        assert_memory_equal(&hash, &expected, sizeof(hash));
        assert_int_equal(token_hash_parse(&hash, upper), 0);
        assert_memory_equal(&hash, &expected, sizeof(hash));
}

static void whatever_is_not_64_hex_digits_is_refused(void **state) {
        char text[] = ABC_HEX;
        TokenHash hash;

        assert_int_equal(token_hash_parse(&hash, ""), TOKEN_E_HEX);
        assert_int_equal(token_hash_parse(&hash, ABC_HEX "0"), TOKEN_E_HEX);
        assert_int_equal(token_hash_parse(&hash, &ABC_HEX[1]), TOKEN_E_HEX);
        for (size_t i = 0; i < 64; i++) {
                char kept = text[i];

                text[i] = 'g';
                assert_int_equal(token_hash_parse(&hash, text), TOKEN_E_HEX);
                text[i] = kept;
        }
        assert_int_equal(token_hash_parse(&hash, text), 0);
}

static void a_token_is_found_by_its_secret_alone(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        const Token *token;

        assert_int_equal(add(t, "abc", "Alice"), 0);
        assert_int_equal(add(t, "token1", NULL), 0);
        token = find(t, "abc");
        assert_non_null(token);
        assert_string_equal(token->id, "ba7816bf8f01");
        assert_false(token->any_name);
        assert_string_equal(token->name.text, "Alice");
        token = find(t, "token1");
        assert_non_null(token);
        assert_true(token->any_name);
        assert_null(find(t, "abd"));
        assert_null(find(t, ""));
}

static void one_bit_makes_another_token(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        TokenHash hash = hash_of("abc");

        assert_int_equal(add(t, "abc", NULL), 0);
        for (size_t bit = 0; bit < TOKEN_HASH_BYTES * 8; bit++) {
                hash.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_null(token_table_find(t, &hash));
                hash.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        assert_non_null(token_table_find(t, &hash));
}

static void the_same_secret_twice_is_refused(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        assert_int_equal(add(t, "abc", "alice"), 0);
        assert_int_equal(add(t, "abc", "alice"), TOKEN_E_EXISTS);
        assert_int_equal(add(t, "abc", "bob"), TOKEN_E_EXISTS);
        assert_int_equal(add(t, "abc", NULL), TOKEN_E_EXISTS);
        assert_int_equal(token_table_size(t), 1);
        assert_false(binds(t, "bob"));
}

static void a_name_is_bound_by_a_token_of_its_own_in_any_spelling(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        assert_int_equal(add(t, "token1", NULL), 0);
        assert_false(binds(t, "alice"));
        assert_int_equal(add(t, "a1", "alice"), 0);
        assert_int_equal(add(t, "a2", "ALICE"), 0);
        assert_true(binds(t, "alice"));
        assert_true(binds(t, "Alice"));
        assert_false(binds(t, "bob"));
        assert_string_equal(find(t, "a1")->name.text, "alice");
        assert_string_equal(find(t, "a2")->name.text, "ALICE");
}

static int count(const Token *token, void *userdata) {
        (*(unsigned *) userdata)++;
        return 0;
}

static int stop_at_third(const Token *token, void *userdata) {
        return ++*(unsigned *) userdata == 3 ? 42 : 0;
}

static void foreach_sees_each_token_once_and_can_be_stopped(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        unsigned n = 0;
        char secret[16];

        for (unsigned i = 0; i < 100; i++) {
                snprintf(secret, sizeof(secret), "secret%u", i);
                assert_int_equal(add(t, secret, i % 2 ? "alice" : NULL), 0);
        }
        assert_int_equal(token_table_size(t), 100);
        assert_int_equal(token_table_foreach(t, count, &n), 0);
        assert_int_equal(n, 100);
        n = 0;
        assert_int_equal(token_table_foreach(t, stop_at_third, &n), 42);
        assert_int_equal(n, 3);
}

static void an_empty_table_has_nothing(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        unsigned n = 0;

        assert_int_equal(token_table_size(t), 0);
        assert_null(find(t, "abc"));
        assert_false(binds(t, "alice"));
        assert_int_equal(token_table_foreach(t, count, &n), 0);
        assert_int_equal(n, 0);
        assert_null(token_table_free(NULL));
}

static void thousands_of_tokens_are_all_found(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        char secret[16], name[16];

        for (unsigned i = 0; i < 5000; i++) {
                snprintf(secret, sizeof(secret), "secret%u", i);
                snprintf(name, sizeof(name), "user%u", i);
                assert_int_equal(add(t, secret, name), 0);
        }
        for (unsigned i = 0; i < 5000; i++) {
                snprintf(secret, sizeof(secret), "secret%u", i);
                snprintf(name, sizeof(name), "user%u", i);
                assert_string_equal(find(t, secret)->name.text, name);
                assert_true(binds(t, name));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_secret_is_known_by_its_sha256),
                cmocka_unit_test(hashes_are_read_in_either_case),
                cmocka_unit_test(whatever_is_not_64_hex_digits_is_refused),
                cmocka_unit_test(a_token_is_found_by_its_secret_alone),
                cmocka_unit_test(one_bit_makes_another_token),
                cmocka_unit_test(the_same_secret_twice_is_refused),
                cmocka_unit_test(a_name_is_bound_by_a_token_of_its_own_in_any_spelling),
                cmocka_unit_test(foreach_sees_each_token_once_and_can_be_stopped),
                cmocka_unit_test(an_empty_table_has_nothing),
                cmocka_unit_test(thousands_of_tokens_are_all_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
