/* SPDX-License-Identifier: MIT */
/* The configuration as it is in force. The loop's. */
#pragma once

#include "service/config.h"
#include "service/options.h"

typedef struct Service Service;

/* What the command line says goes before what the file says. Outcome: CONFIG_E_INVALID. */
int settings_override(Config *config, const Options *options, ConfigError *error);
/* No more connections than there can be open files. */
void settings_clamp(Config *config);
/* Says what an operator should know about his tokens. */
void settings_warn(const Service *s);
/* What a reload cannot put in force, each with what does. */
typedef struct SettingsNotes {
        char text[5][256];
        size_t n;
} SettingsNotes;

/* Reads the configuration again: all of it, or none. error->text says what was wrong. The notes are
 * logged as well. */
int settings_reload(Service *s, SettingsNotes *notes, ConfigError *error);

/* What a reload would come to. */
typedef struct SettingsCheck {
        Config *config; /* as the files have it now; NULL: they are wrong */
        ConfigError error;
        const char *unread[32]; /* the keys, and "[tokens]", that it would put in force */
        size_t n_unread;
        SettingsNotes notes; /* but for what the service manager has to do with listen and allow */
} SettingsCheck;

/* Changes nothing. Outcome: CONFIG_E_INVALID, and error.text says what is wrong. */
int settings_check(const Service *s, SettingsCheck *ret);
void settings_check_done(SettingsCheck *c);
