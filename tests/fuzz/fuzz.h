/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers have in common. Each FUZZER.c defines the function that libFuzzer calls; linked
 * with replay.c instead of libFuzzer it runs the files of corpus/FUZZER in every test run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What must hold for every input; not assert(), which a build may leave out. */
#define REQUIRE(what)                                                                              \
        do {                                                                                       \
                if (!(what)) {                                                                     \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);         \
                        abort();                                                                   \
                }                                                                                  \
        } while (0)
