/* SPDX-License-Identifier: MIT */
/* Tables, wide, narrow and for scripts; and messages as JSON. */
#include "ctl/output.h"

#include <string.h>

#include "ctl/json.h"
#include "tests/unit/test.h"

static const Column columns[] = {{"USER"}, {"N", true}, {"ADDRESS"}};

static Table *new_table(const Column *of, size_t n) {
        Table *t;

        assert_int_equal(table_new(&t, of, n), 0);
        return t;
}

static void add(Table *t, const char *a, const char *b, const char *c) {
        const char *cells[] = {a, b, c};

        assert_int_equal(table_add(t, cells), 0);
}

static void expect(const Table *t, size_t width, const char *expected) {
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_non_null(out);
        table_print(t, out, width);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, expected);
}

static void columns_stand_below_their_titles(void **state) {
        _cleanup_(table_freep) Table *t = new_table(columns, 3);

        add(t, "bob", "7", "127.0.0.1:4");
        add(t, "caroline", "1234", "[::1]:5");
        expect(t, 80,
               "USER         N  ADDRESS\n"
               "bob          7  127.0.0.1:4\n"
               "caroline  1234  [::1]:5\n");
}

static void for_scripts_fields_are_whole_and_separated_by_tabs(void **state) {
        _cleanup_(table_freep) Table *t = new_table(columns, 3);

        add(t, "bob", "7", "");
        add(t, "caroline", "1234", "[::1]:5");
        expect(t, 0,
               "bob\t7\t\n"
               "caroline\t1234\t[::1]:5\n");
}

static void the_widest_column_is_cut_to_fit(void **state) {
        _cleanup_(table_freep) Table *t = new_table(columns, 3);

        add(t, "bob", "7", "a very long address");
        add(t, "caroline", "8", "short");
        expect(t, 22,
               "USER      N  ADDRESS\n"
               "bob       7  a very l…\n"
               "caroline  8  short\n");
        /* Then the next widest, too; but nothing becomes too narrow to mean something. */
        expect(t, 15,
               "USER   N  ADDR…\n"
               "bob    7  a ve…\n"
               "caro…  8  short\n");
        expect(t, 1,
               "USER  N  ADD…\n"
               "bob   7  a v…\n"
               "car…  8  sho…\n");
}

static void widths_are_those_of_the_terminal(void **state) {
        _cleanup_(table_freep) Table *t = new_table(columns, 3);

        add(t, "日本語の名前", "1", "x");
        add(t, "e\xcc\x81tienne", "2", "y"); /* an accent of its own, which takes no room */
        expect(t, 80,
               "USER          N  ADDRESS\n"
               "日本語の名前  1  x\n"
               "e\xcc\x81tienne       2  y\n");
        /* Half of a wide letter cannot be shown. */
        expect(t, 20,
               "USER      N  ADDRESS\n"
               "日本語…   1  x\n"
               "e\xcc\x81tienne   2  y\n");
}

static void a_cell_cannot_touch_the_terminal_or_make_fields(void **state) {
        _cleanup_(table_freep) Table *t = new_table(columns, 3);

        add(t, "a\tb\nc", "\x1b[2J", "\xff");
        expect(t, 0, "a␉b␊c\t␛[2J\t�\n");
}

static void a_table_without_titles_has_no_line_of_them(void **state) {
        static const Column untitled[2];
        _cleanup_(table_freep) Table *t = new_table(untitled, 2);
        const char *cells[] = {"version", "1.0.0"};

        expect(t, 80, "");
        assert_int_equal(table_add(t, cells), 0);
        expect(t, 80, "version  1.0.0\n");
}

static void things_are_counted(void **state) {
        assert_string_equal(counted(0, "session").text, "0 sessions");
        assert_string_equal(counted(1, "session").text, "1 session");
        assert_string_equal(counted(2, "token").text, "2 tokens");
}

static void expect_json(const ProtobufCMessage *message, const char *expected) {
        json_t *json = json_of_message(message), *wanted = json_loads(expected, 0, NULL);

        assert_non_null(json);
        assert_non_null(wanted);
        assert_true(json_equal(json, wanted));
        json_decref(json);
        json_decref(wanted);
}

static void every_field_is_a_key_also_when_it_is_empty(void **state) {
        Chatroom__V1__GetStatusResponse status = CHATROOM__V1__GET_STATUS_RESPONSE__INIT;
        char *listen[] = {(char *) "[::]:50051", (char *) "127.0.0.1:7"};

        expect_json(&status.base,
                    "{\"version\": \"\", \"started_ms\": 0, \"now_ms\": 0, \"listen\": [],"
                    " \"connections\": 0, \"max_connections\": 0, \"sessions\": 0, \"users\": 0,"
                    " \"messages\": 0, \"refused\": 0, \"max_lag\": 0, \"lag_limit\": 0,"
                    " \"memory_bytes\": 0, \"durable\": false, \"trouble\": \"\"}");
        status.version = (char *) "1.0.0";
        status.started_ms = INT64_C(1790000000123);
        status.n_listen = 2;
        status.listen = listen;
        status.max_connections = UINT32_MAX;
        status.messages = UINT64_C(1) << 62;
        status.durable = true;
        expect_json(&status.base,
                    "{\"version\": \"1.0.0\", \"started_ms\": 1790000000123, \"now_ms\": 0,"
                    " \"listen\": [\"[::]:50051\", \"127.0.0.1:7\"], \"connections\": 0,"
                    " \"max_connections\": 4294967295, \"sessions\": 0, \"users\": 0,"
                    " \"messages\": 4611686018427387904, \"refused\": 0, \"max_lag\": 0,"
                    " \"lag_limit\": 0, \"memory_bytes\": 0, \"durable\": true,"
                    " \"trouble\": \"\"}");
}

static void messages_in_messages_become_objects_in_lists(void **state) {
        Chatroom__V1__ListUsersResponse list = CHATROOM__V1__LIST_USERS_RESPONSE__INIT;
        Chatroom__V1__User bob = CHATROOM__V1__USER__INIT;
        Chatroom__V1__User *users[] = {&bob};
        Chatroom__V1__Session one = CHATROOM__V1__SESSION__INIT;
        Chatroom__V1__Session *sessions[] = {&one};

        bob.name = (char *) "bob";
        bob.n_sessions = 1;
        bob.sessions = sessions;
        one.id = 17;
        one.protocol = (char *) "seed";
        list.n_users = 1;
        list.users = users;
        expect_json(&list.base, "{\"users\": [{\"name\": \"bob\", \"sessions\": [{\"id\": 17,"
                                " \"address\": \"\", \"joined_ms\": 0, \"token_id\": \"\","
                                " \"protocol\": \"seed\", \"messages\": 0, \"lag\": 0}]}]}");
}

static void a_message_that_is_not_there_is_null(void **state) {
        Chatroom__V1__AddTokenResponse made = CHATROOM__V1__ADD_TOKEN_RESPONSE__INIT;

        expect_json(&made.base, "{\"secret\": \"\", \"token\": null}");
}

static void text_that_is_not_utf8_does_not_spoil_the_document(void **state) {
        Chatroom__V1__User user = CHATROOM__V1__USER__INIT;

        user.name = (char *) "a\xff\x1b";
        expect_json(&user.base, "{\"name\": \"a\\ufffd\\u241b\", \"sessions\": []}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns_stand_below_their_titles),
                cmocka_unit_test(for_scripts_fields_are_whole_and_separated_by_tabs),
                cmocka_unit_test(the_widest_column_is_cut_to_fit),
                cmocka_unit_test(widths_are_those_of_the_terminal),
                cmocka_unit_test(a_cell_cannot_touch_the_terminal_or_make_fields),
                cmocka_unit_test(a_table_without_titles_has_no_line_of_them),
                cmocka_unit_test(things_are_counted),
                cmocka_unit_test(every_field_is_a_key_also_when_it_is_empty),
                cmocka_unit_test(messages_in_messages_become_objects_in_lists),
                cmocka_unit_test(a_message_that_is_not_there_is_null),
                cmocka_unit_test(text_that_is_not_utf8_does_not_spoil_the_document),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
