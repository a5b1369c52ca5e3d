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

#define FLUSH_USEC UINT64_C(5000000) /* for what sessions are still owed */
#define LINGER_USEC UINT64_C(200000) /* for connections, when no stream is left */
#define CUT_USEC UINT64_C(3000000)   /* for gRPC, when everything has been cut */

static int on_stuck(sd_event_source *source, uint64_t usec, void *userdata) {
        log_warning("gRPC did not let go of every connection; leaving it behind");
        _exit(EXIT_SUCCESS);
}

static int on_flush_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        log_warning("Cutting off those who did not take what was theirs");
        rpc_cancel_all(s->rpc);
        connections_shutdown_all(s->connections);
        control_cut(s->control);
        s->drain_timer = sd_event_source_disable_unref(s->drain_timer);
        if (sd_event_add_time_relative(s->event, &s->drain_timer, CLOCK_MONOTONIC, CUT_USEC, 0,
                                       on_stuck, s) < 0)
                _exit(EXIT_FAILURE);
        return 0;
}

/* A client without a stream need not be reading, so it may never answer a goodbye. */
static int on_linger_over(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        connections_shutdown_all(s->connections);
        control_linger_over(s->control);
        return 0;
}

/* Not while messages are on their way into the log: who sent them is owed the answer. */
static void dismiss(Service *s) {
        Stream *next;

        if (s->dismissed || history_busy(s->history))
                return;
        s->dismissed = true;
        for (Stream *stream = s->streams; stream; stream = next) {
                next = stream->next;
                stream_end(stream, RPC_UNAVAILABLE, SERVICE_GOING_DOWN, true);
        }
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
        if (sd_event_add_time_relative(s->event, &s->drain_timer, CLOCK_MONOTONIC, FLUSH_USEC, 0,
                                       on_flush_timeout, s) < 0)
                _exit(EXIT_FAILURE);
        drain_advance(s);
}

void drain_advance(Service *s) {
        if (!s->draining)
                return;
        dismiss(s);
        if (s->streams || !control_idle(s->control))
                return;
        if (rpc_drained(s->rpc) && control_drained(s->control))
                (void) sd_event_exit(s->event, 0);
        else if (!s->linger)
                (void) sd_event_add_time_relative(s->event, &s->linger, CLOCK_MONOTONIC,
                                                  LINGER_USEC, LINGER_USEC / 10, on_linger_over, s);
}
