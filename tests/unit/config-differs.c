/* SPDX-License-Identifier: MIT */
/* What is another value and what is only another spelling. */
#include <string.h>

#include "tests/unit/configs.h"
#include "tests/unit/test.h"

/* Exactly those keys, separated by blanks, in the table's order. */
static void assert_differ(void **state, const char *one, const char *other, const char *expected) {
        _cleanup_(config_freep) Config *a = load_config_text(state, one);
        _cleanup_(config_freep) Config *b = load_config_text(state, other);
        char found[512] = "";
        ConfigKey key;

        for (size_t i = 0; config_key(i, &key); i++) {
                assert_int_equal(config_differs(a, b, key.key), config_differs(b, a, key.key));
                if (config_differs(a, b, key.key))
                        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ",
                                 key.key);
        }
        assert_int_equal(config_differs(a, b, "tokens"), config_differs(b, a, "tokens"));
        if (config_differs(a, b, "tokens"))
                strcat(found, "tokens ");
        assert_string_equal(found, expected);
}

static void each_kind_of_value_is_compared(void **state) {
        assert_differ(state, "", "[server]\nlisten = [::]:50052\n", "listen ");
        assert_differ(state, "", "[server]\nlisten = [::]:50051 127.0.0.1:1\n", "listen ");
        assert_differ(state, "", "[server]\nallow = localhost\n", "allow ");
        assert_differ(state, "[server]\nallow = 10.0.0.0/8\n", "[server]\nallow = 10.0.0.0/9\n",
                      "allow ");
        assert_differ(state, "", "[server]\ncontrol = /x\nadmin_group = staff\n",
                      "control admin_group ");
        assert_differ(state, "", "[server]\nworkers = 1\nreflection = no\n", "workers reflection ");
        assert_differ(state, "", "[limits]\nmax_text = 16\n[history]\nsync = full\n",
                      "max_text sync ");
}

static void another_spelling_is_no_difference(void **state) {
        assert_differ(state, "", "", "");
        assert_differ(state, "",
                      "[server]\nlisten = [0::0]:50051\n"
                      "allow = 127.0.0.0/8 ::1\nallow = 100.64.0.0/10 fd7a:115c:a1e0::/48\n"
                      "[limits]\nmax_text = 4096\n",
                      "");
        assert_differ(state, "[tokens]\na = 1\n* = abc\n",
                      "[tokens]\n* = sha256:ba7816bf8f01cfea414140de5dae2223"
                      "b00361a396177a9cb410ff61f20015ad\na = 1\n",
                      "");
}

static void tokens_differ_by_what_they_admit(void **state) {
        assert_differ(state, "[tokens]\na = 1\n", "", "tokens ");
        assert_differ(state, "[tokens]\na = 1\n", "[tokens]\na = 2\n", "tokens ");
        assert_differ(state, "[tokens]\na = 1\n", "[tokens]\nb = 1\n", "tokens ");
        assert_differ(state, "[tokens]\na = 1\n", "[tokens]\n* = 1\n", "tokens ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(each_kind_of_value_is_compared),
                WITH_FILES(another_spelling_is_no_difference),
                WITH_FILES(tokens_differ_by_what_they_admit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
