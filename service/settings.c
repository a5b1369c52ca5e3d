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

/* One descriptor each, and what is left over must do for the rest. Returns the limit on open files
 * if it made the connections fewer, else 0. */
static rlim_t clamp(Config *config) {
        struct rlimit limit;
        unsigned most;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 0;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur >= (rlim_t) config->limits.max_connections + SPARE_FDS)
                return 0;
        most = limit.rlim_cur > 2 * SPARE_FDS ? (unsigned) limit.rlim_cur - SPARE_FDS
                                              : (unsigned) limit.rlim_cur / 2;
        config->limits.max_connections = most > 0 ? most : 1;
        return limit.rlim_cur;
}

void settings_clamp(Config *config) {
        unsigned wanted = config->limits.max_connections;
        rlim_t files = clamp(config);

        if (files > 0)
                log_warning("max_connections is %u, but with at most %llu open files it can only "
                            "be %u",
                            wanted, (unsigned long long) files, config->limits.max_connections);
}

void settings_warn(const Service *s) {
        if (s->config->n_plain_tokens > 0)
                log_warning("Tokens that stand in clear in the configuration: %zu; sha256:HASH "
                            "keeps them from whoever reads it",
                            s->config->n_plain_tokens);
        if (token_table_size(access_tokens(s->access)) == 0)
                log_warning("There are no tokens, so nobody can join");
}

/* ---- what a reload cannot change */

/* What is fixed when the daemon starts, and how that is called. */
static const struct {
        const char *key, *shown;
} at_start[] = {
        {"workers", "workers"},
        {"max_streams_per_connection", "max_streams_per_connection"},
        {"max_frame", "max_frame"},
        {"enabled", "[history] enabled"},
};

_printf_(2, 3) static void note(SettingsNotes *notes, const char *format, ...) {
        char *text = notes->text[notes->n++];
        va_list args;

        assert(notes->n <= ELEMENTS(notes->text));
        va_start(args, format);
        vsnprintf(text, sizeof(notes->text[0]), format, args);
        va_end(args);
}

static const char *new_sockets(const Service *s) {
        return s->sockets.inherited ? LISTENER_RESTART : "a restart";
}

/* Always against what the daemon was started with: a second reload makes none of it come true. */
static void note_listen(const Service *s, const Config *config, SettingsNotes *notes) {
        if (config_differs(s->started_with, config, "listen"))
                note(notes, "listen has changed; what is listened on changes with: %s",
                     new_sockets(s));
}

static void note_control(const Service *s, const Config *config, SettingsNotes *notes) {
        if (s->sockets.control < 0)
                return;
        if (!s->options.control && config_differs(s->started_with, config, "control"))
                note(notes, "control has changed; the control socket moves with: %s",
                     new_sockets(s));
        if (config_differs(s->started_with, config, "admin_group"))
                note(notes, "admin_group has changed; the control socket's file changes with: %s",
                     new_sockets(s));
}

static void note_start(const Service *s, const Config *config, SettingsNotes *notes) {
        char text[128] = "";

        for (size_t i = 0; i < ELEMENTS(at_start); i++)
                if (config_differs(s->started_with, config, at_start[i].key)) {
                        size_t used = strlen(text);

                        snprintf(text + used, sizeof(text) - used, "%s%s", used > 0 ? ", " : "",
                                 at_start[i].shown);
                }
        if (text[0])
                note(notes, "Of what has changed, this takes effect when the daemon starts%s: %s",
                     s->sockets.inherited ? " (systemctl restart chatroom)" : "", text);
}

/* The daemon's own part of allow is in force; the other follows the file, and not the daemon. */
static void note_allow(const Service *s, const Config *config, SettingsNotes *notes) {
        if (s->sockets.inherited && config_differs(s->config, config, "allow"))
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
        note_listen(s, config, notes);
        note_control(s, config, notes);
        note_start(s, config, notes);
        note_allow(s, config, notes);
        for (size_t i = 0; i < notes->n; i++)
                log_warning("%s", notes->text[i]);
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

static int load(const Service *s, Config **ret, ConfigError *error) {
        _cleanup_(config_freep) Config *config = NULL;
        int r = config_load(&config, s->options.config_path, error);

        if (r == 0)
                r = settings_override(config, &s->options, error);
        if (r == 0)
                *ret = TAKE_PTR(config);
        return r;
}

int settings_reload(Service *s, SettingsNotes *notes, ConfigError *error) {
        static const JournalEvent done = {.kind = JOURNAL_RELOADED},
                                  failed = {.kind = JOURNAL_RELOAD_FAILED};
        Config *config = NULL;
        int r;

        notes->n = 0;
        notify_reloading();
        r = load(s, &config, error);
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

/* ---- what a reload would do */

/* Whether a reload does nothing about it. */
static bool takes_more(const char *key) {
        for (size_t i = 0; i < ELEMENTS(at_start); i++)
                if (strcmp(key, at_start[i].key) == 0)
                        return true;
        return strcmp(key, "listen") == 0 || strcmp(key, "control") == 0;
}

static void list_unread(const Service *s, SettingsCheck *check) {
        ConfigKey key;

        for (size_t i = 0; config_key(i, &key); i++) {
                if (takes_more(key.key) || !config_differs(s->config, check->config, key.key))
                        continue;
                assert(check->n_unread < ELEMENTS(check->unread));
                check->unread[check->n_unread++] = key.key;
        }
        if (config_differs(s->config, check->config, "tokens"))
                check->unread[check->n_unread++] = "[tokens]";
}

int settings_check(const Service *s, SettingsCheck *ret) {
        int r;

        *ret = (SettingsCheck){.config = NULL};
        r = load(s, &ret->config, &ret->error);
        if (r != 0)
                return r;
        (void) clamp(ret->config);
        list_unread(s, ret);
        if (!s->sockets.inherited)
                note_listen(s, ret->config, &ret->notes);
        note_control(s, ret->config, &ret->notes);
        note_start(s, ret->config, &ret->notes);
        return 0;
}

void settings_check_done(SettingsCheck *c) {
        c->config = config_free(c->config);
}
