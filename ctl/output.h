/* SPDX-License-Identifier: MIT */
/*
 * What chatctl says: lines, tables and complaints. All of it may hold text from users, so all of
 * it is made fit for a terminal here.
 */
#pragma once

#include <stdbool.h>

#include "proto/base.h"

/* "chatctl: …" on standard error. Newlines stay. */
void complain(const char *format, ...) _printf_(1, 2);
/* The same without "chatctl: ": a hint after a complaint, or what stands beside the answer. */
void remark(const char *format, ...) _printf_(1, 2);
/* A line on standard output. */
void say(const char *format, ...) _printf_(1, 2);

/* "2 sessions", "1 session". */
typedef struct Counted {
        char text[48];
} Counted;
Counted counted(unsigned long long n, const char *thing);

typedef struct Column {
        const char *title; /* NULL in all of them: no line of titles */
        bool right;        /* flush right */
} Column;

typedef struct Table Table;

/* columns stays the caller's, who keeps it as long as the table. */
int table_new(Table **ret, const Column *columns, size_t n_columns);
Table *table_free(Table *t);
/* One cell per column; copies. */
int table_add(Table *t, const char *const *cells);

/* width 0: tab-separated, whole, no titles. Otherwise columns of that many character cells in all,
 * with the widest columns cut to make it so. */
void table_print(const Table *t, FILE *out, size_t width);
/* On standard output, in the way that fits it. */
void table_show(const Table *t);
/* The same, but nothing is cut: for what is one thing in many lines. */
void table_show_whole(const Table *t);

DEFINE_CLEANUP(Table *, table_free);
