/* SPDX-License-Identifier: MIT */
/*
 * Where things are printed: messages on the output, which may be slow (a pipe, a stopped
 * terminal) and must not stop the program meanwhile, notices and errors on stderr.
 */
#pragma once

#include "client/format.h"

typedef struct Screen Screen;

/* Does not own fd. Whether it is a terminal decides how messages look. */
int screen_new(Screen **ret, int fd, bool json);
Screen *screen_free(Screen *s);

bool screen_is_json(const Screen *s);

/* Puts a message behind what is still to be written. */
int screen_said(Screen *s, const Said *said);
/* The same with a JSON object. */
int screen_object(Screen *s, const char *type, const FormatField *fields, size_t n);
/* The same with something between the messages, for a person: "-- text". An output that is no
 * terminal is left alone; then it is a notice. text has to be fit for a terminal. */
int screen_remark(Screen *s, const char *format, ...) _printf_(2, 3);
/* The same with a line as it is. */
int screen_line(Screen *s, const char *line);
/* Bytes that are still to be written. */
size_t screen_pending(const Screen *s);
/* Writes what can be written without waiting, when poll() has found the output writable. -EPIPE:
 * nobody reads it any more. */
int screen_write(Screen *s);
/* Writes until all is written or there has been no room for timeout_ms (-1: waits for ever). */
int screen_flush(Screen *s, int timeout_ms);
/* Prints no more messages, then or later: nobody reads them. */
void screen_drop(Screen *s);
/* -1 after screen_drop(). */
int screen_fd(const Screen *s);

/* "-- text": for a person. */
void screen_notice(const char *format, ...) _printf_(1, 2);
/* "chat: text" */
void screen_error(const char *format, ...) _printf_(1, 2);

DEFINE_CLEANUP(Screen *, screen_free);
