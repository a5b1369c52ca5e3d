/* SPDX-License-Identifier: MIT */
/* Lines out of a descriptor, whatever pieces they come in. */
#include "client/input.h"

#include <string.h>

#include "tests/unit/test.h"

#define MAX 8

typedef struct World {
        int fds[2];
        Input *input;
} World;

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        assert_int_equal(pipe(w->fds), 0);
        assert_int_equal(input_new(&w->input, w->fds[0], MAX), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        input_free(w->input);
        close_fd(w->fds[0]);
        close_fd(w->fds[1]);
        free(w);
        return 0;
}

static void put(World *w, const char *text) {
        assert_int_equal(write(w->fds[1], text, strlen(text)), strlen(text));
}

static void end(World *w) {
        w->fds[1] = close_fd(w->fds[1]);
}

/* The next line, reading as long as there is none; NULL at the end. */
static const char *line(World *w, size_t *n) {
        const char *text;

        while (!(text = input_line(w->input, n))) {
                if (input_ended(w->input))
                        return NULL;
                assert_int_equal(input_read(w->input), 0);
        }
        return text;
}

static void expect(World *w, const char *text) {
        size_t n;
        const char *got = line(w, &n);

        assert_non_null(got);
        assert_int_equal(n, strlen(text));
        assert_memory_equal(got, text, n);
}

static void expect_too_long(World *w) {
        size_t n;

        assert_non_null(line(w, &n));
        assert_true(n > MAX);
}

static void expect_end(World *w) {
        size_t n;

        assert_null(line(w, &n));
        assert_true(input_ended(w->input));
}

static void lines_come_one_by_one(void **state) {
        World *w = *state;

        put(w, "a\n\nbc\n");
        expect(w, "a");
        expect(w, "");
        expect(w, "bc");
        end(w);
        expect_end(w);
}

static void a_line_may_come_in_pieces(void **state) {
        World *w = *state;
        size_t n;

        put(w, "a");
        assert_int_equal(input_read(w->input), 0);
        assert_null(input_line(w->input, &n));
        put(w, "b\nc");
        expect(w, "ab");
        assert_null(input_line(w->input, &n));
        assert_false(input_ended(w->input));
        put(w, "d\n");
        expect(w, "cd");
}

static void the_last_line_may_lack_its_newline(void **state) {
        World *w = *state;

        put(w, "a\nb");
        end(w);
        expect(w, "a");
        expect(w, "b");
        expect_end(w);
}

static void no_input_has_no_lines(void **state) {
        World *w = *state;

        end(w);
        expect_end(w);
}

static void the_longest_line_fits(void **state) {
        World *w = *state;

        put(w, "12345678\nabcdefgh\nABCDEFGH");
        end(w);
        expect(w, "12345678");
        expect(w, "abcdefgh");
        expect(w, "ABCDEFGH");
        expect_end(w);
}

static void longer_ones_are_told_of_once_and_skipped(void **state) {
        World *w = *state;

        put(w, "123456789\nshort\n0123456789abcdef0123456789abcdef\nshort\n");
        expect_too_long(w);
        expect(w, "short");
        expect_too_long(w);
        expect(w, "short");
        put(w, "012345678");
        end(w);
        expect_too_long(w);
        expect_end(w);
}

static void an_error_of_the_input_is_an_error(void **state) {
        World *w = *state;

        w->fds[0] = close_fd(w->fds[0]);
        assert_int_equal(input_read(w->input), -EBADF);
}

#define WITH_PIPE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_PIPE(lines_come_one_by_one),
                WITH_PIPE(a_line_may_come_in_pieces),
                WITH_PIPE(the_last_line_may_lack_its_newline),
                WITH_PIPE(no_input_has_no_lines),
                WITH_PIPE(the_longest_line_fits),
                WITH_PIPE(longer_ones_are_told_of_once_and_skipped),
                WITH_PIPE(an_error_of_the_input_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
