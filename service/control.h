/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a gRPC server of its own, with its own queue and mailbox, so that the
 * operator's methods do not exist on TCP and are answered before any chat. Who may use it is
 * decided once per connection, by what the kernel says of the peer. The loop's.
 */
#pragma once

#include <stdbool.h>

typedef struct AdminCall AdminCall;
typedef struct Control Control;
typedef struct Service Service;

/* Takes the socket that was passed, or binds one. *ret NULL: there is none, and that has been
 * logged. What goes wrong has been logged. */
int control_new(Control **ret, Service *s);
int control_start(Control *c);
Control *control_free(Control *c);

/* The configuration has changed: admin_group may name somebody else now. */
void control_configure(Control *c);
/* A connection that was just accepted. Takes the descriptor. */
void control_admit(Control *c, int fd);
/* Ends what waits for a request that does not come. */
void control_sweep(Control *c);

/* A call that was busy is not any more. */
void control_done(AdminCall *a);

/* The end, as drain.h wants it; a Control that is NULL has ended long ago. */
void control_drain(Control *c);
bool control_drained(const Control *c);
bool control_idle(const Control *c);
void control_cut(Control *c);
void control_linger_over(Control *c);
