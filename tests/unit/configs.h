/* SPDX-License-Identifier: MIT */
/* Configurations for tests: whatever goes wrong fails the test. */
#pragma once

#include "service/config.h"
#include "tests/unit/files.h"

Config *load_config(const char *path);
/* *state is a Files; the text becomes its x.ini. */
Config *load_config_text(void **state, const char *text);

/* Refused with a message that contains `place` and `what`. */
void assert_config_refused(const char *path, const char *place, const char *what);
void assert_text_refused(void **state, const char *text, const char *place, const char *what);
