/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: read whole, checked whole, or not at all. Every key is a row of a
 * table; whatever the table does not know is an error that says file, line, key and what would be
 * right. Drop-ins (FILE.d/\*.ini, in the order of their names) are read after the file itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/address.h"
#include "service/limits.h"
#include "service/token.h"

#define CONFIG_LISTEN_MAX 16
#define CONFIG_ALLOW_MAX 64

typedef struct Config {
        Address listen[CONFIG_LISTEN_MAX];
        size_t n_listen;
        Network allow[CONFIG_ALLOW_MAX];
        size_t n_allow;
        char *control;     /* path of the control socket */
        char *admin_group; /* name of the group that may use it */
        unsigned workers;  /* 0: one per CPU */
        Limits limits;
        TokenTable *tokens;
        size_t n_plain_tokens; /* how many stand in the file in clear: worth a warning */
} Config;

/* What was wrong and where, one line, for whoever asked: "chatroom.ini:12: …". */
typedef struct ConfigError {
        char text[512];
} ConfigError;

enum {
        CONFIG_E_INVALID = 1, /* error->text says what */
};

/* path NULL: the defaults alone. Outcome: CONFIG_E_INVALID (also: file missing or unreadable, or
 * readable by everybody while it holds plain tokens). */
int config_load(Config **ret, const char *path, ConfigError *error);
Config *config_free(Config *c);

/* Reads one address into the list that --listen and `listen =` share. Outcome: CONFIG_E_INVALID. */
int config_add_listen(Config *c, const char *text, ConfigError *error);

bool config_allows(const Config *c, const Address *peer);
