/* SPDX-License-Identifier: MIT */
/* Runs a fuzzer's function on every file of a directory: what once broke stays mended. */
#include <dirent.h>
#include <string.h>

#include "proto/base.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1024 * 1024)

/* Each input in a buffer of just its size, so that reading behind it is noticed. */
static void replay(const char *path) {
        _cleanup_(freep) uint8_t *bytes = malloc(INPUT_MAX), *exact = NULL;
        _cleanup_(fclosep) FILE *file = fopen(path, "r");
        size_t n;

        REQUIRE(bytes && file);
        n = fread(bytes, 1, INPUT_MAX, file);
        REQUIRE(!ferror(file));
        exact = malloc(n > 0 ? n : 1);
        REQUIRE(exact);
        memcpy(exact, bytes, n);
        printf("# %s\n", path);
        fflush(stdout);
        LLVMFuzzerTestOneInput(exact, n);
}

static int is_input(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

int main(int argc, char **argv) {
        struct dirent **entries;
        char path[4096];
        int n;

        REQUIRE(argc == 2);
        n = scandir(argv[1], &entries, is_input, alphasort);
        REQUIRE(n > 0);
        for (int i = 0; i < n; i++) {
                snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
                replay(path);
                free(entries[i]);
        }
        free(entries);
        return EXIT_SUCCESS;
}
