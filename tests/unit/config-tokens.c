/* SPDX-License-Identifier: MIT */
/* The section [tokens] of the configuration: who is let in, and that errors keep secrets. */
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/configs.h"
#include "tests/unit/test.h"

#define ABC_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const Token *find(const Config *c, const char *secret) {
        TokenHash hash;

        assert_int_equal(token_hash_secret(&hash, secret, strlen(secret)), 0);
        return token_table_find(c->tokens, &hash);
}

static void tokens_are_hashes_or_plain(void **state) {
        _cleanup_(config_freep) Config *c =
                load_config_text(state, "[tokens]\nalice = sha256:" ABC_HEX "\nalice = second=;#:\n"
                                        "* = token1\nZoë=x\n");

        assert_int_equal(token_table_size(c->tokens), 4);
        assert_int_equal(c->n_plain_tokens, 3);
        assert_string_equal(find(c, "abc")->name.text, "alice");
        assert_string_equal(find(c, "second=;#:")->name.text, "alice");
        assert_true(find(c, "token1")->any_name);
        assert_string_equal(find(c, "x")->name.text, "Zoë");
        assert_null(find(c, "sha256:" ABC_HEX));
}

static void drop_ins_add_tokens(void **state) {
        _cleanup_(config_freep) Config *c = NULL;

        files_write(*state, "x.ini.d/a.ini", "[tokens]\nbob = b\n");
        c = load_config_text(state, "[tokens]\nalice = a\n");
        assert_non_null(find(c, "a"));
        assert_non_null(find(c, "b"));
}

static void the_same_secret_twice_is_refused_by_its_id(void **state) {
        assert_text_refused(state, "[tokens]\nalice = abc\nbob = sha256:" ABC_HEX "\n",
                            "x.ini:3: bob: the token ba7816bf8f01 ", "one name");
        files_write(*state, "x.ini.d/a.ini", "[tokens]\nbob = abc\n");
        assert_text_refused(state, "[tokens]\nalice = abc\n",
                            "a.ini:2: bob: the token ba7816bf8f01 ", "one name");
}

static void bad_names_and_tokens_are_refused(void **state) {
        assert_text_refused(state, "[tokens]\nroot = x\n",
                            "x.ini:2:", "The name is reserved, as are ");
        assert_text_refused(state, "[tokens]\n@a = x\n", "x.ini:2:", "The name must start");
        assert_text_refused(state, "[tokens]\na b = x\n", "x.ini:2: \"a b\": ", "white space");
        assert_text_refused(state, "[tokens]\na =\n", "x.ini:2: a: ", "the token is missing");
        assert_text_refused(state, "[tokens]\na = \"x\"\n", "x.ini:2:", "quotes");
        assert_text_refused(state, "[tokens]\na = sha256:abc\n",
                            "x.ini:2:", "64 hexadecimal digits");
        assert_text_refused(state, "[tokens]\na = SHA256:abc\n",
                            "x.ini:2:", "64 hexadecimal digits");
        assert_text_refused(state, "[tokens]\na = sha256: " ABC_HEX "\n", "x.ini:2:", "a blank");
}

static void an_error_never_tells_a_token(void **state) {
        const char *texts[] = {"[tokens]\nalice = hunter2 x\n",
                               "[tokens]\nhunter2\n",
                               "[tokens]\nhunter2-hunter2-hunter2-hunter2-hunter2 = alice\n",
                               "[tokens]\na = 'hunter2'\n",
                               "[tokens]\nalice = hunter2\nbob = hunter2\n",
                               "[tokens]\na = sha256:hunter2\n"};
        ConfigError error;
        Config *c;

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                const char *path = files_write(*state, "x.ini", texts[i]);

                assert_int_equal(config_load(&c, path, &error), CONFIG_E_INVALID);
                if (strstr(error.text, "hunter2"))
                        fail_msg("the error tells: %s", error.text);
        }
}

static void a_world_readable_file_may_hold_hashes_only(void **state) {
        const char *path = files_write(*state, "x.ini", "[tokens]\n\nalice = abc\n");

        assert_int_equal(chmod(path, 0644), 0);
        assert_config_refused(path, "x.ini:3:", "everybody can read this file");
        path = files_write(*state, "x.ini", "[tokens]\nalice = sha256:" ABC_HEX "\n");
        assert_int_equal(chmod(path, 0644), 0);
        config_free(load_config(path));
}

static void a_world_readable_drop_in_may_hold_hashes_only(void **state) {
        const char *path = files_write(*state, "x.ini.d/a.ini", "[tokens]\nalice = abc\n");

        assert_int_equal(chmod(path, 0604), 0);
        assert_text_refused(state, "", "a.ini:2:", "everybody can read this file");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(tokens_are_hashes_or_plain),
                WITH_FILES(drop_ins_add_tokens),
                WITH_FILES(the_same_secret_twice_is_refused_by_its_id),
                WITH_FILES(bad_names_and_tokens_are_refused),
                WITH_FILES(an_error_never_tells_a_token),
                WITH_FILES(a_world_readable_file_may_hold_hashes_only),
                WITH_FILES(a_world_readable_drop_in_may_hold_hashes_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
