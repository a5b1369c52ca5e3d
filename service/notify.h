/* SPDX-License-Identifier: MIT */
/* What the service manager is told, sd_notify(3). Nothing happens without one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *format, ...) _printf_(1, 2);
void notify_watchdog(void);

/* Microseconds within which notify_watchdog() is expected; 0: it is not. */
uint64_t notify_watchdog_usec(void);
