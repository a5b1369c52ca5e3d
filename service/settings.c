/* SPDX-License-Identifier: MIT */
/*
 * From a configuration to what is done: what the command line and the system make of it, and how a
 * new one takes the place of the old one while everything runs.
 */
#include "service/settings.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/base.h"
#include "service/journal.h"
#include "service/listener.h"
#include "service/notify.h"
#include "service/service.h"

/* Descriptors for everything that is not a chat connection. */
#define SPARE_FDS 256

int settings_override(Config *config, const Options *options, ConfigError *error) {
        int r = 0;

        if (options->n_listen > 0)
                config->n_listen = 0;
        for (size_t i = 0; r == 0 && i < options->n_listen; i++)
                r = config_add_listen(config, options->listen[i], error);
        return r;
}

/* One descriptor each, and what is left over must do for the rest. */
void settings_clamp(Config *config) {
        struct rlimit limit;
        unsigned most;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur >= (rlim_t) config->limits.max_connections + SPARE_FDS)
                return;
        most = limit.rlim_cur > 2 * SPARE_FDS ? (unsigned) limit.rlim_cur - SPARE_FDS
                                              : (unsigned) limit.rlim_cur / 2;
        if (most == 0)
                most = 1;
        log_warning("max_connections is %u, but with at most %llu open files it can only be %u",
                    config->limits.max_connections, (unsigned long long) limit.rlim_cur, most);
        config->limits.max_connections = most;
}

void settings_warn(const Service *s) {
        if (s->config->n_plain_tokens > 0)
                log_warning("%zu tokens stand in clear in the configuration; "
                            "sha256:HASH keeps them from whoever reads it",
                            s->config->n_plain_tokens);
        if (token_table_size(access_tokens(s->access)) == 0)
                log_warning("There are no tokens, so nobody can join");
}

/* ---- what a reload cannot change */

static bool same_listen(const Config *a, const Config *b) {
        if (a->n_listen != b->n_listen)
                return false;
        for (size_t i = 0; i < a->n_listen; i++)
                if (memcmp(&a->listen[i], &b->listen[i], sizeof(a->listen[i])) != 0)
                        return false;
        return true;
}

static bool same_allow(const Config *a, const Config *b) {
        return a->n_allow == b->n_allow &&
               memcmp(a->allow, b->allow, a->n_allow * sizeof(a->allow[0])) == 0;
}

_printf_(2, 3) static void note(SettingsNotes *notes, const char *format, ...) {
        char *text = notes->text[notes->n++];
        va_list args;

        assert(notes->n <= ELEMENTS(notes->text));
        va_start(args, format);
        vsnprintf(text, sizeof(notes->text[0]), format, args);
        va_end(args);
        log_warning("%s", text);
}

/* Always against what the daemon was started with: a second reload makes none of it come true. */
static void note_sockets(const Service *s, const Config *config, SettingsNotes *notes) {
        const char *how = s->sockets.inherited ? LISTENER_RESTART : "a restart";
        const Config *then = s->started_with;

        if (!same_listen(then, config))
                note(notes, "listen has changed; what is listened on changes with: %s", how);
        if (s->sockets.control >= 0 && !s->options.control &&
            strcmp(then->control, config->control) != 0)
                note(notes, "control has changed; the control socket moves with: %s", how);
        if (s->sockets.control >= 0 && strcmp(then->admin_group, config->admin_group) != 0)
                note(notes, "admin_group has changed; the control socket's file changes with: %s",
                     how);
}

static void note_start(const Service *s, const Config *config, SettingsNotes *notes) {
        const Config *then = s->started_with;
        const struct {
                const char *key;
                bool changed;
        } keys[] = {
                {"workers", config->workers != then->workers},
                {"max_streams_per_connection", config->limits.max_streams_per_connection !=
                                                       then->limits.max_streams_per_connection},
                {"max_frame", config->limits.max_frame != then->limits.max_frame},
                {"[history] enabled", config->history_enabled != then->history_enabled},
        };
        char text[128] = "";

        for (size_t i = 0; i < ELEMENTS(keys); i++)
                if (keys[i].changed) {
                        size_t used = strlen(text);

                        snprintf(text + used, sizeof(text) - used, "%s%s", used > 0 ? ", " : "",
                                 keys[i].key);
                }
        if (text[0])
                note(notes, "Of what has changed, this takes effect when the daemon starts: %s",
                     text);
}

/* The daemon's own part of allow is in force; the other follows the file, and not the daemon. */
static void note_allow(const Service *s, const Config *config, SettingsNotes *notes) {
        if (s->sockets.inherited && !same_allow(s->config, config))
                note(notes, "allow has changed; what the kernel lets through changes with: "
                            "systemctl daemon-reload");
}

/* ---- the new in place of the old */

static bool is_welcome(const Peer *p, const void *config) {
        return config_allows(config, &p->address);
}

/* Who could not come in now does not stay either. */
static void enforce_allow(Service *s) {
        Stream *next;

        for (Stream *stream = s->streams; stream; stream = next) {
                next = stream->next;
                if (!is_welcome(&stream->connection->peer, s->config))
                        stream_end(stream, RPC_PERMISSION_DENIED,
                                   "Your address is not allowed any more (allow).", false);
        }
        connections_turn_away(s->connections, is_welcome, s->config, service_now_usec(s));
}

static void swap_config(Service *s, Config *config, SettingsNotes *notes) {
        note_sockets(s, config, notes);
        note_start(s, config, notes);
        note_allow(s, config, notes);
        if (ring_resize(room_ring(s->room), config->limits.max_lag_messages,
                        config->limits.max_lag_bytes) != 0)
                log_warning("Out of memory: max_lag_messages stays as it was");
        if (s->config != s->started_with)
                config_free(s->config);
        s->config = config;
        control_configure(s->control);
        history_configure(s->history);
        settings_warn(s);
        (void) access_enforce(s->access);
        enforce_allow(s);
}

int settings_reload(Service *s, SettingsNotes *notes, ConfigError *error) {
        static const JournalEvent done = {.kind = JOURNAL_RELOADED},
                                  failed = {.kind = JOURNAL_RELOAD_FAILED};
        Config *config = NULL;
        int r;

        notes->n = 0;
        notify_reloading();
        r = config_load(&config, s->options.config_path, error);
        if (r == 0)
                r = settings_override(config, &s->options, error);
        if (r == 0)
                r = access_configure(s->access, config->tokens);
        if (r == 0) {
                settings_clamp(config);
                swap_config(s, config, notes);
                journal_write(LOG_INFO, &done, "Reloaded the configuration");
        } else {
                config_free(config);
                if (r < 0)
                        snprintf(error->text, sizeof(error->text), "%s", strerror(-r));
                journal_write(LOG_ERR, &failed, "Kept the old configuration: %s", error->text);
        }
        notify_ready();
        return r;
}
