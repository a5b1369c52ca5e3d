/* SPDX-License-Identifier: MIT */
/*
 * Accepting connections for the chat port: whoever may not come in is turned away before a byte of
 * theirs is read. The loop's.
 */
#pragma once

/* What an operator types to have the service manager's sockets made anew. */
#define LISTENER_RESTART "systemctl daemon-reload && systemctl restart chatroom.socket"

typedef struct Service Service;

int listener_start(Service *s);
void listener_stop(Service *s);
