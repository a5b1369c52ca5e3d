/* SPDX-License-Identifier: MIT */
/* Loads configurations for the tests, from paths and from texts. */
#include "tests/unit/configs.h"

#include <string.h>

#include "tests/unit/test.h"

Config *load_config(const char *path) {
        ConfigError error;
        Config *c;

        if (config_load(&c, path, &error) != 0)
                fail_msg("%s", error.text);
        return c;
}

Config *load_config_text(void **state, const char *text) {
        return load_config(files_write(*state, "x.ini", text));
}

void assert_config_refused(const char *path, const char *place, const char *what) {
        ConfigError error;
        Config *c = NULL;

        assert_int_equal(config_load(&c, path, &error), CONFIG_E_INVALID);
        assert_null(c);
        if (!strstr(error.text, place) || !strstr(error.text, what))
                fail_msg("expected \"…%s…%s…\", got \"%s\"", place, what, error.text);
}

void assert_text_refused(void **state, const char *text, const char *place, const char *what) {
        assert_config_refused(files_write(*state, "x.ini", text), place, what);
}
