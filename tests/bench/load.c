/* SPDX-License-Identifier: MIT */
/*
 * The load generator's main: joins everybody, says so, then does what standard input asks for, one
 * line at a time, and answers each with a line of JSON.
 *
 *   burst SECONDS          as many messages as the server takes
 *   steady RATE SECONDS    RATE deliveries a second, timed
 *   idle SECONDS           nothing: what does the server cost then?
 *   stall N                the last N receivers stop reading, and count no more
 *   wake SECONDS           those read what there is, until the server has ended all of them
 *   rejoin SECONDS         the server is about to end everybody: they come back and resume
 *
 * The end of standard input ends it. Exit 1 when a connection was lost or time ran out: what was
 * measured until then does not count.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "proto/base.h"
#include "tests/bench/load.h"
#include "tests/bench/meter.h"
#include "tests/bench/traffic.h"

static const Protocol *const protocols[] = {
        &protocol_raw, &protocol_irc, &protocol_mqtt, &protocol_nats, &protocol_seed, &protocol_v1,
};

static const Protocol *arg_protocol = NULL;
static bool arg_echo = false;
static unsigned arg_port = 0;
static int arg_pid = 0;
static unsigned arg_receivers = 0;
static unsigned arg_senders = 10;
static unsigned arg_window = 16;
static unsigned arg_opening = 128;
static unsigned arg_join_seconds = 60;
static unsigned arg_drain_seconds = 60;
static const char *arg_token = "bench";

static int usage(FILE *f, int status) {
        fprintf(f, "load --protocol NAME --port PORT --receivers N [--senders N] [--window N]\n"
                   "     [--opening N] [--pid PID] [--echo] [--token TOKEN]\n"
                   "     [--join-seconds N] [--drain-seconds N]\n"
                   "Load on 127.0.0.1:PORT; commands on standard input: burst SECONDS,\n"
                   "steady RATE SECONDS, idle SECONDS, stall N, wake SECONDS, rejoin SECONDS.\n"
                   "Protocols:");
        for (size_t i = 0; i < ELEMENTS(protocols); i++)
                fprintf(f, " %s", protocols[i]->name);
        fprintf(f, "\n");
        return status;
}

static const Protocol *find_protocol(const char *name) {
        for (size_t i = 0; i < ELEMENTS(protocols); i++)
                if (strcmp(protocols[i]->name, name) == 0)
                        return protocols[i];
        return NULL;
}

static unsigned parse_unsigned(const char *text) {
        char *end;

        errno = 0;
        unsigned long value = strtoul(text, &end, 10);
        return errno || end == text || *end || value > 1000000000 ? 0 : (unsigned) value;
}

static int parse_argv(int argc, char **argv) {
        static const struct option options[] = {
                {"protocol", required_argument, NULL, 'p'},
                {"port", required_argument, NULL, 'P'},
                {"pid", required_argument, NULL, 'i'},
                {"receivers", required_argument, NULL, 'r'},
                {"senders", required_argument, NULL, 's'},
                {"window", required_argument, NULL, 'w'},
                {"opening", required_argument, NULL, 'o'},
                {"token", required_argument, NULL, 't'},
                {"join-seconds", required_argument, NULL, 'j'},
                {"drain-seconds", required_argument, NULL, 'd'},
                {"echo", no_argument, NULL, 'e'},
                {0},
        };
        unsigned *const numbers[] = {
                ['P'] = &arg_port,         ['r'] = &arg_receivers, ['s'] = &arg_senders,
                ['w'] = &arg_window,       ['o'] = &arg_opening,   ['j'] = &arg_join_seconds,
                ['d'] = &arg_drain_seconds};

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
                if (c == '?')
                        return -EINVAL;
                if (c == 'p')
                        arg_protocol = find_protocol(optarg);
                else if (c == 'i')
                        arg_pid = (int) parse_unsigned(optarg);
                else if (c == 't')
                        arg_token = optarg;
                else if (c == 'e')
                        arg_echo = true;
                else
                        *numbers[c] = parse_unsigned(optarg);
        }
        /* One sender alone would never hear whether he is in the room himself. */
        if (arg_port == 0 || arg_port > UINT16_MAX || arg_receivers == 0 || arg_senders < 2 ||
            arg_window == 0 || arg_window > FLIGHTS || arg_opening == 0 || optind < argc)
                return -EINVAL;
        return 0;
}

static int join(Load *l) {
        uint64_t base_kib = 0, joined_kib = 0, start = meter_now_nsec();
        uint64_t deadline = start + (uint64_t) arg_join_seconds * 1000000000U;

        int r = meter_rss_kib(&base_kib, l->pid);
        if (r == 0)
                r = load_connect(l, deadline);
        if (r == 0)
                r = traffic_settle(l, deadline);
        if (r == 0)
                r = meter_rss_kib(&joined_kib, l->pid);
        if (r < 0)
                return r;
        printf("{\"joined\":%u,\"seconds\":%.6f,\"base_kib\":%" PRIu64 ",\"rss_kib\":%" PRIu64
               "}\n",
               l->n_connections, (double) (meter_now_nsec() - start) / 1e9, base_kib, joined_kib);
        return fflush(stdout) == 0 ? 0 : -errno;
}

static int obey(Load *l, const char *command) {
        double rate, seconds;
        unsigned n;

        if (sscanf(command, "burst %lf", &seconds) == 1 && seconds > 0)
                return traffic_burst(l, seconds);
        if (sscanf(command, "steady %lf %lf", &rate, &seconds) == 2 && rate > 0 && seconds > 0)
                return traffic_steady(l, rate, seconds);
        if (sscanf(command, "idle %lf", &seconds) == 1 && seconds > 0)
                return traffic_idle(l, seconds);
        if (sscanf(command, "stall %u", &n) == 1)
                return traffic_stall(l, n);
        if (sscanf(command, "wake %lf", &seconds) == 1 && seconds > 0)
                return traffic_wake(l, seconds);
        if (sscanf(command, "rejoin %lf", &seconds) == 1 && seconds > 0)
                return traffic_rejoin(l, seconds);
        return -EINVAL;
}

/* Reads a line, a byte at a time: what follows it is for later. -ENODATA: there is none. */
static int read_command(char *ret, size_t size) {
        for (size_t n = 0; n < size; n++) {
                if (read(STDIN_FILENO, ret + n, 1) != 1)
                        return -ENODATA;
                if (ret[n] == '\n') {
                        ret[n] = '\0';
                        return 0;
                }
        }
        return -EMSGSIZE;
}

/* Answers the server's pings until there is a command, then runs it. -ENODATA: no more of them. */
static int serve(Load *l) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        char line[256];
        int r;

        while (poll(&input, 1, 0) == 0) {
                r = load_turn(l, 1000000000U);
                if (r < 0)
                        return r;
        }
        r = read_command(line, sizeof(line));
        return r < 0 ? r : obey(l, line);
}

int main(int argc, char **argv) {
        if (parse_argv(argc, argv) < 0 || !arg_protocol)
                return usage(stderr, 2);

        Load load = {
                .protocol = arg_protocol,
                .echoes = arg_echo || arg_protocol->echoes,
                .port = (uint16_t) arg_port,
                .pid = arg_pid,
                .token = arg_token,
                .n_senders = arg_senders,
                .window = arg_window,
                .opening = arg_opening,
                .drain_seconds = arg_drain_seconds,
                .epoll_fd = -1,
        };
        int r = load_open(&load, arg_receivers);
        if (r == 0)
                r = join(&load);
        while (r == 0)
                r = serve(&load);
        load_close(&load);
        if (r == -ENODATA)
                return 0;
        fprintf(stderr, "load: %s\n", strerror(-r));
        return 1;
}
