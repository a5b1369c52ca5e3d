/* SPDX-License-Identifier: MIT */
/*
 * The loop. A session goes through its phases in their order and may skip some of them. Nothing
 * blocks but poll(): input is read when the message before it has been sent, messages are taken
 * when the output takes them, and both are therefore felt by whoever is at the other end.
 */
#include "client/chat.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "client/input.h"
#include "client/line.h"
#include "client/room_link.h"
#include "client/screen.h"
#include "client/signals.h"

/* The server may well need time to take all that was sent: it has its limits. It is waited for,
 * unless somebody says not to; a person is told what is being waited for. */
#define LEAVE_NOTICE_MS 2000
#define LEAVE_TIMEOUT_INTERRUPTED_MS 1000
/* More than this waiting for the output: no more is taken from the server. */
#define OUTPUT_MAX 65536
#define EVENTS_PER_TURN 256

typedef enum Phase {
        PHASE_CONNECTING,
        PHASE_TALKING,
        PHASE_LINGERING, /* the input has ended */
        PHASE_LEAVING,   /* the server has been told, and is to confirm */
        PHASE_OVER,
} Phase;

typedef struct Chat {
        const Options *options;
        char *address;
        RoomLink *link;
        Screen *screen;
        Input *input;
        int signals;
        bool person; /* at the input */
        bool sending;
        Phase phase;
        uint64_t deadline_ms; /* of the phase; 0: none */
        size_t n_lines;
        bool lines_lost;
        int signal; /* the one that ended it; 0: none */
        ExitStatus status;
} Chat;

static uint64_t now_ms(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void enter(Chat *c, Phase phase, unsigned timeout_ms) {
        c->phase = phase;
        c->deadline_ms = timeout_ms > 0 ? now_ms(CLOCK_MONOTONIC) + timeout_ms : 0;
}

static void finish(Chat *c, ExitStatus status) {
        if (c->signal)
                c->status = EXIT_SIGNAL + (ExitStatus) c->signal;
        else if (status == EXIT_LEFT && c->lines_lost)
                c->status = EXIT_OTHER;
        else
                c->status = status;
        enter(c, PHASE_OVER, 0);
}

static unsigned leave_timeout(const Chat *c) {
        if (c->signal)
                return LEAVE_TIMEOUT_INTERRUPTED_MS;
        return c->person ? LEAVE_NOTICE_MS : 0;
}

/* Before the connection stands there is nothing to take leave of. */
static void leave(Chat *c) {
        if (c->phase == PHASE_CONNECTING) {
                finish(c, EXIT_LEFT);
        } else {
                room_link_leave(c->link);
                enter(c, PHASE_LEAVING, leave_timeout(c));
        }
}

static void on_wrong_line(Chat *c, const Complaint *complaint) {
        if (c->person) {
                screen_error("%s", complaint->text);
        } else {
                screen_error("line %zu %s", c->n_lines, complaint->text);
                c->lines_lost = true;
        }
}

static int on_line(Chat *c, const char *bytes, size_t n) {
        Complaint complaint;
        Line line = line_parse(bytes, n, &complaint);
        int r;

        c->n_lines++;
        switch (line.kind) {
        case LINE_EMPTY:
                return 0;
        case LINE_TEXT:
                r = room_link_send(c->link, (RpcBytes){line.text, line.size});
                c->sending = r == 0;
                return r == -EPIPE ? 0 : r; /* -EPIPE: has ended, the event is on its way */
        case LINE_QUIT:
                leave(c);
                return 0;
        case LINE_HELP:
                fputs(line_help, stderr);
                return 0;
        case LINE_WRONG:
                on_wrong_line(c, &complaint);
                return 0;
        }
        return 0;
}

static int pump_input(Chat *c) {
        const char *line;
        size_t n;
        int r = 0;

        while (r == 0 && c->phase == PHASE_TALKING && !c->sending &&
               (line = input_line(c->input, &n)))
                r = on_line(c, line, n);
        if (r < 0 || c->phase != PHASE_TALKING || c->sending || !input_ended(c->input))
                return r;
        if (c->options->linger_ms > 0)
                enter(c, PHASE_LINGERING, c->options->linger_ms);
        else
                leave(c);
        return 0;
}

static int on_ended(Chat *c, const RoomLinkEvent *e) {
        _cleanup_(freep) char *text = NULL;
        Ending ending = {
                .status = e->status,
                .reason = e->reason,
                .reached = e->reached,
                .leaving = c->phase == PHASE_LEAVING,
                .address = c->address,
        };
        ExitStatus status;
        int r;

        r = ending_explain(&text, &status, &ending);
        if (r < 0)
                return r;
        if (text && !c->signal) /* who interrupted it does not ask why it ended */
                screen_error("%s", text);
        finish(c, status);
        return 0;
}

static int on_said(Chat *c, const RoomLinkEvent *e) {
        Said said = {
                .time_ms = (int64_t) now_ms(CLOCK_REALTIME),
                .user = e->user,
                .text = e->text,
        };

        return screen_said(c->screen, &said);
}

static int on_event(Chat *c, const RoomLinkEvent *e) {
        switch (e->kind) {
        case ROOM_LINK_CONNECTED:
                if (c->phase == PHASE_CONNECTING)
                        enter(c, PHASE_TALKING, 0);
                if (c->person)
                        screen_notice("connected to %s, joining as %s (/help: what can be typed)",
                                      c->address, c->options->target.user);
                return 0;
        case ROOM_LINK_SAID:
                return on_said(c, e);
        case ROOM_LINK_SENT:
                c->sending = false;
                return 0;
        case ROOM_LINK_ENDED:
                return on_ended(c, e);
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

        if (c->signal) {
                finish(c, EXIT_OTHER);
        } else if (number > 0) {
                c->signal = number;
                leave(c);
        }
}

static void on_deadline(Chat *c) {
        Ending nobody = {.address = c->address};
        _cleanup_(freep) char *text = NULL;
        ExitStatus status = EXIT_UNREACHABLE;

        switch (c->phase) {
        case PHASE_CONNECTING:
                nobody.status = RPC_STATUS_DEADLINE_EXCEEDED;
                if (ending_explain(&text, &status, &nobody) == 0)
                        screen_error("%s", text);
                finish(c, status);
                return;
        case PHASE_LINGERING:
                leave(c);
                return;
        case PHASE_LEAVING:
                if (c->signal) {
                        finish(c, EXIT_OTHER);
                } else {
                        screen_notice("waiting for the server to confirm that it has all that was "
                                      "sent (Ctrl-C: do not wait)");
                        enter(c, PHASE_LEAVING, 0);
                }
                return;
        default:
                return;
        }
}

/* As if SIGPIPE had ended it, as it ends other filters, but with a word to the server first. */
static void on_output_failed(Chat *c, int r) {
        screen_drop(c->screen);
        if (r != -EPIPE) {
                screen_error("cannot write: %s", strerror(-r));
                finish(c, EXIT_OTHER);
        } else if (!c->signal) {
                c->signal = SIGPIPE;
                leave(c);
        }
}

enum {
        FD_LINK,
        FD_SIGNALS,
        FD_INPUT,
        FD_OUTPUT,
        FDS,
};

static int poll_timeout(const Chat *c) {
        uint64_t now = now_ms(CLOCK_MONOTONIC);

        /* While the output is stuck, the end may wait behind it; interrupted, it may not. */
        if (c->deadline_ms == 0 || (output_full(c) && !c->signal))
                return -1;
        return c->deadline_ms <= now ? 0 : (int) (c->deadline_ms - now);
}

static int wait_for_something(const Chat *c, struct pollfd fds[static FDS]) {
        fds[FD_LINK] = (struct pollfd){output_full(c) ? -1 : room_link_fd(c->link), POLLIN, 0};
        fds[FD_SIGNALS] = (struct pollfd){c->signals, POLLIN, 0};
        fds[FD_INPUT] = (struct pollfd){-1, POLLIN, 0};
        if (c->phase == PHASE_TALKING && !c->sending)
                fds[FD_INPUT].fd = STDIN_FILENO;
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
        if (fds[FD_INPUT].revents && c->phase == PHASE_TALKING) {
                r = input_read(c->input);
                if (r < 0)
                        return r;
        }
        r = pump_link(c);
        if (r < 0)
                return r;
        if (poll_timeout(c) == 0)
                on_deadline(c);
        return pump_input(c);
}

static void chat_done(Chat *c) {
        /* The output may never take the rest, and gRPC may wait for a name server. */
        signals_unblock();
        room_link_free(c->link);
        input_free(c->input);
        screen_free(c->screen);
        free(c->address);
}

static int chat_init(Chat *c, const char *token) {
        _cleanup_(freep) char *uri = NULL;
        int r;

        r = target_uri(&c->options->target, &uri);
        if (r < 0)
                return r;
        r = target_address(&c->options->target, &c->address);
        if (r < 0)
                return r;
        r = screen_new(&c->screen, STDOUT_FILENO, c->options->json);
        if (r < 0)
                return r;
        /* One for the slash that sends a slash, one for the CR of a DOS file. */
        r = input_new(&c->input, STDIN_FILENO, LINE_TEXT_MAX + 2);
        if (r < 0)
                return r;
        return room_link_new(&c->link, uri, c->options->target.user, token,
                             c->options->connect_timeout_ms);
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

int chat_run(ExitStatus *ret, const Options *options, const char *token, int signals) {
        _cleanup_(chat_done) Chat c = {
                .options = options,
                .signals = signals,
                .person = isatty(STDIN_FILENO),
        };
        int r;

        r = chat_init(&c, token);
        if (r < 0)
                return r;
        enter(&c, PHASE_CONNECTING, options->connect_timeout_ms);
        while (c.phase != PHASE_OVER) {
                r = loop_once(&c);
                if (r < 0)
                        return r;
        }
        flush_output(&c);
        *ret = c.status;
        return 0;
}
