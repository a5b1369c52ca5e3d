/* SPDX-License-Identifier: MIT */
/*
 * Makes drop-ins for the units from the configuration, so that it is the one source of where the
 * daemon listens.
 */
#pragma once

#include "service/config.h"

/* Writes UNITS/chatroom.socket.d/, UNITS/chatroom-control.socket.d/ and, where it takes one,
 * UNITS/chatroom.service.d/. A configuration that is
 * wrong does not close the room's door: CONFIG_E_INVALID says that drop-ins were made of what is
 * right in it, and that error says what is not. */
int generator_run(const char *config_path, const char *units, ConfigError *error);
