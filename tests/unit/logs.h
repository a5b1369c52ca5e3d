/* SPDX-License-Identifier: MIT */
/* What the tests of the log say and expect. */
#pragma once

#include "service/log.h"
#include "tests/unit/files.h"

/* The boot that a test is in, unless it says otherwise. */
#define LOGS_BOOT "boot-1"

/* Opens it with nothing to complain of. */
Log *logs_open(const char *directory, const LogOptions *options);
/* With these words among what it complains of; "": with nothing. */
Log *logs_open_with(Files *f, const LogOptions *options, const char *words);
Log *logs_open_in(Files *f, const char *boot, bool full_sync, const char *words);

/* A message of "text ID" as it will be, if nothing else is taken before it. */
typedef struct LogsMessage {
        LogMessage message;
        char text[64];
} LogsMessage;
void logs_make(LogsMessage *ret, uint64_t id, int64_t time_ms);
/* Takes n of them, in one group. */
void logs_say(Log *l, size_t n, int64_t time_ms);
/* The same, of one each, in a process that is gone then without a word. */
void logs_say_and_die(Files *f, const LogOptions *options, size_t n);
/* One with a key that starts with this byte, and this text. */
LogMessage logs_keyed(uint8_t key, const char *text);

/* All of these, and no others, are there, whole. */
void logs_expect(Log *l, uint64_t first, uint64_t last);
