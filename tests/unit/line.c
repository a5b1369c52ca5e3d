/* SPDX-License-Identifier: MIT */
/* What a line of input means. */
#include "client/line.h"

#include <string.h>

#include "tests/unit/test.h"

#define TEXT_MAX 4096

static Complaint complaint;

static Line parse(const char *text) {
        complaint.text[0] = '\0';
        return line_parse(text, strlen(text), TEXT_MAX, &complaint);
}

static void assert_text(const char *in, const char *out) {
        Line line = parse(in);

        assert_int_equal(line.kind, LINE_TEXT);
        assert_int_equal(line.size, strlen(out));
        assert_memory_equal(line.text, out, line.size);
}

static void assert_wrong(const char *bytes, size_t n, const char *why) {
        Line line = line_parse(bytes, n, TEXT_MAX, &complaint);

        assert_int_equal(line.kind, LINE_WRONG);
        assert_non_null(strstr(complaint.text, why));
}

static void text_is_text(void **state) {
        assert_text("hello", "hello");
        assert_text(" hello ", " hello ");
        assert_text("a\tb", "a\tb");
        assert_text("Grüße 👩\u200d💻\u00a0", "Grüße 👩\u200d💻\u00a0");
        assert_text("from DOS\r", "from DOS");
        assert_text("and /or", "and /or");
}

static void two_slashes_are_one(void **state) {
        assert_text("//", "/");
        assert_text("//quit", "/quit");
        assert_text("///", "//");
}

static void nothing_is_nothing(void **state) {
        assert_int_equal(parse("").kind, LINE_EMPTY);
        assert_int_equal(parse("\r").kind, LINE_EMPTY);
}

static void commands_stand_alone(void **state) {
        assert_int_equal(parse("/quit").kind, LINE_QUIT);
        assert_int_equal(parse("/quit \t\r").kind, LINE_QUIT);
        assert_int_equal(parse("/help").kind, LINE_HELP);
        assert_int_equal(parse("/who").kind, LINE_WHO);
        assert_wrong("/quit now", 9, "/quit takes nothing");
        assert_wrong("/help me", 8, "/help takes nothing");
}

static void unknown_commands_are_wrong_and_what_follows_them_is_not_repeated(void **state) {
        static const char *const lines[] = {
                "/", "/q", "/quits", "/QUIT", "/msg bob secret", "/ quit", "/\xff\x1b[2J secret"};

        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                assert_wrong(lines[i], strlen(lines[i]), "no command /");
                assert_null(strstr(complaint.text, "secret"));
                assert_null(strchr(complaint.text, '\x1b'));
        }
}

static void what_the_server_would_refuse_is_wrong(void **state) {
        char text[TEXT_MAX + 2];

        assert_wrong("a\xff", 2, "UTF-8");
        assert_wrong("\xc0\x80", 2, "UTF-8");
        assert_wrong("\xed\xa0\x80", 3, "UTF-8");
        assert_wrong("a\0b", 3, "control");
        assert_wrong("a\x1b[2J", 5, "control");
        assert_wrong("a\x7f", 2, "control");
        assert_wrong("\xc2\x9b", 2, "control");
        assert_wrong("a\rb", 3, "control");
        assert_wrong("//\x1b", 3, "control");

        memset(text, 'x', sizeof(text));
        assert_int_equal(line_parse(text, TEXT_MAX, TEXT_MAX, &complaint).kind, LINE_TEXT);
        assert_wrong(text, TEXT_MAX + 1, "longer than 4096 bytes");
        text[0] = text[1] = '/';
        assert_int_equal(line_parse(text, TEXT_MAX + 1, TEXT_MAX, &complaint).kind, LINE_TEXT);
        assert_wrong(text, TEXT_MAX + 2, "longer");
}

static void what_is_taken_as_it_is_has_no_commands(void **state) {
        Line line = line_take("/quit\r", 6, TEXT_MAX, &complaint);

        assert_int_equal(line.kind, LINE_TEXT);
        assert_int_equal(line.size, 5);
        assert_int_equal(line_take("//", 2, TEXT_MAX, &complaint).size, 2);
        assert_int_equal(line_take("", 0, TEXT_MAX, &complaint).kind, LINE_EMPTY);
        assert_int_equal(line_take("a\nb", 3, TEXT_MAX, &complaint).kind, LINE_WRONG);
        assert_int_equal(line_take("abc", 3, 2, &complaint).kind, LINE_WRONG);
        assert_int_equal(line_take_all("a\nb\tc", 5, TEXT_MAX, &complaint).kind, LINE_TEXT);
        assert_int_equal(line_take_all("a\x1b", 2, TEXT_MAX, &complaint).kind, LINE_WRONG);
        assert_int_equal(line_take_all("abc", 3, 2, &complaint).kind, LINE_WRONG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_text),
                cmocka_unit_test(two_slashes_are_one),
                cmocka_unit_test(nothing_is_nothing),
                cmocka_unit_test(commands_stand_alone),
                cmocka_unit_test(unknown_commands_are_wrong_and_what_follows_them_is_not_repeated),
                cmocka_unit_test(what_the_server_would_refuse_is_wrong),
                cmocka_unit_test(what_is_taken_as_it_is_has_no_commands),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
