/* SPDX-License-Identifier: MIT */
/*
 * One function decides where a line goes: to journald with its fields if standard error is the
 * stream that journald gave us (JOURNAL_STREAM names its device and inode), else to standard error.
 * Nothing is kept between calls. Debug lines are dropped unless SYSTEMD_LOG_LEVEL=debug.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "service/journal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define FIELDS_MAX 16

static const char *const message_ids[JOURNAL_KINDS] = {
        [JOURNAL_STARTED] = "7e041897ee38461e8c4f6043b2757b13",
        [JOURNAL_STOPPED] = "13eb7165635243e58e015f7f938b0d42",
        [JOURNAL_RELOADED] = "271d44cdc7004690bf4b985a5f4a9f00",
        [JOURNAL_RELOAD_FAILED] = "86426eb91017403cac3ca8f2653fe877",
        [JOURNAL_JOINED] = "803f63345dcc4c0d802803747b53ca88",
        [JOURNAL_LEFT] = "ffca03e1776b4b5cb338129bf40994e7",
        [JOURNAL_REFUSED] = "4e0c52fe2aee424081b0a932c84b3a9f",
        [JOURNAL_CUT] = "5c4b3d1348fd4e83a9e3fcb641eb64f4",
        [JOURNAL_VERB] = "c07cd848c1bb4d4fa2f495dce2439dfa",
};

typedef struct Fields {
        struct iovec iov[FIELDS_MAX];
        char *owned[FIELDS_MAX];
        int n;
} Fields;

static void fields_done(Fields *f) {
        for (int i = 0; i < f->n; i++)
                free(f->owned[i]);
}

_printf_(2, 3) static void fields_add(Fields *f, const char *format, ...) {
        va_list args;
        int n;

        if (f->n == FIELDS_MAX)
                return;
        va_start(args, format);
        n = vasprintf(&f->owned[f->n], format, args);
        va_end(args);
        if (n < 0)
                return;
        f->iov[f->n] = (struct iovec){f->owned[f->n], (size_t) n};
        f->n++;
}

static void fields_add_string(Fields *f, const char *name, const char *value) {
        if (value)
                fields_add(f, "%s=%s", name, value);
}

static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static bool wanted(int priority) {
        const char *level;

        if (priority < LOG_DEBUG)
                return true;
        level = getenv("SYSTEMD_LOG_LEVEL");
        return level && strcmp(level, "debug") == 0;
}

static void add_actor(Fields *f, const JournalActor *actor) {
        fields_add(f, "CHATROOM_UID=%u", actor->uid);
        fields_add(f, "CHATROOM_PID=%d", actor->pid);
        fields_add_string(f, "CHATROOM_SUDO_USER", actor->claimed);
}

static void send_fields(int priority, const JournalEvent *e, const char *text) {
        _cleanup_(fields_done) Fields f = {0};

        fields_add(&f, "MESSAGE=%s", text);
        fields_add(&f, "PRIORITY=%d", priority);
        fields_add(&f, "SYSLOG_IDENTIFIER=chatroomd");
        if (e) {
                fields_add_string(&f, "MESSAGE_ID", message_ids[e->kind]);
                fields_add_string(&f, "CHATROOM_USER", e->user);
                fields_add_string(&f, "CHATROOM_ADDRESS", e->address);
                fields_add_string(&f, "CHATROOM_VERB", e->verb);
                fields_add_string(&f, "CHATROOM_REASON", e->reason);
                fields_add_string(&f, "CHATROOM_TOKEN", e->token_id);
                if (e->actor)
                        add_actor(&f, e->actor);
                if (e->session)
                        fields_add(&f, "CHATROOM_SESSION=@%llu", (unsigned long long) e->session);
        }
        (void) sd_journal_sendv(f.iov, f.n);
}

static void write_text(int priority, const JournalEvent *event, const char *text) {
        if (stderr_is_journal())
                send_fields(priority, event, text);
        else
                fprintf(stderr, "%s\n", text);
}

void journal_write(int priority, const JournalEvent *event, const char *format, ...) {
        char text[1024];
        va_list args;

        if (!wanted(priority))
                return;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        write_text(priority, event, text);
}

int log_errno(int r, const char *format, ...) {
        char text[512];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        journal_write(LOG_ERR, NULL, "%s: %s", text, strerror(-r));
        return r;
}
