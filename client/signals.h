/* SPDX-License-Identifier: MIT */
/* Signals that end the program in order: SIGINT, SIGTERM, SIGHUP. */
#pragma once

/* Blocks them, in this thread and in those that it starts, and returns a signalfd that they arrive
 * at. One that the program was started with ignoring (nohup) stays ignored. */
int signals_block(void);

/* The number of a signal that has arrived at the signalfd; 0 when none has. */
int signals_take(int fd);

/* From here on they do what they do to any program: end it at once. */
void signals_unblock(void);
