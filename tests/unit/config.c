/* SPDX-License-Identifier: MIT */
/* The configuration: defaults, every kind of value, drop-ins, and errors that help. */
#include "tests/unit/configs.h"

#include <string.h>

#include "tests/unit/test.h"

static void assert_listens(const Config *c, size_t i, const char *expected) {
        char text[ADDRESS_TEXT_MAX];

        assert_in_range(i, 0, c->n_listen - 1);
        address_format(&c->listen[i], true, text);
        assert_string_equal(text, expected);
}

static bool allows(const Config *c, const char *peer) {
        Address a;

        assert_int_equal(address_parse(&a, peer), 0);
        return config_allows(c, &a);
}

static void assert_equal(const Config *a, const Config *b) {
        char text[ADDRESS_TEXT_MAX];

        assert_int_equal(a->n_listen, b->n_listen);
        for (size_t i = 0; i < a->n_listen; i++) {
                address_format(&a->listen[i], true, text);
                assert_listens(b, i, text);
        }
        assert_int_equal(a->n_allow, b->n_allow);
        for (size_t i = 0; i < a->n_allow; i++) {
                assert_int_equal(a->allow[i].prefix, b->allow[i].prefix);
                assert_true(network_contains(&a->allow[i], &b->allow[i].address));
        }
        assert_string_equal(a->control, b->control);
        assert_string_equal(a->admin_group, b->admin_group);
        assert_int_equal(a->workers, b->workers);
        assert_int_equal(a->reflection, b->reflection);
        assert_memory_equal(&a->limits, &b->limits, sizeof(a->limits));
        assert_int_equal(token_table_size(a->tokens), token_table_size(b->tokens));
}

static void without_a_file_there_are_the_defaults(void **state) {
        _cleanup_(config_freep) Config *c = load_config(NULL);

        assert_int_equal(c->n_listen, 1);
        assert_listens(c, 0, "[::]:50051");
        assert_true(allows(c, "127.0.0.2:1") && allows(c, "[::1]:1"));
        assert_true(allows(c, "100.64.0.1:1") && allows(c, "[fd7a:115c:a1e0::1]:1"));
        assert_false(allows(c, "192.0.2.1:1") || allows(c, "[2001:db8::1]:1"));
        assert_string_equal(c->control, "/run/chatroom/control.sock");
        assert_string_equal(c->admin_group, "chatroom-admin");
        assert_int_equal(c->workers, 0);
        assert_true(c->reflection);
        assert_int_equal(token_table_size(c->tokens), 0);
        assert_int_equal(c->n_plain_tokens, 0);
}

static void the_default_limits_are_those_of_the_documentation(void **state) {
        _cleanup_(config_freep) Config *c = load_config(NULL);
        const Limits expected = {
                .max_connections = 10000,
                .max_connections_per_address = 64,
                .max_sessions_per_user = 10,
                .max_streams_per_connection = 100,
                .join_timeout_ms = 10000,
                .max_text = 4096,
                .max_frame = 65536,
                .rate_burst = 20,
                .rate_per_second = 5,
                .max_lag_messages = 4096,
                .max_lag_bytes = 8 * 1024 * 1024,
                .max_lag_age_ms = 30000,
                .auth_failures_per_minute = 10,
        };

        assert_memory_equal(&c->limits, &expected, sizeof(expected));
}

/* Writes etc/chatroom/chatroom.ini without the # of its commented keys; returns how many there
 * were. */
static unsigned uncomment(Files *f, const char *name) {
        _cleanup_(fclosep) FILE *in = NULL;
        _cleanup_(freep) char *line = NULL, *text = calloc(1, 65536), *path = NULL;
        size_t size = 0;
        unsigned n = 0;

        assert_non_null(text);
        assert_true(asprintf(&path, "%s/etc/chatroom/chatroom.ini", getenv("CHATROOM_SOURCE")) > 0);
        in = fopen(path, "r");
        assert_non_null(in);
        while (getline(&line, &size, in) > 0) {
                bool key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';

                assert_true(strlen(text) + strlen(line) < 65536);
                strcat(text, line + key);
                n += key;
        }
        files_write(f, name, text);
        return n;
}

static void the_installed_file_is_all_defaults(void **state) {
        _cleanup_(config_freep) Config *defaults = load_config(NULL), *installed = NULL;
        _cleanup_(freep) char *path = NULL;

        assert_true(asprintf(&path, "%s/etc/chatroom/chatroom.ini", getenv("CHATROOM_SOURCE")) > 0);
        installed = load_config(path);
        assert_equal(installed, defaults);
}

static void the_installed_file_has_every_key_at_its_default(void **state) {
        _cleanup_(config_freep) Config *defaults = load_config(NULL), *uncommented = NULL;
        unsigned n = uncomment(*state, "x.ini");
        ConfigKey key;

        uncommented = load_config(files_path(*state, "x.ini"));
        assert_equal(uncommented, defaults);
        /* None twice (the load would fail), none unknown (likewise): as many means all. */
        assert_true(config_key(n - 1, &key));
        assert_false(config_key(n, &key));
}

static void every_key_takes_effect(void **state) {
        _cleanup_(config_freep) Config *c = load_config_text(
                state, "[server]\nlisten = 127.0.0.1:0\nallow = 192.0.2.1\n"
                       "control = /tmp/x.sock\nadmin_group = wheel\nworkers = 3\n"
                       "reflection = no\n"
                       "[limits]\nmax_connections = 11\n"
                       "max_connections_per_address = 12\nmax_sessions_per_user = 13\n"
                       "max_streams_per_connection = 14\njoin_timeout_ms = 15\n"
                       "max_text = 16\nmax_frame = 1717\nrate_burst = 18\n"
                       "rate_per_second = 19\nmax_lag_messages = 20\n"
                       "max_lag_bytes = 212121\nmax_lag_age_ms = 23\n"
                       "auth_failures_per_minute = 22\n");
        const Limits expected = {11, 12, 13, 14, 15, 16, 1717, 18, 19, 20, 212121, 23, 22};

        assert_int_equal(c->n_listen, 1);
        assert_listens(c, 0, "127.0.0.1:0");
        assert_int_equal(c->n_allow, 1);
        assert_true(allows(c, "192.0.2.1:1"));
        assert_string_equal(c->control, "/tmp/x.sock");
        assert_string_equal(c->admin_group, "wheel");
        assert_int_equal(c->workers, 3);
        assert_false(c->reflection);
        assert_memory_equal(&c->limits, &expected, sizeof(expected));
}

static void lists_take_words_and_lines_and_replace_the_default(void **state) {
        _cleanup_(config_freep) Config *c = load_config_text(
                state, "[server]\nlisten = 127.0.0.1:1 \t [::1]:2\nallow = 192.0.2.0/24\n"
                       "listen = 127.0.0.1:3\nallow = 2001:db8::/32 198.51.100.7\n");

        assert_int_equal(c->n_listen, 3);
        assert_listens(c, 0, "127.0.0.1:1");
        assert_listens(c, 1, "[::1]:2");
        assert_listens(c, 2, "127.0.0.1:3");
        assert_true(allows(c, "192.0.2.9:1") && allows(c, "[2001:db8::9]:1"));
        assert_true(allows(c, "198.51.100.7:1"));
        assert_false(allows(c, "127.0.0.1:1") || allows(c, "198.51.100.8:1"));
}

static void any_and_localhost_are_words_of_allow(void **state) {
        _cleanup_(config_freep) Config *any = load_config_text(state, "[server]\nallow = any\n");
        _cleanup_(config_freep) Config *local =
                load_config_text(state, "[server]\nallow = localhost\n");

        assert_true(allows(any, "203.0.113.1:1") && allows(any, "[2001:db8::1]:1"));
        assert_true(allows(local, "127.0.0.1:1") && allows(local, "127.9.9.9:1"));
        assert_true(allows(local, "[::1]:1"));
        assert_false(allows(local, "100.64.0.1:1") || allows(local, "[::2]:1"));
}

static void unknown_sections_are_refused_even_when_empty(void **state) {
        assert_text_refused(state, "[sever]\n",
                            "x.ini:1:", "unknown section [sever]: expected [server]");
        assert_text_refused(state, "[server]\n[Limits]\nmax_text = 1\n", "x.ini:2:", "[Limits]");
        assert_text_refused(state, "[ server ]\n", "x.ini:1:", "unknown section");
        assert_text_refused(state, "workers = 1\n",
                            "x.ini:1:", "workers stands before any [SECTION]");
}

static void unknown_keys_are_refused_with_those_that_exist(void **state) {
        assert_text_refused(state, "[server]\n\nworker = 1\n",
                            "x.ini:3:", "listen, allow, control");
        assert_text_refused(state, "[limits]\nmax_test = 1\n", "x.ini:2: unknown key \"max_test\"",
                            "max_text, max_frame");
        assert_text_refused(state, "[server]\nmax_text = 1\n",
                            "x.ini:2:", "does not belong into [server] but into [limits]");
        assert_text_refused(state, "[server]\nWorkers = 1\n", "x.ini:2:", "unknown key");
}

static void a_repeated_key_is_refused_with_its_first_line(void **state) {
        assert_text_refused(state, "[server]\nworkers = 1\n\nworkers = 1\n",
                            "x.ini:4: workers stands there twice", "first on line 2");
        assert_text_refused(state, "[limits]\nmax_text = 1\n[server]\n[limits]\nmax_text = 2\n",
                            "x.ini:5:", "first on line 2");
}

static void numbers_must_be_plain_and_in_range(void **state) {
        const char *values[] = {"-1",  "+1",    "257",  "4k",    "0x4",
                                "1.5", "1 000", "four", "1,000", "99999999999999999999999999"};
        char text[128];

        for (size_t i = 0; i < ELEMENTS(values); i++) {
                snprintf(text, sizeof(text), "[server]\nworkers = %s\n", values[i]);
                assert_text_refused(state, text, "x.ini:2: workers = ",
                                    "a whole number of threads from 0 to 256");
        }
        assert_text_refused(state, "[limits]\nmax_text = 0\n", "x.ini:2:", "from 1 to 1048576");
        assert_text_refused(state, "[server]\nworkers =\n", "x.ini:2: workers has no value",
                            "the default is 0");
}

static void a_comment_behind_a_value_is_explained(void **state) {
        assert_text_refused(state, "[server]\nworkers = 4 ; four\n",
                            "x.ini:2:", "comments stand on lines of their own");
        assert_text_refused(state, "[server]\ncontrol = /run/x # there\n",
                            "x.ini:2:", "comments stand on lines of their own");
}

static void addresses_must_be_numeric_with_a_port(void **state) {
        assert_text_refused(state, "[server]\nlisten = 50051\n", "x.ini:2: listen: \"50051\"",
                            "such as 127.0.0.1:50051 or [::]:50051");
        assert_text_refused(state, "[server]\nlisten = [::1]:1, [::1]:2\n",
                            "x.ini:2:", "\"[::1]:1,\"");
        assert_text_refused(state, "[server]\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:1\n",
                            "x.ini:3:", "127.0.0.1:1 stands there twice");
        assert_text_refused(state, "[server]\nallow = 192.0.2.1/24\n",
                            "x.ini:2: allow: \"192.0.2.1/24\"", "no bits set behind the prefix");
        assert_text_refused(state, "[server]\nallow = everybody\n", "x.ini:2:", "localhost or any");
        assert_text_refused(state, "[server]\nallow =\n", "x.ini:2:", "allow has no value");
}

static void a_list_has_an_end(void **state) {
        char text[4096] = "[server]\nlisten =";

        for (unsigned i = 0; i < CONFIG_LISTEN_MAX; i++)
                sprintf(text + strlen(text), " 127.0.0.1:%u", i + 1);
        config_free(load_config_text(state, text));
        strcat(text, " 127.0.0.1:99");
        assert_text_refused(state, text, "x.ini:2:", "more than 16 addresses");
        strcpy(text, "[server]\nallow =");
        for (unsigned i = 0; i <= CONFIG_ALLOW_MAX; i++)
                sprintf(text + strlen(text), " 10.0.0.%u", i);
        assert_text_refused(state, text, "x.ini:2:", "more than 64 networks");
}

static void paths_and_groups_are_checked(void **state) {
        char text[256];

        assert_text_refused(state, "[server]\ncontrol = run/x.sock\n", "x.ini:2:", "absolute path");
        assert_text_refused(state, "[server]\ncontrol = \"/run/x.sock\"\n",
                            "x.ini:2:", "absolute path");
        snprintf(text, sizeof(text), "[server]\ncontrol = /%0107d\n", 0);
        assert_text_refused(state, text, "x.ini:2:", "at most 107 bytes");
        assert_text_refused(state, "[server]\nadmin_group = the admins\n",
                            "x.ini:2:", "name of a group");
        assert_text_refused(state, "[server]\nadmin_group = -x\n", "x.ini:2:", "name of a group");
}

static void a_frame_must_have_room_for_a_text(void **state) {
        assert_text_refused(state, "[limits]\nmax_text = 65536\n",
                            "max_frame = 65536 is too small for max_text = 65536",
                            "at least 66560");
        config_free(load_config_text(state, "[limits]\nmax_text = 65536\nmax_frame = 66560\n"));
}

static void drop_ins_are_read_in_the_order_of_their_names(void **state) {
        _cleanup_(config_freep) Config *c = NULL;

        files_write(*state, "x.ini.d/20-b.ini", "[server]\nworkers = 20\n");
        files_write(*state, "x.ini.d/10-a.ini",
                    "[server]\nworkers = 10\n[limits]\nmax_text = 10\n");
        files_write(*state, "x.ini.d/30.ini.bak", "[server]\nworkers = 30\n");
        files_write(*state, "x.ini.d/.40.ini", "[limits]\nrate_burst = 40\n");
        c = load_config_text(state,
                             "[server]\nworkers = 1\n[limits]\nmax_text = 1\nrate_burst = 2\n");
        assert_int_equal(c->workers, 20);
        assert_int_equal(c->limits.max_text, 10);
        assert_int_equal(c->limits.rate_burst, 2);
}

static void a_list_in_a_drop_in_replaces_the_list(void **state) {
        _cleanup_(config_freep) Config *c = NULL;

        files_write(*state, "x.ini.d/a.ini", "[server]\nlisten = 127.0.0.1:7\nlisten = [::1]:8\n");
        c = load_config_text(state,
                             "[server]\nlisten = 127.0.0.1:1 127.0.0.1:7\nallow = 192.0.2.1\n");
        assert_int_equal(c->n_listen, 2);
        assert_listens(c, 0, "127.0.0.1:7");
        assert_listens(c, 1, "[::1]:8");
        assert_int_equal(c->n_allow, 1);
}

static void an_error_in_a_drop_in_names_it(void **state) {
        files_write(*state, "x.ini.d/a.ini", "[server]\nworkers = 1\nworkers = 2\n");
        assert_text_refused(state, "[server]\nworkers = 1\n",
                            "x.ini.d/a.ini:3:", "first on line 2");
}

static void a_drop_in_can_make_the_whole_right(void **state) {
        _cleanup_(config_freep) Config *c = NULL;

        files_write(*state, "x.ini.d/a.ini", "[limits]\nmax_frame = 100000\n");
        c = load_config_text(state, "[limits]\nmax_text = 65536\n");
        assert_int_equal(c->limits.max_frame, 100000);
}

static void a_missing_file_is_an_error(void **state) {
        assert_config_refused(files_path(*state, "none.ini"),
                              "none.ini: ", "No such file or directory");
}

static void an_unusable_drop_in_is_an_error(void **state) {
        Files *f = *state;
        char target[128];

        files_write(f, "x.ini.d/b.ini", "");
        snprintf(target, sizeof(target), "%s/none", f->directory);
        assert_int_equal(symlink(target, files_path(f, "x.ini.d/a.ini")), 0);
        assert_text_refused(state, "", "x.ini.d/a.ini: ", "No such file or directory");
}

static void listen_can_be_given_elsewhere(void **state) {
        _cleanup_(config_freep) Config *c = load_config(NULL);
        ConfigError error;

        c->n_listen = 0;
        assert_int_equal(config_add_listen(c, "127.0.0.1:0", &error), 0);
        assert_int_equal(config_add_listen(c, "127.0.0.1:0", &error), 0);
        assert_int_equal(c->n_listen, 2);
        assert_int_equal(config_add_listen(c, "localhost:1", &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "numeric ADDRESS:PORT"));
        assert_int_equal(c->n_listen, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_file_there_are_the_defaults),
                cmocka_unit_test(the_default_limits_are_those_of_the_documentation),
                cmocka_unit_test(the_installed_file_is_all_defaults),
                WITH_FILES(the_installed_file_has_every_key_at_its_default),
                WITH_FILES(every_key_takes_effect),
                WITH_FILES(lists_take_words_and_lines_and_replace_the_default),
                WITH_FILES(any_and_localhost_are_words_of_allow),
                WITH_FILES(unknown_sections_are_refused_even_when_empty),
                WITH_FILES(unknown_keys_are_refused_with_those_that_exist),
                WITH_FILES(a_repeated_key_is_refused_with_its_first_line),
                WITH_FILES(numbers_must_be_plain_and_in_range),
                WITH_FILES(a_comment_behind_a_value_is_explained),
                WITH_FILES(addresses_must_be_numeric_with_a_port),
                WITH_FILES(a_list_has_an_end),
                WITH_FILES(paths_and_groups_are_checked),
                WITH_FILES(a_frame_must_have_room_for_a_text),
                WITH_FILES(drop_ins_are_read_in_the_order_of_their_names),
                WITH_FILES(a_list_in_a_drop_in_replaces_the_list),
                WITH_FILES(an_error_in_a_drop_in_names_it),
                WITH_FILES(a_drop_in_can_make_the_whole_right),
                WITH_FILES(a_missing_file_is_an_error),
                WITH_FILES(an_unusable_drop_in_is_an_error),
                cmocka_unit_test(listen_can_be_given_elsewhere),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
