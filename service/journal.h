/* SPDX-License-Identifier: MIT */
/*
 * The log: journald with fields where standard error is connected to it, plain lines on standard
 * error otherwise. Never a token, never the text of a message; what peers chose is quoted only
 * after it was checked.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>

#include "proto/base.h"

/* The kinds of event that have a MESSAGE_ID, and an entry in the catalog. */
typedef enum JournalKind {
        JOURNAL_PLAIN,
        JOURNAL_STARTED,
        JOURNAL_STOPPED,
        JOURNAL_RELOADED,
        JOURNAL_RELOAD_FAILED,
        JOURNAL_JOINED,
        JOURNAL_LEFT,
        JOURNAL_REFUSED,
        JOURNAL_CUT,
        JOURNAL_VERB,
        JOURNAL_KINDS,
} JournalKind;

/* Who gave an order, by the kernel's word. */
typedef struct JournalActor {
        uid_t uid;           /* CHATROOM_UID */
        pid_t pid;           /* CHATROOM_PID */
        const char *claimed; /* CHATROOM_SUDO_USER: who it says it is; or NULL */
} JournalActor;

typedef struct JournalEvent {
        JournalKind kind;
        const char *user;     /* CHATROOM_USER */
        uint64_t session;     /* CHATROOM_SESSION; 0: none */
        const char *address;  /* CHATROOM_ADDRESS */
        const char *verb;     /* CHATROOM_VERB */
        const char *reason;   /* CHATROOM_REASON */
        const char *token_id; /* CHATROOM_TOKEN */
        const JournalActor *actor;
} JournalEvent;

/* Priority: LOG_*. event NULL: no fields. Any thread. */
void journal_write(int priority, const JournalEvent *event, const char *format, ...) _printf_(3, 4);

/* A negative errno: logs "message: reason" and returns it, so that failing is one expression. */
int log_errno(int r, const char *format, ...) _printf_(2, 3);

#define log_error(...) journal_write(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) journal_write(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...) journal_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...) journal_write(LOG_DEBUG, NULL, __VA_ARGS__)
