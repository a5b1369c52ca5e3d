/* SPDX-License-Identifier: MIT */
/* The command line against the table of verbs. */
#include "ctl/arguments.h"

#include <string.h>

#include "ctl/verbs.h"
#include "tests/unit/test.h"

#define MOST 16

/* Arguments, separated by |; empty ones too. */
typedef struct Line {
        char text[256];
        char *argv[MOST + 1];
        int argc;
} Line;

static int parse(Invocation *ret, Line *line, const char *text) {
        char *rest = line->text;

        assert_true(strlen(text) < sizeof(line->text));
        strcpy(line->text, text);
        line->argc = 0;
        line->argv[line->argc++] = (char *) "chatctl";
        while (*text && rest) {
                assert_true(line->argc < MOST);
                line->argv[line->argc++] = strsep(&rest, "|");
        }
        line->argv[line->argc] = NULL;
        return arguments_parse(ret, line->argc, line->argv);
}

static Invocation parsed(Line *line, const char *text) {
        Invocation v;

        assert_int_equal(parse(&v, line, text), 0);
        return v;
}

static void each_row_is_found_by_its_own_name(void **state) {
        for (size_t i = 0; i < n_verbs; i++) {
                char name[64];
                char *words[3] = {name, NULL, (char *) "more"};
                int taken, n = 1;

                assert_true(strlen(verbs[i].name) < sizeof(name));
                strcpy(name, verbs[i].name);
                words[1] = strchr(name, ' ');
                if (words[1]) {
                        *words[1]++ = '\0';
                        n = 2;
                }
                assert_ptr_equal(verb_find(words, 3, &taken), &verbs[i]);
                assert_int_equal(taken, n);
                assert_int_equal(verb_is_group(name), n == 2);
        }
}

static void each_row_is_whole(void **state) {
        for (size_t i = 0; i < n_verbs; i++) {
                const Verb *v = &verbs[i];

                assert_non_null(v->run);
                assert_true(strlen(v->help) > 0);
                assert_true(v->min <= v->max);
                assert_int_equal(v->options & OF_EVERY_VERB, 0);
                /* What it takes stands in its usage, and nothing else does. */
                assert_int_equal(v->max > 0, *v->usage && *v->usage != '[');
                for (size_t o = 0; o < OPTION_COUNT; o++) {
                        char text[64];

                        snprintf(text, sizeof(text), "--%s", options[o].name);
                        assert_int_equal(!!(v->options & 1u << o), !!strstr(v->usage, text));
                }
        }
}

static void operands_and_options_come_in_any_order(void **state) {
        static const char *texts[] = {"kick|bob|--reason|be nice", "kick|--reason|be nice|bob",
                                      "--reason|be nice|kick|bob", "kick|--reason=be nice|bob"};

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                Line line = {0};
                Invocation v = parsed(&line, texts[i]);

                assert_string_equal(v.verb->name, "kick");
                assert_int_equal(v.n_operands, 1);
                assert_string_equal(v.operands[0], "bob");
                assert_string_equal(v.reason, "be nice");
        }
}

static void what_is_not_given_has_its_default(void **state) {
        Line line = {0};
        Invocation v = parsed(&line, "users");

        assert_string_equal(v.verb->name, "users");
        assert_int_equal(v.n_operands, 0);
        assert_string_equal(v.socket, "/run/chatroom/control.sock");
        assert_int_equal(v.timeout_ms, 5000);
        assert_false(v.json || v.help || v.version || v.not_durable);
        assert_null(v.reason);
        assert_null(v.token);
        assert_null(v.label);
        assert_int_equal(v.expires_ms, 0);
}

static void every_option_arrives(void **state) {
        Line line = {0};
        Invocation v = parsed(&line, "token|add|*|--label|l|--expires|30d|--json|--socket|/s|"
                                     "--timeout|200ms");

        assert_string_equal(v.verb->name, "token add");
        assert_string_equal(v.operands[0], "*");
        assert_string_equal(v.label, "l");
        assert_int_equal(v.expires_ms, INT64_C(30) * 86400000);
        assert_true(v.json);
        assert_string_equal(v.socket, "/s");
        assert_int_equal(v.timeout_ms, 200);
        v = parsed(&line, "revoke|--token|0123456789ab");
        assert_string_equal(v.token, "0123456789ab");
        assert_int_equal(v.n_operands, 0);
}

static void help_and_version_ask_for_nothing_else(void **state) {
        Line line = {0};
        Invocation v = parsed(&line, "--help");

        assert_true(v.help);
        assert_null(v.verb);
        v = parsed(&line, "kick|-h");
        assert_true(v.help);
        assert_string_equal(v.verb->name, "kick");
        v = parsed(&line, "token|--help");
        assert_true(v.help);
        assert_null(v.verb);
        v = parsed(&line, "-V");
        assert_true(v.version);
}

static void an_empty_operand_is_one(void **state) {
        Line line = {0};
        Invocation v = parsed(&line, "kick|");

        assert_int_equal(v.n_operands, 1);
        assert_string_equal(v.operands[0], "");
}

static void what_makes_no_sense_is_wrong_usage(void **state) {
        static const char *bad[] = {
                "",
                "frobnicate",
                "KICK|bob",
                "kic|bob",
                "token",
                "token|frobnicate",
                "token add|bob",
                "kick",
                "kick|bob|carol",
                "kick|bob|--label|x",
                "users|bob",
                "users|--reason|x",
                "revoke",
                "revoke|bob|--token|x",
                "unrevoke",
                "unrevoke|bob|--token|x",
                "token|remove",
                "token|list|x",
                "reload|x",
                "status|x",
                "--frobnicate",
                "users|-x",
                "users|--json=yes",
                "users|--socket",
                "users|--socket|",
                "users|--timeout|5",
                "users|--timeout|0s",
                "users|--timeout|soon",
                "token|add|bob|--expires|0d",
                "token|add|bob|--expires|-1d",
                "token|add|bob|--expires|1e9d",
                "token|add|bob|--expires|999999999999999999999d",
                "token|--help|frobnicate",
        };

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                Invocation v = {.timeout_ms = 42};
                Line line = {0};

                assert_int_equal(parse(&v, &line, bad[i]), CTL_E_USAGE);
                assert_int_equal(v.timeout_ms, 42);
        }
}

static void a_socket_path_fits_an_address(void **state) {
        char text[256] = "users|--socket|/";
        Invocation v;
        Line line = {0};

        memset(text + strlen(text), 'x', 106);
        assert_int_equal(parse(&v, &line, text), 0);
        text[strlen(text)] = 'x';
        assert_int_equal(parse(&v, &line, text), CTL_E_USAGE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_row_is_found_by_its_own_name),
                cmocka_unit_test(each_row_is_whole),
                cmocka_unit_test(operands_and_options_come_in_any_order),
                cmocka_unit_test(what_is_not_given_has_its_default),
                cmocka_unit_test(every_option_arrives),
                cmocka_unit_test(help_and_version_ask_for_nothing_else),
                cmocka_unit_test(an_empty_operand_is_one),
                cmocka_unit_test(what_makes_no_sense_is_wrong_usage),
                cmocka_unit_test(a_socket_path_fits_an_address),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
