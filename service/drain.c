/* SPDX-License-Identifier: MIT */
/*
 * gRPC says when its server has ended, but it waits for peers that do not answer, and it cannot
 * close a connection whose peer does not read: three deadlines, each harder than the one before.
 */
#include "service/drain.h"

#include "proto/base.h"
#include "service/health.h"
#include "service/journal.h"
#include "service/listener.h"
#include "service/notify.h"
#include "service/service.h"

#define WRITE_USEC UINT64_C(2000000) /* for messages on their way into the log */
#define FLUSH_USEC UINT64_C(5000000) /* for what sessions are still owed */
#define LINGER_USEC UINT64_C(200000) /* for connections, when no stream is left */
#define CUT_USEC UINT64_C(3000000)   /* for gRPC, when everything has been cut */

static int on_stuck(sd_event_source *source, uint64_t usec, void *userdata) {
        const Service *s = userdata;

        log_warning("A connection or the disk does not let go; leaving it behind");
        _exit(s->failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void set_timer(Service *s, sd_event_source **timer, uint64_t usec,
                      sd_event_time_handler_t handler) {
        if (sd_event_add_time_relative(s->event, timer, CLOCK_MONOTONIC, usec, usec / 10, handler,
                                       s) < 0)
                _exit(EXIT_FAILURE);
}

static int on_flush_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        log_warning("Cutting off those who did not take what was theirs");
        rpc_cancel_all(s->rpc);
        connections_shutdown_all(s->connections);
        control_cut(s->control);
        s->drain_timer = sd_event_source_disable_unref(s->drain_timer);
        set_timer(s, &s->drain_timer, CUT_USEC, on_stuck);
        return 0;
}

/* A client without a stream need not be reading, so it may never answer a goodbye. */
static int on_linger_over(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        connections_shutdown_all(s->connections);
        control_linger_over(s->control);
        return 0;
}

static void dismiss(Service *s) {
        Stream *next;

        if (s->dismissed)
                return;
        s->dismissed = true;
        for (Stream *stream = s->streams; stream; stream = next) {
                next = stream->next;
                stream_end(stream, RPC_UNAVAILABLE, SERVICE_GOING_DOWN, true);
        }
}

static int on_write_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        dismiss(userdata);
        return 0;
}

void drain_start(Service *s) {
        if (s->draining)
                return;
        s->draining = true;
        notify_stopping();
        notify_status("Draining %zu sessions", room_count_sessions(s->room));
        listener_stop(s);
        health_drain(s);
        rpc_drain(s->rpc);
        control_drain(s->control);
        set_timer(s, &s->write_timer, WRITE_USEC, on_write_timeout);
        set_timer(s, &s->drain_timer, FLUSH_USEC, on_flush_timeout);
        drain_advance(s);
}

void drain_advance(Service *s) {
        if (!s->draining)
                return;
        /* Whoever sent what is on its way into the log is owed the answer. */
        if (!history_busy(s->history))
                dismiss(s);
        if (s->streams || !control_idle(s->control))
                return;
        if (!rpc_drained(s->rpc) || !control_drained(s->control)) {
                if (!s->linger)
                        set_timer(s, &s->linger, LINGER_USEC, on_linger_over);
        } else if (!history_busy(s->history))
                (void) sd_event_exit(s->event, 0);
}
