/* SPDX-License-Identifier: MIT */
/* chatroomd's command line. The strings are argv's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/config.h"

typedef struct Options {
        const char *config_path;
        const char *listen[CONFIG_LISTEN_MAX]; /* instead of the configuration's */
        size_t n_listen;
        const char *control;         /* instead of the configuration's; NULL: that one */
        const char *state_directory; /* NULL: the service manager's, if any */
        bool check_config;
} Options;

enum {
        OPTIONS_E_DONE = 1, /* --help or --version: it has been printed */
};

/* -EINVAL: wrong usage, which has been said on standard error. Outcome: OPTIONS_E_DONE. */
int options_parse(Options *ret, int argc, char **argv);
