/* SPDX-License-Identifier: MIT */
/* The generator: what systemd is told, and what of a configuration that is wrong. */
#include "service/generator.h"

#include <string.h>
#include <sys/stat.h>

#include "tests/unit/files.h"
#include "tests/unit/test.h"

#define CHAT "chatroom.socket.d/50-chatroom-ini.conf"
#define SERVICE "chatroom.service.d/50-chatroom-ini.conf"
#define CONTROL "chatroom-control.socket.d/50-chatroom-ini.conf"

/* What stands in the drop-in behind its first line, which names where it comes from. */
static void assert_drop_in(void **state, const char *name, const char *expected) {
        _cleanup_(fclosep) FILE *file = fopen(files_path(*state, name), "re");
        char text[4096] = "";
        const char *rest;

        assert_non_null(file);
        (void) fread(text, 1, sizeof(text) - 1, file);
        rest = strchr(text, '\n');
        assert_non_null(rest);
        assert_string_equal(rest + 1, expected);
}

static void run(void **state, const char *ini, int expected, const char *complaint) {
        char path[128];
        ConfigError error;
        const Files *f = *state;

        snprintf(path, sizeof(path), "%s", files_write(*state, "chatroom.ini", ini));
        assert_int_equal(generator_run(path, f->directory, &error), expected);
        if (complaint)
                assert_non_null(strstr(error.text, complaint));
        else
                assert_string_equal(error.text, "");
}

static void without_settings_the_defaults_are_passed_on(void **state) {
        run(state, "", 0, NULL);
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=50051\n"
                       "IPAddressAllow=127.0.0.0/8\nIPAddressAllow=::1/128\n"
                       "IPAddressAllow=100.64.0.0/10\nIPAddressAllow=fd7a:115c:a1e0::/48\n");
        assert_drop_in(state, CONTROL,
                       "[Socket]\n"
                       "ListenStream=/run/chatroom/control.sock\nSocketGroup=chatroom-admin\n");
        assert_int_equal(access(files_path(*state, SERVICE), F_OK), -1);
}

static void settings_are_passed_on(void **state) {
        run(state,
            "[server]\nlisten = 127.0.0.1:6000 [::1]:6000\nallow = 10.0.0.0/8 192.0.2.7\n"
            "control = /run/100%$/c.sock\nadmin_group = staff\n",
            0, NULL);
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:6000\nListenStream=[::1]:6000\n"
                       "IPAddressAllow=10.0.0.0/8\nIPAddressAllow=192.0.2.7/32\n");
        assert_drop_in(state, CONTROL,
                       "[Socket]\n"
                       "ListenStream=/run/100%%$/c.sock\nSocketGroup=staff\n");
}

static void a_control_socket_elsewhere_is_what_reload_uses(void **state) {
        run(state, "[server]\ncontrol = /run/100%$/c.sock\n", 0, NULL);
        assert_drop_in(state, SERVICE,
                       "[Service]\nExecReload=\n"
                       "ExecReload=+/usr/bin/chatctl --socket=/run/100%%$$/c.sock reload\n"
                       "BindReadOnlyPaths=-/run/100%%$\n");
}

static void an_error_elsewhere_moves_nothing(void **state) {
        run(state,
            "[server]\nlsten = 127.0.0.1:1\nwhat is this\nlisten = 127.0.0.1:6000\n"
            "[limits\n[server]\nallow = 10.0.0.0/8\n[tokens]\nalice = sha256:1\n",
            CONFIG_E_INVALID, "chatroom.ini:2: unknown key \"lsten\"");
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:6000\nIPAddressAllow=10.0.0.0/8\n");
}

static void an_error_in_the_lists_opens_nothing_more(void **state) {
        run(state, "[server]\nlisten = 10.0.0.1 \nallow = 10.0.0.0/33\n", CONFIG_E_INVALID,
            "chatroom.ini:2: listen: \"10.0.0.1\"");
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:50051\nIPAddressAllow=localhost\n");
}

static void what_is_right_of_a_list_holds(void **state) {
        run(state, "[server]\nlisten = 127.0.0.1:6000 x\nallow = 10.0.0.0/8 y\n", CONFIG_E_INVALID,
            "chatroom.ini:2: listen: \"x\"");
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:6000\nIPAddressAllow=10.0.0.0/8\n");
}

static void port_0_needs_a_name(void **state) {
        run(state, "[server]\nlisten = 127.0.0.1:0\nallow = localhost\n", CONFIG_E_INVALID,
            "port 0");
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:50051\n"
                       "IPAddressAllow=127.0.0.0/8\nIPAddressAllow=::1/128\n");
}

static void drop_ins_count_also_behind_an_error(void **state) {
        files_write(*state, "chatroom.ini.d/10.ini", "[server]\nlisten = 127.0.0.1:6001\n");
        run(state, "[server]\nlisten = 127.0.0.1:6000\nnonsense\nallow = 10.0.0.0/8\n",
            CONFIG_E_INVALID, "chatroom.ini:3: ");
        assert_drop_in(state, CHAT,
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:6001\nIPAddressAllow=10.0.0.0/8\n");
}

static void without_a_file_there_is_a_complaint_and_the_defaults(void **state) {
        const Files *f = *state;
        ConfigError error;

        assert_int_equal(generator_run("/nonexistent/chatroom.ini", f->directory, &error),
                         CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "/nonexistent/chatroom.ini: No such file"));
        assert_drop_in(state, CONTROL,
                       "[Socket]\n"
                       "ListenStream=/run/chatroom/control.sock\nSocketGroup=chatroom-admin\n");
}

static void where_nothing_can_be_written_it_fails(void **state) {
        ConfigError error;

        assert_int_equal(
                generator_run(files_write(*state, "chatroom.ini", ""), "/nonexistent", &error),
                -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(without_settings_the_defaults_are_passed_on),
                WITH_FILES(settings_are_passed_on),
                WITH_FILES(a_control_socket_elsewhere_is_what_reload_uses),
                WITH_FILES(an_error_elsewhere_moves_nothing),
                WITH_FILES(an_error_in_the_lists_opens_nothing_more),
                WITH_FILES(what_is_right_of_a_list_holds),
                WITH_FILES(port_0_needs_a_name),
                WITH_FILES(drop_ins_count_also_behind_an_error),
                WITH_FILES(without_a_file_there_is_a_complaint_and_the_defaults),
                WITH_FILES(where_nothing_can_be_written_it_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
