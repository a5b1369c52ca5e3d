/* SPDX-License-Identifier: MIT */
/*
 * Accepting connections for the chat port: whoever may not come in is turned away before a byte of
 * theirs is read. The loop's.
 */
#pragma once

typedef struct Service Service;

int listener_start(Service *s);
void listener_stop(Service *s);
