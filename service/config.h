/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: read whole, checked whole, or not at all. Every key is a row of a
 * table; whatever the table does not know is an error that says file, line, key and what would be
 * right. Drop-ins (the files *.ini in the directory FILE.d, in the order of their names) are read
 * after the file itself: a key there takes the place of the same key in an earlier file, tokens are
 * added. The list keys `listen` and `allow` take several values on one line, separated by blanks,
 * and may stand on several lines of one file; any other key stands once in a file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/base.h"
#include "service/address.h"
#include "service/config-file.h"
#include "service/limits.h"
#include "service/token.h"

#define CONFIG_LISTEN_MAX 16
#define CONFIG_ALLOW_MAX 64

/* Words of `sync =`, in this order. */
enum {
        HISTORY_SYNC_NORMAL, /* survives kill -9 */
        HISTORY_SYNC_FULL,   /* survives the loss of power */
};

typedef struct Config {
        Address listen[CONFIG_LISTEN_MAX];
        size_t n_listen;
        Network allow[CONFIG_ALLOW_MAX];
        size_t n_allow;
        char *control;     /* path of the control socket */
        char *admin_group; /* name of the group that may use it */
        unsigned workers;  /* 0: one per CPU */
        bool reflection;
        Limits limits;
        bool history_enabled;
        unsigned history_replay; /* messages shown to who joins and does not say how many */
        unsigned history_keep_messages;
        unsigned history_keep_days;
        unsigned history_keep_bytes;
        unsigned history_sync; /* HISTORY_SYNC_* */
        TokenTable *tokens;
        size_t n_plain_tokens; /* how many stand in the file in clear: worth a warning */
} Config;

/* One key that the file may hold, for whoever lists or checks them all. */
typedef struct ConfigKey {
        const char *section;
        const char *key;
        const char *fallback; /* the default, as it would be written */
} ConfigKey;

/* path NULL: the defaults alone. Outcome: CONFIG_E_INVALID (also: file missing or unreadable, or
 * readable by everybody while it holds plain tokens). */
int config_load(Config **ret, const char *path, ConfigError *error);
/* What can be made out, for whoever must do something with a wrong file too: what is wrong is left
 * out, and a list of which nothing is right is empty. Hands out a Config with CONFIG_E_INVALID as
 * well; the error is the first. */
int config_skim(Config **ret, const char *path, ConfigError *error);
Config *config_free(Config *c);
DEFINE_CLEANUP(Config *, config_free);

/* Reads one address into the list that --listen and `listen =` share. Adds: set n_listen to 0 first
 * to replace the list. Outcome: CONFIG_E_INVALID. */
int config_add_listen(Config *c, const char *text, ConfigError *error);

bool config_allows(const Config *c, const Address *peer);

/* Whether two have different values of that key; "tokens": not the same tokens. */
bool config_differs(const Config *a, const Config *b, const char *key);

/* The i-th key of the table, from 0; false behind the last. [tokens] has none. */
bool config_key(size_t i, ConfigKey *ret);
