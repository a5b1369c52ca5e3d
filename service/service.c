/* SPDX-License-Identifier: MIT */
/*
 * Wiring. The loop has these sources: the listening sockets, the mailbox in which gRPC's threads
 * leave what happened, signals, a tick a second for what is done by looking, and the streams'
 * timers. None of their callbacks fails because of a peer: sd-event would silently switch the
 * source off.
 */
#include "service/service.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "proto/base.h"
#include "proto/descriptor_set.h"
#include "service/drain.h"
#include "service/journal.h"
#include "service/listener.h"
#include "service/notify.h"
#include "service/routes.h"
#include "service/settings.h"

#define QUEUES 16
#define EVENTS_PER_DISPATCH 256
/* More than max_connections can be; some systems allow a thousand times as many, and there is a row
 * for each. */
#define MAX_FD (UINT64_C(1) << 20)
#define TICK_USEC UINT64_C(1000000)

uint64_t service_now_usec(const Service *s) {
        uint64_t usec = 0;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

int64_t service_now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- workers */

Worker *service_pick_worker(const Service *s) {
        Worker *least = s->workers[0];

        for (size_t i = 1; i < s->n_workers; i++)
                if (worker_count_readers(s->workers[i]) < worker_count_readers(least))
                        least = s->workers[i];
        return least;
}

void service_wake_workers(const Service *s) {
        for (size_t i = 0; i < s->n_workers; i++)
                worker_wake(s->workers[i]);
}

static int start_workers(Service *s) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        size_t n = s->config->workers ? s->config->workers : cpus > 0 ? (size_t) cpus : 1;
        int r = 0;

        s->workers = calloc(n, sizeof(*s->workers));
        if (!s->workers)
                return -ENOMEM;
        for (; r == 0 && s->n_workers < n; s->n_workers += r == 0)
                r = worker_new(&s->workers[s->n_workers], room_ring(s->room));
        return r;
}

/* ---- what the loop is woken by */

/* After a batch of events, so that many who come together are told in one go; with `all`, also to
 * those who could not be told before. */
static void tell_presence(Service *s, bool all) {
        uint64_t version = presence_version(s->presence);

        if (!all && s->presence_told == version)
                return;
        s->presence_told = version;
        for (Stream *stream = s->streams; stream; stream = stream->next)
                if (stream->wants_presence && stream->presence < version)
                        stream->protocol->tell_presence(stream);
}

static int on_mailbox(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Service *s = userdata;

        for (int i = 0; i < EVENTS_PER_DISPATCH; i++) {
                unsigned flags;
                MailboxItem *item = mailbox_take(s->mailbox, &flags);
                RpcCall *call;

                if (!item)
                        break;
                call = rpc_call_from_item(item);
                stream_dispatch(s, call, flags);
                rpc_call_taken(call, flags);
        }
        tell_presence(s, false);
        drain_advance(s);
        return 0;
}

/* Only who has answered is asked again. */
static void ping_workers(Service *s) {
        for (size_t i = 0; i < s->n_workers; i++)
                if (worker_answered(s->workers[i]))
                        worker_ping(s->workers[i],
                                    s->config->limits.max_lag_age_ms * UINT64_C(1000));
}

static bool workers_answer(const Service *s) {
        for (size_t i = 0; i < s->n_workers; i++)
                if (!worker_answered(s->workers[i]))
                        return false;
        return true;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        connections_sweep(s->connections, service_now_usec(s));
        control_sweep(s->control);
        access_tick(s->access);
        history_tick(s->history);
        presence_settle(s->presence, service_now_usec(s));
        tell_presence(s, true);
        rates_sweep(s->rates, service_now_usec(s));
        ping_workers(s);
        if (!s->draining)
                notify_status("%zu sessions of %zu users on %zu connections",
                              room_count_sessions(s->room), room_count_users(s->room),
                              connections_count(s->connections));
        (void) sd_event_source_set_time_relative(source, TICK_USEC);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

/* Fed only if every worker has answered since the last time: a thread that hangs is a daemon that
 * hangs. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        if (workers_answer(s)) {
                notify_watchdog();
                ping_workers(s);
        }
        (void) sd_event_source_set_time_relative(source, notify_watchdog_usec() / 4);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *si,
                        void *userdata) {
        log_info("Received %s", si->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        drain_start(userdata);
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        SettingsNotes notes;
        ConfigError error;

        (void) settings_reload(userdata, &notes, &error);
        return 0;
}

/* ---- beginning and end */

static int open_sockets(Service *s) {
        char text[ADDRESS_TEXT_MAX];
        size_t failed = 0;
        int r;

        r = activation_inherit(&s->sockets);
        if (r < 0)
                return log_errno(r, "Cannot use the sockets that were passed");
        if (s->sockets.n_chat == 0)
                r = activation_bind(&s->sockets, s->config->listen, s->config->n_listen, &failed);
        if (r == 0)
                return control_new(&s->control, s);
        address_format(&s->config->listen[failed], true, text);
        return log_errno(r, "Cannot listen on %s", text);
}

static int add_sources(Service *s) {
        sd_event_source *mailbox = NULL;
        int r;

        r = sd_event_add_signal(s->event, NULL, SIGTERM, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGINT, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGHUP, on_hangup, s);
        if (r >= 0)
                r = sd_event_add_io(s->event, &mailbox, mailbox_fd(s->mailbox), EPOLLIN, on_mailbox,
                                    s);
        if (r >= 0)
                r = sd_event_source_set_floating(mailbox, 1);
        sd_event_source_unref(mailbox);
        if (r >= 0)
                r = sd_event_add_time_relative(s->event, &s->tick, CLOCK_MONOTONIC, TICK_USEC, 0,
                                               on_tick, s);
        if (r >= 0)
                r = guard_new(&s->guard, s);
        if (r >= 0 && notify_watchdog_usec() > 0)
                r = sd_event_add_time_relative(s->event, &s->watchdog, CLOCK_MONOTONIC, 0, 0,
                                               on_watchdog, s);
        return r < 0 ? r : 0;
}

static int make_parts(Service *s) {
        struct rlimit limit = {.rlim_cur = 1024};
        int r;

        (void) getrlimit(RLIMIT_NOFILE, &limit);
        s->max_fd = limit.rlim_cur < MAX_FD ? limit.rlim_cur : MAX_FD;
        r = sd_event_default(&s->event);
        if (r >= 0)
                r = connections_new(&s->connections, s->max_fd);
        if (r == 0)
                r = rates_new(&s->rates);
        if (r == 0)
                r = presence_new(&s->presence);
        if (r == 0)
                r = descriptors_new(&s->descriptors, descriptor_set, descriptor_set_size);
        if (r == 0)
                r = history_new(&s->history, s);
        if (r == 0)
                r = history_make_room(s->history, &s->room, "lobby");
        if (r == 0)
                r = history_start(s->history);
        if (r == 0)
                r = mailbox_new(&s->mailbox);
        if (r == 0)
                r = start_workers(s);
        if (r == 0)
                r = access_start(s->access);
        return r;
}

static int start_rpc(Service *s) {
        RpcMethod methods[ROUTES];
        RpcConfig config = {.methods = methods,
                            .n_methods = ROUTES,
                            .n_queues = QUEUES,
                            .max_frame = s->config->limits.max_frame,
                            .max_streams_per_connection =
                                    s->config->limits.max_streams_per_connection};

        routes_list(methods);
        rpc_library_init();
        return rpc_new(&s->rpc, &config, s->mailbox);
}

/* The service manager may name several: the first is ours. */
static char *find_state_directory(const Options *options) {
        const char *manager = getenv("STATE_DIRECTORY");

        if (options->state_directory)
                return strdup(options->state_directory);
        return manager ? strndup(manager, strcspn(manager, ":")) : NULL;
}

DEFINE_CLEANUP(Service *, service_free);

int service_new(Service **ret, const Options *options, Config *config) {
        _cleanup_(service_freep) Service *s = calloc(1, sizeof(*s));
        ConfigError error;
        int r;

        if (!s) {
                config_free(config);
                return -ENOMEM;
        }
        s->options = *options;
        s->config = s->started_with = config;
        s->sockets.control = -1;
        s->state_directory = find_state_directory(options);
        if (settings_override(config, options, &error) != 0) {
                log_error("%s", error.text);
                return -EINVAL;
        }
        settings_clamp(config);
        if (access_new(&s->access, s) < 0)
                return -EINVAL;
        settings_warn(s);
        r = open_sockets(s);
        if (r < 0)
                return r;
        r = make_parts(s);
        if (r == 0)
                r = start_rpc(s);
        if (r == 0)
                r = add_sources(s);
        if (r != 0)
                return log_errno(fold(r), "Cannot start");
        r = control_start(s->control);
        if (r == 0)
                r = listener_start(s);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int service_run(Service *s) {
        static const JournalEvent started = {.kind = JOURNAL_STARTED},
                                  stopped = {.kind = JOURNAL_STOPPED};
        int r;

        s->started_ms = service_now_ms();
        s->started_at = ring_head(room_ring(s->room));
        journal_write(LOG_INFO, &started, "chatroomd %s is serving", CHATROOM_VERSION);
        notify_ready();
        r = sd_event_loop(s->event);
        if (r < 0)
                return log_errno(r, "The event loop failed");
        journal_write(LOG_INFO, &stopped, "chatroomd has stopped");
        return s->failed ? -EUCLEAN : 0;
}

Service *service_free(Service *s) {
        if (!s)
                return NULL;
        listener_stop(s);
        s->tick = sd_event_source_disable_unref(s->tick);
        s->watchdog = sd_event_source_disable_unref(s->watchdog);
        s->write_timer = sd_event_source_disable_unref(s->write_timer);
        s->drain_timer = sd_event_source_disable_unref(s->drain_timer);
        s->linger = sd_event_source_disable_unref(s->linger);
        s->guard = guard_free(s->guard);
        for (size_t i = 0; i < s->n_workers; i++)
                worker_free(s->workers[i]);
        free(s->workers);
        s->access = access_free(s->access); /* first: what is being done for an operator ends */
        s->control = control_free(s->control);
        if (s->rpc && rpc_drained(s->rpc))
                rpc_free(s->rpc);
        history_free(s->history);
        rates_free(s->rates);
        presence_free(s->presence);
        descriptors_free(s->descriptors);
        room_free(s->room);
        connections_free(s->connections);
        mailbox_free(s->mailbox);
        if (s->config != s->started_with)
                config_free(s->config);
        config_free(s->started_with);
        free(s->state_directory);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}
