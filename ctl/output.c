/* SPDX-License-Identifier: MIT */
/*
 * Lines and tables. Widths are counted in the cells of a terminal, not in bytes: names may be
 * written in any script. A failed write is not noticed here but by main(), once, at the end.
 */
#include "ctl/output.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistr.h>
#include <uniwidth.h>

#include "proto/printable.h"

#define GAP 2        /* between two columns */
#define NARROWEST 4  /* no column is cut further */
#define COLUMNS 80   /* of a terminal that does not say */
#define ELLIPSIS "…" /* one cell wide */

struct Table {
        const Column *columns;
        size_t n_columns;
        char **cells; /* row by row */
        size_t n_rows;
};

static void put_printable(FILE *out, const char *prefix, const char *format, va_list arguments) {
        _cleanup_(freep) char *raw = NULL, *text = NULL;
        int n = vasprintf(&raw, format, arguments);

        if (n < 0)
                raw = NULL;
        else if (printable(&text, raw, (size_t) n, NULL, "\n") == 0)
                fprintf(out, "%s%s\n", prefix, text);
}

void complain(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        put_printable(stderr, "chatctl: ", format, arguments);
        va_end(arguments);
}

void remark(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        put_printable(stderr, "", format, arguments);
        va_end(arguments);
}

void say(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        put_printable(stdout, "", format, arguments);
        va_end(arguments);
}

Counted counted(unsigned long long n, const char *thing) {
        Counted c;

        snprintf(c.text, sizeof(c.text), "%llu %s%s", n, thing, n == 1 ? "" : "s");
        return c;
}

int table_new(Table **ret, const Column *columns, size_t n_columns) {
        Table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->columns = columns;
        t->n_columns = n_columns;
        *ret = t;
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
                free(t->cells[i]);
        free(t->cells);
        free(t);
        return NULL;
}

int table_add(Table *t, const char *const *cells) {
        size_t n = t->n_rows * t->n_columns;
        char **all = realloc(t->cells, (n + t->n_columns) * sizeof(*all));

        if (!all)
                return -ENOMEM;
        t->cells = all;
        for (size_t i = 0; i < t->n_columns; i++) {
                int r = printable(&all[n + i], cells[i], strlen(cells[i]), NULL, NULL);

                if (r < 0) {
                        while (i > 0)
                                free(all[n + --i]);
                        return r;
                }
        }
        t->n_rows++;
        return 0;
}

static size_t width_of(const char *text) {
        int n = u8_strwidth((const uint8_t *) text, "UTF-8");

        return n > 0 ? (size_t) n : 0;
}

/* The width of each column, and what all of them come to. */
static size_t measure(const Table *t, size_t *widths) {
        size_t total = GAP * (t->n_columns - 1);

        for (size_t c = 0; c < t->n_columns; c++) {
                widths[c] = t->columns[c].title ? width_of(t->columns[c].title) : 0;
                for (size_t row = 0; row < t->n_rows; row++) {
                        size_t w = width_of(t->cells[row * t->n_columns + c]);

                        widths[c] = w > widths[c] ? w : widths[c];
                }
                total += widths[c];
        }
        return total;
}

static void fit(size_t *widths, size_t n, size_t total, size_t width) {
        for (; total > width; total--) {
                size_t widest = 0;

                for (size_t c = 1; c < n; c++)
                        if (widths[c] > widths[widest])
                                widest = c;
                if (widths[widest] <= NARROWEST)
                        return;
                widths[widest]--;
        }
}

/* As much of the text as goes into so many cells. */
static void put_cut(FILE *out, const char *text, size_t width) {
        const uint8_t *p = (const uint8_t *) text;
        size_t used = 0;

        for (;;) {
                ucs4_t c;
                const uint8_t *next = u8_next(&c, p);
                int w = next ? uc_width(c, "UTF-8") : 0;

                if (!next || used + (size_t) (w > 0 ? w : 0) > width - 1)
                        break;
                used += (size_t) (w > 0 ? w : 0);
                p = next;
        }
        fprintf(out, "%.*s" ELLIPSIS "%*s", (int) ((const char *) p - text), text,
                (int) (width - 1 - used), "");
}

static void put_row(const Table *t, FILE *out, const size_t *widths, char *const *cells) {
        for (size_t c = 0; c < t->n_columns; c++) {
                const char *text = cells ? cells[c] : t->columns[c].title;
                size_t w = width_of(text);
                int space = w < widths[c] ? (int) (widths[c] - w) : 0;
                bool last = c + 1 == t->n_columns;

                if (t->columns[c].right)
                        fprintf(out, "%*s", space, "");
                if (w > widths[c])
                        put_cut(out, text, widths[c]);
                else
                        fputs(text, out);
                if (!last)
                        fprintf(out, "%*s", GAP + (t->columns[c].right ? 0 : space), "");
        }
        fputc('\n', out);
}

static void put_tabbed(const Table *t, FILE *out) {
        for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
                fprintf(out, "%s%c", t->cells[i], (i + 1) % t->n_columns == 0 ? '\n' : '\t');
}

void table_print(const Table *t, FILE *out, size_t width) {
        _cleanup_(freep) size_t *widths = NULL;

        widths = width > 0 ? calloc(t->n_columns, sizeof(*widths)) : NULL;
        if (!widths) {
                put_tabbed(t, out);
                return;
        }
        fit(widths, t->n_columns, measure(t, widths), width);
        if (t->columns[0].title)
                put_row(t, out, widths, NULL);
        for (size_t row = 0; row < t->n_rows; row++)
                put_row(t, out, widths, t->cells + row * t->n_columns);
}

void table_show(const Table *t) {
        struct winsize size;
        size_t width = 0;

        if (isatty(STDOUT_FILENO)) {
                width = COLUMNS;
                if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                        width = size.ws_col;
        }
        table_print(t, stdout, width);
}

void table_show_whole(const Table *t) {
        table_print(t, stdout, isatty(STDOUT_FILENO) ? SIZE_MAX : 0);
}
