/* SPDX-License-Identifier: MIT */
/* The table of what may stand in the configuration file but for [tokens]. For config.c alone. */
#pragma once

#include "service/config.h"

/* What a frame holds besides its text: names, ids, the encoding. */
#define FRAME_OVERHEAD 1024

#define CONFIG_ROWS 25

typedef struct ConfigRow ConfigRow;
struct ConfigRow {
        ConfigKey key;
        /* Reads a value that is not empty; a list's adds to what is there. Error: as config_load's,
         * without file and line. */
        int (*parse)(Config *c, const ConfigRow *row, const char *value, ConfigError *error);
        size_t offset; /* in Config: of the value; of a list's counter */
        bool list;
        unsigned min, max; /* of a number */
        const char *unit;  /* of a number; of a choice: its words */
};

extern const ConfigRow config_rows[CONFIG_ROWS];

bool config_row_differs(const ConfigRow *row, const Config *a, const Config *b);
