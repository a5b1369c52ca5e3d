/* SPDX-License-Identifier: MIT */
/* A directory of its own for a test that needs files; gone when the test is. */
#pragma once

#include <stddef.h>

typedef struct Files {
        char directory[64];
} Files;

/* A row of cmocka's table: the test's *state is a Files. */
#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, files_setup, files_teardown)
int files_setup(void **state);
int files_teardown(void **state);

/* The path of a file in the directory; good until the next call. */
const char *files_path(Files *f, const char *name);
/* Writes n bytes to NAME, in a directory "X.d" if the name says so; mode 0640. Returns its path. */
const char *files_write_bytes(Files *f, const char *name, const char *bytes, size_t n);
const char *files_write(Files *f, const char *name, const char *text);
