/* SPDX-License-Identifier: MIT */
/*
 * The configuration from arbitrary bytes, through a file in memory. What was accepted is within its
 * bounds; what was refused says where and why, in one line that can be sent and logged.
 */
#include "service/config.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "service/text.h"
#include "tests/fuzz/fuzz.h"

static void check_config(const Config *c) {
        const Limits *l = &c->limits;

        REQUIRE(c->n_listen >= 1 && c->n_listen <= CONFIG_LISTEN_MAX);
        REQUIRE(c->n_allow >= 1 && c->n_allow <= CONFIG_ALLOW_MAX);
        REQUIRE(config_allows(c, &c->allow[0].address));
        REQUIRE(c->control[0] == '/' && c->admin_group[0] != '\0');
        REQUIRE(l->max_connections >= 1 && l->max_text >= 1 && l->rate_per_second >= 1);
        REQUIRE(l->max_frame > l->max_text);
        REQUIRE(token_table_size(c->tokens) >= c->n_plain_tokens);
}

static void check_error(const ConfigError *error, const char *path) {
        size_t n = strlen(error->text);

        REQUIRE(strncmp(error->text, path, strlen(path)) == 0);
        REQUIRE(n > strlen(path) && !strchr(error->text, '\n'));
        REQUIRE(text_check(error->text, n, sizeof(error->text)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        _cleanup_(closep) int fd = memfd_create("fuzz.ini", MFD_CLOEXEC);
        _cleanup_(config_freep) Config *c = NULL;
        ConfigError error;
        char path[64];
        int r;

        REQUIRE(fd >= 0 && fchmod(fd, 0600) == 0);
        REQUIRE(write(fd, bytes, n) == (ssize_t) n);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        r = config_load(&c, path, &error);
        REQUIRE(r == 0 || r == CONFIG_E_INVALID);
        if (r == 0)
                check_config(c);
        else
                check_error(&error, path);
        return 0;
}
