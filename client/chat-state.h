/* SPDX-License-Identifier: MIT */
/*
 * What chat.c (the loop), joining.c (connections), delivery.c (what comes) and talking.c (what is
 * sent) share and nobody else sees.
 */
#pragma once

#include "client/backoff.h"
#include "client/chat.h"
#include "client/input.h"
#include "client/report.h"
#include "client/room_link.h"
#include "client/roster.h"

typedef enum Phase {
        PHASE_JOINING, /* until the room says welcome */
        PHASE_AWAY,    /* the connection is lost; the deadline is the next attempt */
        PHASE_IN,
        PHASE_LEAVING, /* the server has been told, and is to confirm */
        PHASE_OVER,
} Phase;

typedef struct Chat {
        const Options *options;
        const ChatToken *token;
        char *address;
        RoomLinkOptions link_options;
        RoomLink *link;
        Session *session;
        Search search;
        Screen *screen;
        Report report;
        Roster *roster;
        Input *input; /* from the first welcome on, if it is read at all */
        int signals;
        bool person; /* at the input */

        Phase phase;
        uint64_t deadline_ms; /* of the phase; 0: none */
        bool joined;          /* there was a welcome */
        bool lost;            /* and the connection since, and people know */
        bool subscribing;     /* by Subscribe, as opposed to Connect */
        uint64_t joined_at_ms;
        Backoff backoff;
        bool goodbye; /* there was one on this connection */
        int64_t retry_after_ms;
        uint64_t until_id; /* tail: reading ends with this message */

        bool sending;     /* the last request has not gone out yet */
        uint64_t hold_ms; /* nothing is sent before then; 0: it is */
        bool held;        /* the server cannot take messages, and people know */
        size_t max_text;
        size_t n_lines;
        bool lines_lost;
        bool said_all;      /* there is no more input */
        bool leaving;       /* as soon as all is acknowledged */
        uint64_t linger_ms; /* leaves then; 0: is not lingering */
        uint64_t notice_ms; /* tells then that it is still waiting */

        int signal; /* the one that ended it; 0: none */
        ExitStatus status;
} Chat;

/* chat.c */
uint64_t chat_now_ms(void);
void chat_enter(Chat *c, Phase phase, unsigned timeout_ms); /* 0: without a deadline */
void chat_finish(Chat *c, ExitStatus status);
/* Prints why it ended, and finishes. */
int chat_explain(Chat *c, RpcStatus status, const char *reason, bool reached);
/* To be called when the server sends what it may not. */
int chat_hang_up(Chat *c, const char *reason);

/* joining.c */
int joining_open(Chat *c);
int joining_doubt(Chat *c, const char *address);
/* The welcome's consequences, but for what is in delivery.c. */
int joining_welcomed(Chat *c);
int joining_ended(Chat *c, const RoomLinkEvent *e);
int joining_timed_out(Chat *c);

/* delivery.c */
int delivery_take(Chat *c, const RoomLinkEvent *e);

/* talking.c */
/* Whether lines are wanted from the input. */
bool talking_wants_input(const Chat *c);
int talking_pump(Chat *c);
int talking_welcomed(Chat *c);
