/* SPDX-License-Identifier: MIT */
/*
 * One INI file, line by line. inih splits the lines; what it would misread (continued and
 * overlong lines, a heading without its bracket, a missing "=", NULs) never reaches it but is an
 * error here. Values come as they stand, without the blanks around them: there are no comments
 * behind a value, no quotes and no escapes.
 */
#pragma once

#include <stdbool.h>

#include "proto/base.h"

#define CONFIG_FILE_MAX_BYTES (1024 * 1024)
#define CONFIG_LINE_MAX_BYTES 4096
#define CONFIG_BLANKS " \t" /* what separates */

/* What was wrong and where, one line, for whoever asked: "chatroom.ini:12: …". Never a token. */
typedef struct ConfigError {
        char text[512];
} ConfigError;

enum {
        CONFIG_E_INVALID = 1, /* error->text says what */
};

typedef struct ConfigLine {
        unsigned number;     /* from 1 */
        bool world_readable; /* the file is */
        const char *section; /* "" before the first heading */
        const char *key;     /* NULL: the line is the heading of the section */
        const char *value;
} ConfigLine;

/* Called for each heading and each KEY = VALUE; whatever it returns but 0 ends the reading. A text
 * that it leaves in the error gets the file and the line put in front. */
typedef int (*ConfigLineFn)(const ConfigLine *line, void *userdata, ConfigError *error);

/* Outcome: CONFIG_E_INVALID, also for a file that cannot be read. Sets inih's switches, which the
 * whole process has in common: call it from one thread at a time. */
int config_file_read(const char *path, ConfigLineFn fn, void *userdata, ConfigError *error);

/* As config_file_read(), but leaves out the lines that are wrong and goes on behind them. The
 * outcome and the error are those of the first. */
int config_file_skim(const char *path, ConfigLineFn fn, void *userdata, ConfigError *error);

/* What an error may say of a value: its beginning, whole characters only. */
typedef struct ConfigShown {
        char text[68];
} ConfigShown;
ConfigShown config_shown(const char *value);

/* Fills in the error, cut to whole characters; returns CONFIG_E_INVALID. */
int config_error(ConfigError *error, const char *format, ...) _printf_(2, 3);
