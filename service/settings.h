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
/* What a reload could not put in force, each with what does; logged as well. */
typedef struct SettingsNotes {
        char text[5][256];
        size_t n;
} SettingsNotes;

/* Reads the configuration again: all of it, or none. error->text says what was wrong. */
int settings_reload(Service *s, SettingsNotes *notes, ConfigError *error);
