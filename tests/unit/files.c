/* SPDX-License-Identifier: MIT */
/* The directory that tests of file readers work in. */
#include "tests/unit/files.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/test.h"

int files_setup(void **state) {
        Files *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        strcpy(f->directory, "/tmp/chatroom-unit-XXXXXX");
        if (!mkdtemp(f->directory)) {
                free(f);
                return -1;
        }
        *state = f;
        return 0;
}

static int delete_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int files_teardown(void **state) {
        Files *f = *state;
        int r = nftw(f->directory, delete_entry, 8, FTW_DEPTH | FTW_PHYS);

        free(f);
        return r;
}

const char *files_path(Files *f, const char *name) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", f->directory, name);
        return path;
}

const char *files_write_bytes(Files *f, const char *name, const char *bytes, size_t n) {
        const char *slash = strchr(name, '/');
        char directory[256];
        const char *path;
        FILE *file;

        if (slash) {
                snprintf(directory, sizeof(directory), "%s/%.*s", f->directory,
                         (int) (slash - name), name);
                assert_true(mkdir(directory, 0755) == 0 || errno == EEXIST);
        }
        path = files_path(f, name);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0640), 0);
        return path;
}

const char *files_write(Files *f, const char *name, const char *text) {
        return files_write_bytes(f, name, text, strlen(text));
}
