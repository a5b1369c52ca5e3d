/* SPDX-License-Identifier: MIT */
/* What happens to tokens at run time, and what remains of it under another configuration. */
#include <string.h>

#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

#define NOW INT64_C(1700000000000)

static TokenTable *new_table(void) {
        TokenTable *t = NULL;

        assert_int_equal(token_table_new(&t), 0);
        return t;
}

static int apply(TokenTable *t, TokenChangeKind kind, const char *secret, const char *name) {
        TokenChange change = change_of(kind, secret, name);

        return token_table_apply(t, &change);
}

static void configure(TokenTable *t, const char *secret, const char *name) {
        Token token = token_of(secret, name);

        assert_int_equal(token_table_add(t, &token.hash, name ? &token.name : NULL), 0);
}

static TokenTable *configured(const TokenTable *old, const TokenTable *configuration) {
        TokenTable *t = NULL;

        assert_int_equal(token_table_configure(&t, old, configuration), 0);
        return t;
}

static bool is_good(const TokenTable *t, const char *secret) {
        const Token *token = find_secret(t, secret);

        return token && token_is_good(token, NOW);
}

static bool binds(const TokenTable *t, const char *name) {
        Token token = token_of("", name);

        return token_table_binds(t, &token.name);
}

static void secrets_are_long_printable_and_never_the_same(void **state) {
        char one[TOKEN_SECRET_MAX + 1], other[TOKEN_SECRET_MAX + 1];

        for (int i = 0; i < 1000; i++) {
                assert_int_equal(token_secret_new(one), 0);
                assert_int_equal(token_secret_new(other), 0);
                assert_int_equal(strlen(one), TOKEN_SECRET_MAX);
                assert_int_equal(strncmp(one, "crt_", 4), 0);
                assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "0123456789-_"),
                                 TOKEN_SECRET_MAX);
                assert_string_not_equal(one, other);
        }
}

static void a_token_that_was_made_lets_in_and_binds_its_name(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        assert_int_equal(apply(t, TOKEN_ADD, "a", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_ADD, "a", "alice"), TOKEN_E_EXISTS);
        assert_int_equal(apply(t, TOKEN_ADD, "any", NULL), 0);
        assert_true(is_good(t, "a"));
        assert_true(is_good(t, "any"));
        assert_true(binds(t, "ALICE"));
        assert_true(find_secret(t, "a")->stored);
        assert_false(find_secret(t, "a")->configured);
}

static void a_revoked_token_lets_nobody_in_but_keeps_its_name(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        configure(t, "a", "alice");
        assert_int_equal(apply(t, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_RETIRE, "a", "alice"), TOKEN_E_EXISTS);
        assert_false(is_good(t, "a"));
        assert_true(binds(t, "alice"));
        assert_int_equal(apply(t, TOKEN_ADD, "later", "alice"), 0);
        assert_true(is_good(t, "later"));
        assert_int_equal(apply(t, TOKEN_UNREVOKE, "a", NULL), 0);
        assert_true(is_good(t, "a"));
        assert_int_equal(apply(t, TOKEN_RETIRE, "a", "alice"), 0);
        assert_false(is_good(t, "a"));
}

static void a_token_expires(void **state) {
        TokenChange change = change_of(TOKEN_ADD, "a", "alice");
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        const Token *token;

        change.token.expires_ms = NOW;
        assert_int_equal(token_table_apply(t, &change), 0);
        assert_int_equal(apply(t, TOKEN_ADD, "for ever", "alice"), 0);
        token = find_secret(t, "a");
        assert_true(token_is_good(token, NOW - 1));
        assert_false(token_is_good(token, NOW));
        assert_true(token_is_good(find_secret(t, "for ever"), INT64_MAX));
        assert_int_equal(token_table_next_expiry(t, NOW - 1), NOW);
        assert_int_equal(token_table_next_expiry(t, NOW), 0);
        assert_int_equal(apply(t, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(token_table_next_expiry(t, NOW - 1), 0);
}

static void the_next_to_expire_is_the_first(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();
        const int after[] = {30, 10, 20};

        for (int i = 0; i < 3; i++) {
                char secret[] = {(char) ('a' + i), '\0'};
                TokenChange change = change_of(TOKEN_ADD, secret, NULL);

                change.token.expires_ms = NOW + after[i];
                assert_int_equal(token_table_apply(t, &change), 0);
        }
        assert_int_equal(token_table_next_expiry(t, NOW), NOW + 10);
        assert_int_equal(token_table_next_expiry(t, NOW + 10), NOW + 20);
        assert_int_equal(token_table_next_expiry(t, NOW + 20), NOW + 30);
}

static void a_removed_token_is_forgotten_with_its_name(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        assert_int_equal(apply(t, TOKEN_ADD, "a", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_ADD, "b", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_ADD, "c", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_REMOVE, "a", NULL), 0);
        assert_null(find_secret(t, "a"));
        assert_true(binds(t, "alice")); /* by the other two */
        assert_int_equal(apply(t, TOKEN_REMOVE, "b", NULL), 0);
        assert_true(binds(t, "alice"));
        assert_int_equal(apply(t, TOKEN_REMOVE, "c", NULL), 0);
        assert_false(binds(t, "alice"));
        assert_int_equal(apply(t, TOKEN_REMOVE, "c", NULL), 0);
        assert_int_equal(token_table_size(t), 0);
        assert_int_equal(apply(t, TOKEN_ADD, "a", "alice"), 0); /* and nothing of the old one */
        assert_true(is_good(t, "a"));
}

static void a_token_is_found_by_its_id(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        configure(t, "abc", "alice");
        assert_ptr_equal(token_table_find_id(t, "ba7816bf8f01"), find_secret(t, "abc"));
        assert_null(token_table_find_id(t, "ba7816bf8f02"));
        assert_null(token_table_find_id(t, "ba7816bf8f0"));
}

/* ---- another configuration */

static void a_new_configuration_replaces_the_old_ones_tokens_alone(void **state) {
        _cleanup_(token_table_freep) TokenTable *ini = new_table(), *next = new_table(), *t = NULL,
                                                *later = NULL;

        configure(ini, "old", "alice");
        configure(ini, "kept", "bob");
        configure(next, "kept", "bob");
        configure(next, "new", NULL);
        t = configured(ini, ini);
        assert_int_equal(apply(t, TOKEN_ADD, "made", "carol"), 0);
        token_table_use(t, &find_secret(t, "kept")->hash, NOW);
        later = configured(t, next);
        assert_null(find_secret(later, "old"));
        assert_false(binds(later, "alice"));
        assert_true(is_good(later, "kept"));
        assert_int_equal(find_secret(later, "kept")->last_used_ms, NOW);
        assert_true(find_secret(later, "new")->any_name);
        assert_true(is_good(later, "made"));
        assert_true(binds(later, "carol"));
        assert_int_equal(token_table_size(later), 3);
}

static void a_revocation_outlives_every_configuration(void **state) {
        _cleanup_(token_table_freep) TokenTable *ini = new_table(), *empty = new_table(), *t = NULL,
                                                *without = NULL, *again = NULL;

        configure(ini, "a", "alice");
        t = configured(empty, ini);
        assert_int_equal(apply(t, TOKEN_REVOKE, "a", "alice"), 0);
        without = configured(t, empty);
        assert_false(is_good(without, "a"));
        assert_false(binds(without, "alice")); /* nothing but the revocation is left of it */
        assert_string_equal(find_secret(without, "a")->name.text, "alice");
        again = configured(without, ini);
        assert_false(is_good(again, "a"));
        assert_true(find_secret(again, "a")->configured);
        assert_int_equal(apply(again, TOKEN_UNREVOKE, "a", NULL), 0);
        assert_true(is_good(again, "a"));
        assert_int_equal(apply(without, TOKEN_UNREVOKE, "a", NULL), 0);
        assert_int_equal(token_table_size(without), 0);
}

static void a_revocation_may_come_before_its_token(void **state) {
        _cleanup_(token_table_freep) TokenTable *t = new_table();

        assert_int_equal(apply(t, TOKEN_REVOKE, "a", "alice"), 0);
        assert_int_equal(apply(t, TOKEN_ADD, "a", "alice"), 0);
        assert_false(is_good(t, "a"));
        assert_true(binds(t, "alice"));
}

static void a_made_token_that_the_configuration_lists_too_stays_when_it_does_not(void **state) {
        _cleanup_(token_table_freep) TokenTable *ini = new_table(), *empty = new_table(),
                                                *t = new_table(), *both = NULL, *after = NULL;

        configure(ini, "a", "mallory");
        assert_int_equal(apply(t, TOKEN_ADD, "a", "alice"), 0);
        both = configured(t, ini);
        assert_string_equal(find_secret(both, "a")->name.text, "alice");
        assert_true(find_secret(both, "a")->configured);
        assert_false(binds(both, "mallory"));
        after = configured(both, empty);
        assert_true(is_good(after, "a"));
        assert_false(find_secret(after, "a")->configured);
}

static void uses_of_tokens_that_are_gone_are_forgotten(void **state) {
        TokenChange use = change_of(TOKEN_USE, "a", NULL);
        _cleanup_(token_table_freep) TokenTable *ini = new_table(), *empty = new_table(),
                                                *t = new_table(), *with = NULL, *without = NULL;

        use.token.last_used_ms = NOW;
        assert_int_equal(token_table_apply(t, &use), 0);
        configure(ini, "a", "alice");
        with = configured(t, ini);
        assert_int_equal(find_secret(with, "a")->last_used_ms, NOW);
        assert_false(find_secret(with, "a")->any_name);
        without = configured(t, empty);
        assert_int_equal(token_table_size(without), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(secrets_are_long_printable_and_never_the_same),
                cmocka_unit_test(a_token_that_was_made_lets_in_and_binds_its_name),
                cmocka_unit_test(a_revoked_token_lets_nobody_in_but_keeps_its_name),
                cmocka_unit_test(a_token_expires),
                cmocka_unit_test(the_next_to_expire_is_the_first),
                cmocka_unit_test(a_removed_token_is_forgotten_with_its_name),
                cmocka_unit_test(a_token_is_found_by_its_id),
                cmocka_unit_test(a_new_configuration_replaces_the_old_ones_tokens_alone),
                cmocka_unit_test(a_revocation_outlives_every_configuration),
                cmocka_unit_test(a_revocation_may_come_before_its_token),
                cmocka_unit_test(
                        a_made_token_that_the_configuration_lists_too_stays_when_it_does_not),
                cmocka_unit_test(uses_of_tokens_that_are_gone_are_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
