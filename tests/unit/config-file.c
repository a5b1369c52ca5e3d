/* SPDX-License-Identifier: MIT */
/* Reading an INI file: what each line means, and that no line is taken for something else. */
#include "service/config-file.h"

#include <string.h>
#include <sys/stat.h>

#include "service/text.h"
#include "tests/unit/files.h"
#include "tests/unit/test.h"

/* What was read, one line each: "3 [server] workers=4". */
typedef struct Seen {
        char text[32768];
} Seen;

static int note(const ConfigLine *line, void *userdata, ConfigError *error) {
        Seen *seen = userdata;
        size_t used = strlen(seen->text);

        snprintf(seen->text + used, sizeof(seen->text) - used, "%u [%s]%s%s%s%s\n", line->number,
                 line->section, line->key ? " " : "", line->key ? line->key : "",
                 line->key ? "=" : "", line->key ? line->value : "");
        return 0;
}

static void assert_reads_bytes(void **state, const char *bytes, size_t n, const char *expected) {
        const char *path = files_write_bytes(*state, "x.ini", bytes, n);
        Seen seen = {""};
        ConfigError error;

        if (config_file_read(path, note, &seen, &error) != 0)
                fail_msg("%s", error.text);
        assert_string_equal(seen.text, expected);
}

static void assert_reads(void **state, const char *text, const char *expected) {
        assert_reads_bytes(state, text, strlen(text), expected);
}

/* Refused on that line, with a message that contains `what`. */
static void assert_refused_bytes(void **state, const char *bytes, size_t n, unsigned line,
                                 const char *what) {
        const char *path = files_write_bytes(*state, "x.ini", bytes, n);
        char place[300];
        Seen seen = {""};
        ConfigError error;

        snprintf(place, sizeof(place), "%s:%u: ", path, line);
        assert_int_equal(config_file_read(path, note, &seen, &error), CONFIG_E_INVALID);
        if (strncmp(error.text, place, strlen(place)) != 0 || !strstr(error.text, what))
                fail_msg("expected \"%s…%s…\", got \"%s\"", place, what, error.text);
}

static void assert_refused(void **state, const char *text, unsigned line, const char *what) {
        assert_refused_bytes(state, text, strlen(text), line, what);
}

static void sections_keys_and_values_are_read_with_their_lines(void **state) {
        assert_reads(state, "[server]\nworkers = 4\n\n[limits]\nmax_text=1\n",
                     "1 [server]\n2 [server] workers=4\n4 [limits]\n5 [limits] max_text=1\n");
}

static void blanks_around_keys_and_values_do_not_count(void **state) {
        assert_reads(state, "\t[a] \n  k  =\t v w \t\n", "1 [a]\n2 [a] k=v w\n");
}

static void comments_and_empty_lines_are_skipped_and_counted(void **state) {
        assert_reads(state, "# one\n; two\n\n   # three\n[a]\n  ;k = 1\nk = 2\n",
                     "5 [a]\n7 [a] k=2\n");
}

static void a_value_keeps_its_semicolons_hashes_and_quotes(void **state) {
        assert_reads(state, "[a]\nk = v ; w # x \"y\" [z] = :\n",
                     "1 [a]\n2 [a] k=v ; w # x \"y\" [z] = :\n");
}

static void an_indented_line_is_a_line_of_its_own(void **state) {
        assert_reads(state, "[a]\nk = 1\n    l = 2\n", "1 [a]\n2 [a] k=1\n3 [a] l=2\n");
        assert_refused(state, "[a]\nk = 1\n    2\n", 3, "expected KEY = VALUE");
        assert_refused(state, "[a]\nk = 1\n    [::]:1\n", 3, "nothing behind it");
}

static void long_lines_come_whole_up_to_the_limit(void **state) {
        static char text[CONFIG_LINE_MAX_BYTES + 64], expected[CONFIG_LINE_MAX_BYTES + 64];
        size_t n = CONFIG_LINE_MAX_BYTES - 4;

        snprintf(text, sizeof(text), "[a]\nk = %0*d\nl = 2\n", (int) n, 7);
        snprintf(expected, sizeof(expected), "1 [a]\n2 [a] k=%0*d\n3 [a] l=2\n", (int) n, 7);
        assert_reads(state, text, expected);
        snprintf(text, sizeof(text), "[a]\nk = %0*d\nl = 2\n", (int) n + 1, 7);
        assert_refused(state, text, 2, "longer than 4096 bytes");
}

static void a_comment_may_be_longer_than_that(void **state) {
        static char text[2 * CONFIG_LINE_MAX_BYTES];

        snprintf(text, sizeof(text), "# %0*d\n[a]\n", CONFIG_LINE_MAX_BYTES + 1, 7);
        assert_reads(state, text, "2 [a]\n");
}

static void a_heading_needs_its_bracket_and_nothing_behind(void **state) {
        assert_refused(state, "[server\nworkers = 4\n", 1, "\"]\" is missing");
        assert_refused(state, "[server] workers = 4\n", 1, "nothing behind it");
        assert_refused(state, "[server] # mine\n", 1, "comments stand on lines of their own");
        assert_refused(state, "[a]]\n", 1, "nothing behind it");
}

static void a_line_that_is_nothing_is_refused_and_not_repeated(void **state) {
        const char *path = files_write(*state, "x.ini", "[tokens]\nhunter2\n");
        Seen seen = {""};
        ConfigError error;

        assert_int_equal(config_file_read(path, note, &seen, &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, ":2: expected KEY = VALUE"));
        assert_null(strstr(error.text, "hunter2"));
        assert_refused(state, "[a]\nk: v\n", 2, "expected KEY = VALUE");
        assert_refused(state, "[a]\nsha256:00 = x\n", 2, "expected KEY = VALUE");
        assert_refused(state, "[a]\n = v\n", 2, "the key is missing");
}

static void an_empty_value_is_a_value(void **state) {
        assert_reads(state, "[a]\nk =\nl = \n", "1 [a]\n2 [a] k=\n3 [a] l=\n");
}

static void a_bom_in_front_is_skipped_and_refused_elsewhere(void **state) {
        assert_reads(state, "\xef\xbb\xbf[a]\nk = 1\n", "1 [a]\n2 [a] k=1\n");
        assert_reads(state, "\xef\xbb\xbf  [a]\n", "1 [a]\n");
        assert_refused(state, "[a]\n\xef\xbb\xbf[b]\n", 2, "expected KEY = VALUE");
}

static void control_characters_are_refused_in_comments_too(void **state) {
        assert_refused_bytes(state, "[a]\nk = 1\0\n", 11, 2, "control character");
        assert_refused_bytes(state, "[a]\n#\0\n", 7, 2, "control character");
        assert_refused(state, "# old\rk = 1\r", 1, "control character");
        assert_refused(state, "[a]\nk = \x1b[2J\n", 2, "control character");
        assert_refused(state, "[a]\nk = 1\v\n", 2, "control character");
}

static void bytes_that_are_not_utf8_are_refused(void **state) {
        assert_refused(state, "[a]\nk = \xe9\n", 2, "not valid UTF-8");
        assert_refused_bytes(state, "\xff\xfe[\0a\0]\0", 8, 1, "not valid UTF-8");
}

static void crlf_and_a_missing_last_newline_are_read(void **state) {
        assert_reads(state, "[a]\r\nk = 1\r\n\r\nl = 2", "1 [a]\n2 [a] k=1\n4 [a] l=2\n");
        assert_reads(state, "", "");
        assert_reads(state, "[a]", "1 [a]\n");
}

static int refuse_second(const ConfigLine *line, void *userdata, ConfigError *error) {
        ++*(unsigned *) userdata;
        return line->number == 2 ? config_error(error, "no") : line->number == 3 ? -EIO : 0;
}

static void the_reading_ends_with_the_first_refusal(void **state) {
        const char *path = files_write(*state, "x.ini", "[a]\nk = 1\nl = 2\n[b]\n");
        ConfigError error;
        unsigned calls = 0;

        assert_int_equal(config_file_read(path, refuse_second, &calls, &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "x.ini:2: no"));
        assert_int_equal(calls, 2);
        path = files_write(*state, "x.ini", "[a]\n\nl = 2\n[b]\n");
        assert_int_equal(config_file_read(path, refuse_second, &calls, &error), -EIO);
        assert_int_equal(calls, 4);
        path = files_write(*state, "x.ini", "[a]\n[b]\n[c]\n");
        assert_int_equal(config_file_read(path, refuse_second, &calls, &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "x.ini:2: no"));
}

static void a_file_that_cannot_be_read_is_an_error_that_says_why(void **state) {
        Files *f = *state;
        Seen seen = {""};
        ConfigError error;

        assert_int_equal(config_file_read(files_path(f, "none.ini"), note, &seen, &error),
                         CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "none.ini: No such file or directory"));
        assert_int_equal(config_file_read(f->directory, note, &seen, &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "Is a directory"));
}

static void a_file_without_end_is_refused(void **state) {
        _cleanup_(freep) char *text = malloc(CONFIG_FILE_MAX_BYTES + 1);
        const char *path;
        Seen seen = {""};
        ConfigError error;

        assert_non_null(text);
        memset(text, '\n', CONFIG_FILE_MAX_BYTES + 1);
        assert_reads_bytes(state, text, CONFIG_FILE_MAX_BYTES, "");
        path = files_write_bytes(*state, "x.ini", text, CONFIG_FILE_MAX_BYTES + 1);
        assert_int_equal(config_file_read(path, note, &seen, &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "larger than 1 MiB"));
        assert_int_equal(config_file_read("/dev/zero", note, &seen, &error), CONFIG_E_INVALID);
        assert_non_null(strstr(error.text, "larger than 1 MiB"));
}

static void a_long_error_is_cut_at_a_whole_character(void **state) {
        char value[1600] = "";
        ConfigError error;

        for (size_t i = 0; i < 300; i++)
                strcat(value, "\u00e9\u65e5"); /* 2 and 3 bytes */
        for (size_t shift = 0; shift < 5; shift++) {
                (void) config_error(&error, "%.*s%s", (int) shift, "abcde", value);
                assert_in_range(strlen(error.text), sizeof(error.text) - 5, sizeof(error.text) - 1);
                assert_int_equal(text_check(error.text, strlen(error.text), SIZE_MAX), 0);
        }
}

static void an_error_shows_the_beginning_of_a_value(void **state) {
        assert_string_equal(config_shown("short").text, "short");
        assert_string_equal(config_shown("0123456789012345678901234567890123456789"
                                         "0123456789012345678901234567890123456789")
                                    .text,
                            "0123456789012345678901234567890123456789"
                            "012345678901234567890123…");
}

static int note_mode(const ConfigLine *line, void *userdata, ConfigError *error) {
        *(bool *) userdata = line->world_readable;
        return 0;
}

static void each_line_says_whether_everybody_can_read_it(void **state) {
        const char *path = files_write(*state, "x.ini", "[a]\nk = 1\n");
        ConfigError error;
        bool world_readable = true;

        assert_int_equal(config_file_read(path, note_mode, &world_readable, &error), 0);
        assert_false(world_readable);
        assert_int_equal(chmod(path, 0604), 0);
        assert_int_equal(config_file_read(path, note_mode, &world_readable, &error), 0);
        assert_true(world_readable);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILES(sections_keys_and_values_are_read_with_their_lines),
                WITH_FILES(blanks_around_keys_and_values_do_not_count),
                WITH_FILES(comments_and_empty_lines_are_skipped_and_counted),
                WITH_FILES(a_value_keeps_its_semicolons_hashes_and_quotes),
                WITH_FILES(an_indented_line_is_a_line_of_its_own),
                WITH_FILES(long_lines_come_whole_up_to_the_limit),
                WITH_FILES(a_comment_may_be_longer_than_that),
                WITH_FILES(a_heading_needs_its_bracket_and_nothing_behind),
                WITH_FILES(a_line_that_is_nothing_is_refused_and_not_repeated),
                WITH_FILES(an_empty_value_is_a_value),
                WITH_FILES(a_bom_in_front_is_skipped_and_refused_elsewhere),
                WITH_FILES(control_characters_are_refused_in_comments_too),
                WITH_FILES(bytes_that_are_not_utf8_are_refused),
                WITH_FILES(crlf_and_a_missing_last_newline_are_read),
                WITH_FILES(the_reading_ends_with_the_first_refusal),
                WITH_FILES(a_file_that_cannot_be_read_is_an_error_that_says_why),
                WITH_FILES(a_file_without_end_is_refused),
                cmocka_unit_test(a_long_error_is_cut_at_a_whole_character),
                cmocka_unit_test(an_error_shows_the_beginning_of_a_value),
                WITH_FILES(each_line_says_whether_everybody_can_read_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
