/* SPDX-License-Identifier: MIT */
/*
 * The daemon: owns everything, wires it together, and runs the loop. All state but the ring and the
 * workers' readers is touched on the loop's thread only.
 */
#pragma once

#include <systemd/sd-event.h>

#include "service/access.h"
#include "service/activation.h"
#include "service/config.h"
#include "service/connection.h"
#include "service/control.h"
#include "service/descriptors.h"
#include "service/guard.h"
#include "service/history.h"
#include "service/options.h"
#include "service/presence.h"
#include "service/rates.h"
#include "service/room.h"
#include "service/rpc.h"
#include "service/stream.h"
#include "service/worker.h"

#define SERVICE_GOING_DOWN "The server is going down; try again soon."

struct Service {
        Options options;
        char *state_directory; /* NULL: nothing outlives the process */
        Config *config;
        Config *started_with; /* for what cannot change while the daemon runs */
        Access *access;
        sd_event *event;
        Activation sockets;
        sd_event_source *accepting[ACTIVATION_MAX + 1]; /* the last: on the control socket */
        Bucket accept_complaints;                       /* about what keeps it from accepting */
        sd_event_source *accept_again, *tick, *watchdog, *write_timer, *drain_timer, *linger;
        Mailbox *mailbox;
        Rpc *rpc;
        Connections *connections;
        Guard *guard;
        size_t max_fd;    /* no descriptor will be as high as that */
        Control *control; /* NULL: there is no control socket */
        History *history;
        Presence *presence;
        Rates *rates;
        Descriptors *descriptors; /* of what it serves */
        Room *room;
        Worker **workers;
        size_t n_workers;
        Stream *streams;
        uint64_t last_session;
        uint64_t n_refused;     /* streams */
        unsigned n_guests;      /* guest.h */
        int64_t started_ms;     /* Unix time */
        uint64_t presence_told; /* the version that has been offered to everybody */
        uint64_t started_at;    /* the last message before that */
        bool draining;
        bool failed;    /* ends with an exit status that has it started again */
        bool dismissed; /* while draining: every session has been told */
};

/* Makes everything and listens; nothing is served before service_run(). What goes wrong has been
 * logged. */
int service_new(Service **ret, const Options *options, Config *config);
/* Serves until it is told to stop, then drains. */
int service_run(Service *s);
Service *service_free(Service *s);

uint64_t service_now_usec(const Service *s); /* CLOCK_MONOTONIC */
int64_t service_now_ms(void);                /* Unix time */
Worker *service_pick_worker(const Service *s);
void service_wake_workers(const Service *s);
