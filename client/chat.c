/* SPDX-License-Identifier: MIT */
/*
 * The loop. Nothing blocks but poll(), and the questions that a person is asked: input is read when
 * the session has room for it, messages are taken when the output takes them, and both are
 * therefore felt by whoever is at the other end.
 */
#include "client/chat.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/chat-state.h"
#include "client/signals.h"

/* The server may well need time to take all that was sent: it has its limits. It is waited for,
 * unless somebody says not to; a person is told what is being waited for. */
#define LEAVE_NOTICE_MS 2000
#define LEAVE_TIMEOUT_INTERRUPTED_MS 1000
/* More than this waiting for the output: no more is taken from the server. */
#define OUTPUT_MAX 65536
#define EVENTS_PER_TURN 256
#define HISTORY_COUNT 50

uint64_t chat_now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

void chat_enter(Chat *c, Phase phase, unsigned timeout_ms) {
        c->phase = phase;
        c->deadline_ms = timeout_ms > 0 ? chat_now_ms() + timeout_ms : 0;
}

void chat_finish(Chat *c, ExitStatus status) {
        if (c->signal)
                c->status = EXIT_SIGNAL + (ExitStatus) c->signal;
        else if (status == EXIT_LEFT && (c->lines_lost || session_pending(c->session) > 0))
                c->status = EXIT_OTHER;
        else
                c->status = status;
        chat_enter(c, PHASE_OVER, 0);
}

static void count_unacknowledged(const Chat *c) {
        size_t n = session_pending(c->session);

        if (n > 0)
                screen_error("%zu message%s not acknowledged", n, n == 1 ? " was" : "s were");
}

static void add_hints(const Chat *c, RpcStatus reason, ExitStatus status) {
        if (reason == RPC_STATUS_ALREADY_EXISTS && !c->joined)
                screen_notice("if it was you who had it, on a connection that died: the server "
                              "notices within a minute");
        if (status == EXIT_NOT_ADMITTED && c->token->remembered)
                screen_notice("the token was remembered from another time; to be asked for a new "
                              "one: chat --forget %s@%s",
                              c->options->target.user, c->address);
        count_unacknowledged(c);
}

int chat_explain(Chat *c, RpcStatus status, const char *reason, bool reached) {
        _cleanup_(freep) char *text = NULL;
        Ending ending = {
                .status = status,
                .reason = reason,
                .reached = reached,
                .leaving = c->phase == PHASE_LEAVING,
                .joined = c->joined,
                .address = c->address,
        };
        ExitStatus exit_status;
        int r;

        r = ending_explain(&text, &exit_status, &ending);
        if (r < 0)
                return r;
        if (text && !c->signal) { /* who interrupted it does not ask why it ended */
                screen_error("%s", text);
                add_hints(c, status, exit_status);
        }
        chat_finish(c, exit_status);
        return 0;
}

int chat_hang_up(Chat *c, const char *reason) {
        room_link_close(c->link);
        return chat_explain(c, RPC_STATUS_INTERNAL, reason, true);
}

/* Before the first welcome there is nothing to take leave of. What was said is delivered first, and
 * for that the connection may have to come back. */
static void take_leave(Chat *c) {
        bool ready = c->signal || session_pending(c->session) == 0;

        if (!c->joined || c->options->command == COMMAND_TAIL || (c->phase != PHASE_IN && ready)) {
                chat_finish(c, EXIT_LEFT);
        } else if (c->phase == PHASE_IN && ready) {
                room_link_leave(c->link);
                chat_enter(c, PHASE_LEAVING, c->signal ? LEAVE_TIMEOUT_INTERRUPTED_MS : 0);
        }
        if (c->person && !c->signal && c->notice_ms == 0)
                c->notice_ms = chat_now_ms() + LEAVE_NOTICE_MS;
}

static void check_leaving(Chat *c) {
        if (c->phase == PHASE_OVER || c->phase == PHASE_LEAVING)
                return;
        if (c->said_all && !c->leaving && (c->person || session_pending(c->session) == 0)) {
                if (c->options->linger_ms == 0)
                        c->leaving = true;
                else if (c->linger_ms == 0)
                        c->linger_ms = chat_now_ms() + c->options->linger_ms;
        }
        if (c->leaving)
                take_leave(c);
}

static int on_event(Chat *c, const RoomLinkEvent *e) {
        switch (e->kind) {
        case ROOM_LINK_DOUBT:
                return joining_doubt(c, e->text);
        case ROOM_LINK_MESSAGE:
                return delivery_take(c, e);
        case ROOM_LINK_SENT:
                c->sending = false;
                return 0;
        case ROOM_LINK_ENDED:
                return joining_ended(c, e);
        }
        return 0;
}

static bool output_full(const Chat *c) {
        return screen_pending(c->screen) >= OUTPUT_MAX;
}

static int pump_link(Chat *c) {
        RoomLinkEvent e;
        int r;

        for (int i = 0; i < EVENTS_PER_TURN && c->phase != PHASE_OVER && !output_full(c); i++) {
                r = room_link_next(c->link, &e);
                if (r == ROOM_LINK_E_NONE)
                        return 0;
                if (r < 0)
                        return r;
                r = on_event(c, &e);
                room_link_event_done(&e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The first one takes leave, the second one does not wait for the answer. */
static void on_signal(Chat *c) {
        int number = signals_take(c->signals);

        if (number == 0)
                return;
        if (c->signal) {
                chat_finish(c, EXIT_OTHER);
                return;
        }
        c->signal = number;
        c->leaving = true;
        if (c->phase == PHASE_LEAVING)
                chat_enter(c, PHASE_LEAVING, LEAVE_TIMEOUT_INTERRUPTED_MS);
}

/* As if SIGPIPE had ended it, as it ends other filters, but with a word to the server first. */
static void on_output_failed(Chat *c, int r) {
        screen_drop(c->screen);
        if (r != -EPIPE) {
                screen_error("cannot write: %s", strerror(-r));
                chat_finish(c, EXIT_OTHER);
        } else if (!c->signal) {
                c->signal = SIGPIPE;
                c->leaving = true;
        }
}

static bool passed(uint64_t *timer_ms) {
        if (*timer_ms == 0 || *timer_ms > chat_now_ms())
                return false;
        *timer_ms = 0;
        return true;
}

static int on_deadline(Chat *c) {
        switch (c->phase) {
        case PHASE_JOINING:
                return joining_timed_out(c);
        case PHASE_AWAY:
                return joining_open(c);
        case PHASE_LEAVING:
                chat_finish(c, EXIT_OTHER);
                return 0;
        default:
                return 0;
        }
}

static int check_timers(Chat *c) {
        (void) passed(&c->hold_ms);
        if (passed(&c->linger_ms))
                c->leaving = true;
        if (passed(&c->notice_ms) && c->phase != PHASE_OVER) {
                screen_notice("waiting for the server to confirm that it has all that was sent "
                              "(Ctrl-C: do not wait)");
                c->notice_ms = UINT64_MAX; /* said once */
        }
        return passed(&c->deadline_ms) ? on_deadline(c) : 0;
}

static int poll_timeout(const Chat *c) {
        const uint64_t timers[] = {c->deadline_ms, c->hold_ms, c->linger_ms, c->notice_ms};
        uint64_t now = chat_now_ms(), next = UINT64_MAX;

        /* While the output is stuck, the end may wait behind it; interrupted, it may not. */
        if (output_full(c) && !c->signal)
                return -1;
        for (size_t i = 0; i < ELEMENTS(timers); i++)
                if (timers[i] > 0 && timers[i] < next)
                        next = timers[i];
        if (next == UINT64_MAX)
                return -1;
        if (next <= now)
                return 0;
        return next - now < INT_MAX ? (int) (next - now) : INT_MAX;
}

enum {
        FD_LINK,
        FD_SIGNALS,
        FD_INPUT,
        FD_OUTPUT,
        FDS,
};

static int wait_for_something(const Chat *c, struct pollfd fds[static FDS]) {
        fds[FD_LINK] = (struct pollfd){output_full(c) ? -1 : room_link_fd(c->link), POLLIN, 0};
        fds[FD_SIGNALS] = (struct pollfd){c->signals, POLLIN, 0};
        fds[FD_INPUT] = (struct pollfd){talking_wants_input(c) ? STDIN_FILENO : -1, POLLIN, 0};
        fds[FD_OUTPUT] = (struct pollfd){screen_fd(c->screen), 0, 0};
        if (screen_pending(c->screen) > 0)
                fds[FD_OUTPUT].events = POLLOUT;
        if (poll(fds, FDS, poll_timeout(c)) < 0 && errno != EINTR)
                return -errno;
        return 0;
}

static int loop_once(Chat *c) {
        struct pollfd fds[FDS];
        int r;

        r = wait_for_something(c, fds);
        if (r < 0)
                return r;
        if (fds[FD_SIGNALS].revents)
                on_signal(c);
        if (fds[FD_OUTPUT].revents & POLLOUT)
                r = screen_write(c->screen);
        else if (fds[FD_OUTPUT].revents & POLLERR)
                r = -EPIPE;
        if (r < 0)
                on_output_failed(c, r);
        if (fds[FD_INPUT].revents) {
                r = input_read(c->input);
                if (r < 0)
                        return r;
        }
        r = pump_link(c);
        if (r == 0 && c->phase != PHASE_OVER && poll_timeout(c) >= 0)
                r = check_timers(c);
        if (r == 0)
                r = talking_pump(c);
        check_leaving(c);
        return r;
}

static void chat_done(Chat *c) {
        signals_unblock(); /* the output may never take the rest */
        room_link_free(c->link);
        session_free(c->session);
        roster_free(c->roster);
        input_free(c->input);
        screen_free(c->screen);
        free(c->address);
}

static uint32_t history_count(const Chat *c) {
        switch (c->options->command) {
        case COMMAND_TAIL:
                if (c->options->since.kind != SINCE_NOTHING)
                        return 0;
                return c->options->count >= 0 ? (uint32_t) c->options->count : HISTORY_COUNT;
        case COMMAND_TALK:
                if (c->options->count >= 0)
                        return (uint32_t) c->options->count;
                return c->person ? HISTORY_COUNT : 0;
        default:
                return 0;
        }
}

static int chat_init(Chat *c) {
        uint64_t random;
        int r;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -errno;
        r = target_address(&c->options->target, &c->address);
        if (r == 0)
                r = session_new(&c->session, random, history_count(c));
        if (r == 0)
                r = roster_new(&c->roster);
        if (r == 0)
                r = screen_new(&c->screen, STDOUT_FILENO, c->options->json);
        if (r == 0)
                r = room_link_new(&c->link, &c->link_options);
        c->report = (Report){
                .screen = c->screen,
                .person = c->person,
                .messages = c->options->command != COMMAND_SEND,
                .address = c->address,
        };
        return r == 0 ? joining_open(c) : r;
}

static void flush_output(Chat *c) {
        int r;

        signals_unblock();
        r = screen_flush(c->screen, c->signal ? 0 : -1);
        if (r < 0 && r != -EPIPE)
                screen_error("cannot write: %s", strerror(-r));
        if (r < 0 && c->status == EXIT_LEFT)
                c->status = r == -EPIPE ? EXIT_SIGNAL + SIGPIPE : EXIT_OTHER;
}

int chat_run(ExitStatus *ret, const Options *options, const ChatToken *token, int signals) {
        _cleanup_(chat_done) Chat c = {
                .options = options,
                .token = token,
                .link_options =
                        {
                                .target = &options->target,
                                .token = token->text,
                                .connect_timeout_ms = options->connect_timeout_ms,
                                .trusting = options->insecure_network,
                        },
                .search = {.since = options->since},
                .subscribing = options->command == COMMAND_TAIL,
                .signals = signals,
                .person = isatty(STDIN_FILENO),
        };
        int r;

        r = chat_init(&c);
        while (r == 0 && c.phase != PHASE_OVER)
                r = loop_once(&c);
        if (r < 0)
                return r;
        if (c.signal)
                count_unacknowledged(&c);
        flush_output(&c);
        *ret = c.status;
        return 0;
}
