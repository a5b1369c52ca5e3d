/* SPDX-License-Identifier: MIT */
/* What is offered without a daemon: verbs, options, files. */
#include "ctl/complete.h"

#include <string.h>

#include "ctl/verbs.h"
#include "tests/unit/test.h"

#define MOST 16
#define NOWHERE "/nonexistent/control.sock"

/* The candidates for these words, separated by |, as "a b c ". */
static char *offered(const char *text) {
        static char candidates[1024];
        _cleanup_(freep) char *copy = strdup(text), *output = NULL;
        char *words[MOST], *rest = copy, *lines;
        size_t size, used = 0;
        int n = 0;
        FILE *out = open_memstream(&output, &size);

        assert_non_null(out);
        while (rest) {
                assert_true(n < MOST);
                words[n++] = strsep(&rest, "|");
        }
        assert_int_equal(complete(words, n, out), 0);
        assert_int_equal(fclose(out), 0);
        *candidates = '\0';
        for (lines = output; *lines; lines = strchr(lines, '\n') + 1)
                used += (size_t) snprintf(candidates + used, sizeof(candidates) - used, "%.*s ",
                                          (int) strcspn(lines, "\t\n"), lines);
        return candidates;
}

static void the_first_word_is_a_verb_or_a_group(void **state) {
        assert_string_equal(offered(""), "users kick revoke unrevoke token reload status check ");
        assert_string_equal(offered("re"), "revoke reload ");
        assert_string_equal(offered("x"), "");
        assert_string_equal(offered("--json|st"), "status ");
        assert_string_equal(offered("--timeout|2s|st"), "status ");
        assert_string_equal(offered("--timeout=2s|st"), "status ");
}

static void the_second_word_of_a_group_is_offered(void **state) {
        assert_string_equal(offered("token|"), "add list remove rotate ");
        assert_string_equal(offered("token|r"), "remove rotate ");
        assert_string_equal(offered("frobnicate|"), "");
        assert_string_equal(offered("token|frobnicate|"), "");
}

static void options_are_those_of_the_verb(void **state) {
        assert_string_equal(offered("-"), "--json --socket --timeout --help --version ");
        assert_string_equal(offered("kick|bob|--r"), "--reason ");
        assert_string_equal(offered("users|--r"), "");
        assert_string_equal(offered("token|add|--"),
                            "--label --expires --json --socket --timeout --help --version ");
        assert_string_equal(offered("revoke|--to"), "--token ");
}

static void a_value_is_not_a_word_of_the_verb(void **state) {
        assert_string_equal(offered("kick|--reason|"), "");
        assert_string_equal(offered("kick|--reason|-"), "");
        assert_string_equal(offered("--socket|"), ":files ");
        assert_string_equal(offered("--socket|=|/ru"), ":files "); /* as bash has it */
        assert_string_equal(offered("--socket|="), ":files ");
        assert_string_equal(offered("users|--socket|/run"), ":files ");
}

static void nothing_is_offered_when_there_is_nobody_to_ask(void **state) {
        assert_string_equal(offered("--socket|" NOWHERE "|kick|"), "");
        assert_string_equal(offered("--socket|=|" NOWHERE "|kick|"), "");
        assert_string_equal(offered("--socket=" NOWHERE "|revoke|--token|"), "");
        assert_string_equal(offered("--socket=" NOWHERE "|token|remove|"), "");
}

static void each_candidate_is_explained(void **state) {
        _cleanup_(freep) char *output = NULL;
        size_t size;
        char *words[] = {(char *) ""};
        FILE *out = open_memstream(&output, &size);

        assert_non_null(out);
        complete(words, 1, out);
        assert_int_equal(fclose(out), 0);
        assert_non_null(strstr(output, "token\tadd, list, remove, rotate\n"));
        assert_non_null(strstr(output, "status\tshow on one screen"));
}

static void no_words_at_all_are_no_reason_to_crash(void **state) {
        char *none[1] = {NULL};
        _cleanup_(fclosep) FILE *out = tmpfile();

        assert_non_null(out);
        assert_int_equal(complete(none, 0, out), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_word_is_a_verb_or_a_group),
                cmocka_unit_test(the_second_word_of_a_group_is_offered),
                cmocka_unit_test(options_are_those_of_the_verb),
                cmocka_unit_test(a_value_is_not_a_word_of_the_verb),
                cmocka_unit_test(nothing_is_offered_when_there_is_nobody_to_ask),
                cmocka_unit_test(each_candidate_is_explained),
                cmocka_unit_test(no_words_at_all_are_no_reason_to_crash),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
