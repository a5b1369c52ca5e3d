/* SPDX-License-Identifier: MIT */
/* The command line and the environment. */
#include "client/options.h"

#include <string.h>

#include "tests/unit/test.h"

#define ARGUMENTS_MAX 16

/* arguments: separated by blanks. */
static int parse(Options *ret, Complaint *complaint, const char *arguments) {
        static char copy[256]; /* the options point into it */
        char *argv[ARGUMENTS_MAX + 2] = {(char *) "chat"}, *rest = copy;
        int argc = 1;

        snprintf(copy, sizeof(copy), "%s", arguments);
        while (argc <= ARGUMENTS_MAX && (argv[argc] = strsep(&rest, " ")))
                argc++;
        return options_parse(ret, argc, argv, complaint);
}

static int setup(void **state) {
        setenv("USER", "carol", 1);
        unsetenv("CHAT_TOKEN_FILE");
        return 0;
}

static void the_defaults(void **state) {
        Complaint complaint;
        Options o;

        assert_int_equal(parse(&o, &complaint, "host"), 0);
        assert_string_equal(o.target.user, "carol");
        assert_string_equal(o.target.host, "host");
        assert_null(o.token_file);
        assert_false(o.json);
        assert_int_equal(o.linger_ms, 0);
        assert_int_equal(o.connect_timeout_ms, 10000);
        assert_int_equal(o.command, COMMAND_TALK);
        assert_int_equal(o.count, -1);
        assert_int_equal(o.since.kind, SINCE_NOTHING);
        assert_null(o.text);
        assert_false(o.follow || o.forget || o.no_reconnect || o.insecure_network);
        options_done(&o);
}

static void every_option_is_taken(void **state) {
        Complaint complaint;
        Options o;

        assert_int_equal(parse(&o, &complaint,
                               "--json --token-file f --linger 2s alice@h:1 --connect-timeout 70 "
                               "-n 5 --forget --no-reconnect --insecure-network"),
                         0);
        assert_int_equal(o.count, 5);
        assert_true(o.forget && o.no_reconnect && o.insecure_network);
        assert_string_equal(o.target.user, "alice");
        assert_int_equal(o.target.port, 1);
        assert_string_equal(o.token_file, "f");
        assert_true(o.json);
        assert_int_equal(o.linger_ms, 2000);
        assert_int_equal(o.connect_timeout_ms, 70);
        options_done(&o);
}

static void times_have_units(void **state) {
        static const struct {
                const char *text;
                unsigned ms;
        } good[] = {{"0", 0},     {"7", 7},       {"7ms", 7},
                    {"7s", 7000}, {"7m", 420000}, {"2147483647", 2147483647}};
        static const char *const bad[] = {"",   "s",   "7h",         "7 s",      "-7",
                                          "+7", "7.5", "2147483648", "2147484s", "0x7"};
        char text[64];
        Complaint complaint;
        Options o;

        for (size_t i = 0; i < ELEMENTS(good); i++) {
                snprintf(text, sizeof(text), "--linger=%s h", good[i].text);
                assert_int_equal(parse(&o, &complaint, text), 0);
                assert_int_equal(o.linger_ms, good[i].ms);
                options_done(&o);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                char *argv[] = {(char *) "chat", text, (char *) "h", NULL};

                snprintf(text, sizeof(text), "--linger=%s", bad[i]);
                assert_int_equal(options_parse(&o, 3, argv, &complaint), OPTIONS_E_USAGE);
                assert_non_null(strstr(complaint.text, "not a time"));
        }
}

static void the_environment_names_the_token_file_unless_the_command_line_does(void **state) {
        Complaint complaint;
        Options o;

        setenv("CHAT_TOKEN_FILE", "from-environment", 1);
        assert_int_equal(parse(&o, &complaint, "host"), 0);
        assert_string_equal(o.token_file, "from-environment");
        options_done(&o);
        assert_int_equal(parse(&o, &complaint, "--token-file=from-argument host"), 0);
        assert_string_equal(o.token_file, "from-argument");
        options_done(&o);
        setenv("CHAT_TOKEN_FILE", "", 1);
        assert_int_equal(parse(&o, &complaint, "host"), 0);
        assert_null(o.token_file);
        options_done(&o);
}

static void without_a_name_in_the_environment_the_system_knows_one(void **state) {
        Complaint complaint;
        Options o;

        setenv("USER", "", 1);
        assert_int_equal(parse(&o, &complaint, "host"), 0);
        assert_string_not_equal(o.target.user, "");
        options_done(&o);
}

static void a_word_that_stands_first_is_a_command(void **state) {
        static const struct {
                const char *arguments;
                CommandKind command;
                const char *host;
        } cases[] = {
                {"send h x", COMMAND_SEND, "h"},
                {"tail h", COMMAND_TAIL, "h"},
                {"who h", COMMAND_WHO, "h"},
                {"--json who h", COMMAND_WHO, "h"},
                {"who who", COMMAND_WHO, "who"},
                {"who:1", COMMAND_TALK, "who"},
                {"alice@tail", COMMAND_TALK, "tail"},
                {"-- tail h", COMMAND_TAIL, "h"},
                {"tail h --follow", COMMAND_TAIL, "h"},
                {"tail -f --since 5 h", COMMAND_TAIL, "h"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Complaint complaint;
                Options o;

                assert_int_equal(parse(&o, &complaint, cases[i].arguments), 0);
                assert_int_equal(o.command, cases[i].command);
                assert_string_equal(o.target.host, cases[i].host);
                options_done(&o);
        }
}

static void where_text_begins_options_end(void **state) {
        static const struct {
                const char *arguments, *text;
        } cases[] = {
                {"send h a", "a"},      {"send h a --json -n 5", "a --json -n 5"},
                {"send h -- -5", "-5"}, {"send h - -", "- -"},
                {"send -- h a", "a"},   {"send h -", NULL},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Complaint complaint;
                Options o;

                assert_int_equal(parse(&o, &complaint, cases[i].arguments), 0);
                assert_false(o.json);
                if (cases[i].text)
                        assert_string_equal(o.text, cases[i].text);
                else
                        assert_null(o.text);
                options_done(&o);
        }
}

static void mistakes_are_told_of(void **state) {
        static const struct {
                const char *arguments, *word;
        } cases[] = {
                {"--json", "HOST"},
                {"a b", "b"},
                {"--nothing h", "--nothing"},
                {"-x h", "-x"},
                {"--token-file", "--token-file"},
                {"--token t h", "secret"},
                {"--connect-timeout 0 h", "longer than 0"},
                {"h:x", "port"},
                {"send", "HOST"},
                {"tail a b", "b"},
                {"--since 5 h", "--since"},
                {"who --follow h", "--follow"},
                {"tail --since x h", "x"},
                {"tail --since 5 -n 5 h", "both"},
                {"-n 5m h", "5m"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Complaint complaint = {""};
                Options o;

                assert_int_equal(parse(&o, &complaint, cases[i].arguments), OPTIONS_E_USAGE);
                assert_non_null(strstr(complaint.text, cases[i].word));
        }
}

static void help_and_version_need_nothing_else(void **state) {
        Complaint complaint;
        Options o;

        assert_int_equal(parse(&o, &complaint, "--help"), OPTIONS_E_HELP);
        assert_int_equal(parse(&o, &complaint, "-h"), OPTIONS_E_HELP);
        assert_int_equal(parse(&o, &complaint, "--version"), OPTIONS_E_VERSION);
        assert_int_equal(parse(&o, &complaint, "-V host"), OPTIONS_E_VERSION);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(the_defaults, setup),
                cmocka_unit_test_setup(every_option_is_taken, setup),
                cmocka_unit_test_setup(times_have_units, setup),
                cmocka_unit_test_setup(
                        the_environment_names_the_token_file_unless_the_command_line_does, setup),
                cmocka_unit_test_setup(without_a_name_in_the_environment_the_system_knows_one,
                                       setup),
                cmocka_unit_test_setup(a_word_that_stands_first_is_a_command, setup),
                cmocka_unit_test_setup(where_text_begins_options_end, setup),
                cmocka_unit_test_setup(mistakes_are_told_of, setup),
                cmocka_unit_test_setup(help_and_version_need_nothing_else, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
