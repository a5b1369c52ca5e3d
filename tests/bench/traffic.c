/* SPDX-License-Identifier: MIT */
/*
 * The messages, and the account of them. A text is '#', eight hex digits of its number, filler;
 * '?' instead of '#' makes it a probe, which is not counted.
 *
 * burst: a closed loop. `window` messages are under way; a message is done when the last of its
 * receivers has it, and its place is taken at once by the next, from the next sender in turn.
 * steady: messages at fixed times, whatever the server does. A delivery's latency is the time from
 * the sender's send() to the receiver's recv(), both in this process.
 *
 * Both start with a warm-up that is not measured and end when everything sent has arrived; then
 * every connection's number of deliveries is compared with what it should be, over its whole life.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base.h"
#include "tests/bench/load.h"
#include "tests/bench/meter.h"
#include "tests/bench/traffic.h"

#define SECOND 1000000000U
#define BURST_WARM_NSEC (SECOND / 2)
#define STEADY_WARM_NSEC SECOND
#define PROBE_NSEC SECOND
#define NUMBER_DIGITS 8

/* The state of all meters at one moment. */
typedef struct Reading {
        uint64_t nsec;
        uint64_t server_nsec;
        uint64_t load_nsec;
        uint64_t n_delivered;
} Reading;

/* What the whole account looks like once everything has arrived. */
typedef struct Audit {
        uint64_t expected;
        unsigned n_wrong; /* connections with more or fewer deliveries than they should have */
        bool one_order;   /* all receivers got the same messages in the same order */
} Audit;

static void text_format(char ret[static TEXT_SIZE], char mark, uint32_t number) {
        static const char filler[] = " is how a message of sixty bytes looks on the wire";

        ret[0] = mark;
        for (unsigned i = 0; i < NUMBER_DIGITS; i++)
                ret[1 + i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
        for (size_t i = 1 + NUMBER_DIGITS, k = 0; i < TEXT_SIZE; i++, k++)
                ret[i] = k < sizeof(filler) - 1 ? filler[k] : '.';
}

static uint32_t text_number(const uint8_t *text) {
        uint32_t number = 0;

        for (unsigned i = 1; i <= NUMBER_DIGITS; i++) {
                uint8_t digit = text[i];
                number = number << 4 | (uint32_t) (digit <= '9' ? digit - '0' : digit - 'a' + 10);
        }
        return number;
}

static int connection_say(Connection *c, char mark, uint32_t number) {
        char text[TEXT_SIZE];

        text_format(text, mark, number);
        int r = c->load->protocol->say(c, text);
        if (r < 0)
                return r;
        connection_flush(c);
        return 0;
}

static unsigned load_receivers_per_message(const Load *l) {
        return l->n_connections - l->n_stalled - (l->echoes ? 0 : 1);
}

/* -EXFULL: too much is under way already. */
static int traffic_send(Load *l) {
        Connection *c = &l->connections[l->n_sent % l->n_senders];
        Flight *f = &l->flights[l->n_sent % FLIGHTS];

        if (f->n_missing > 0)
                return -EXFULL;
        f->number = l->n_sent++;
        f->n_missing = load_receivers_per_message(l);
        c->n_said++;
        f->sent_nsec = meter_now_nsec();
        return connection_say(c, '#', f->number);
}

static void traffic_time(Load *l, uint64_t sent_nsec) {
        if (l->n_latencies == l->max_latencies) {
                size_t max = l->max_latencies ? l->max_latencies * 2 : 65536;
                uint32_t *latencies = reallocarray(l->latencies, max, sizeof(*latencies));
                if (!latencies)
                        return;
                l->latencies = latencies;
                l->max_latencies = max;
        }
        l->latencies[l->n_latencies++] = (uint32_t) ((meter_now_nsec() - sent_nsec) / 1000);
}

void connection_delivered(Connection *c, const uint8_t *text, size_t n) {
        Load *l = c->load;

        if (c->state == CONNECTION_STALLED)
                return;
        if (n == TEXT_SIZE && text[0] == '?' && !c->probed) {
                c->probed = true;
                l->n_probed++;
        }
        if (n != TEXT_SIZE || text[0] != '#')
                return;

        uint32_t number = text_number(text);
        Flight *f = &l->flights[number % FLIGHTS];
        c->n_received++;
        c->order = c->order * 0x9e3779b97f4a7c15U + number + 1;
        l->n_delivered++;
        if (f->number != number || f->n_missing == 0) {
                l->n_unexpected++;
                return;
        }
        if (l->time_from_nsec > 0 && f->sent_nsec >= l->time_from_nsec)
                traffic_time(l, f->sent_nsec);
        if (--f->n_missing > 0)
                return;
        l->n_done++;
        if (l->refill && traffic_send(l) < 0)
                connection_end(c, "cannot send");
}

static Audit traffic_audit(const Load *l) {
        const Connection *first = &l->connections[l->n_senders];
        const uint64_t n_since = l->n_sent - l->n_before;
        Audit a = {.expected = l->n_expected_before + n_since * load_receivers_per_message(l),
                   .one_order = true};

        for (unsigned i = 0; i < l->n_connections - l->n_stalled; i++) {
                const Connection *c = &l->connections[i];
                if (c->n_received != l->n_sent - (l->echoes ? 0 : c->n_said))
                        a.n_wrong++;
                if (i >= l->n_senders && c->order != first->order)
                        a.one_order = false;
        }
        return a;
}

static int traffic_read(const Load *l, Reading *ret) {
        Reading now = {.nsec = meter_now_nsec(), .n_delivered = l->n_delivered};

        int r = meter_cpu_nsec(&now.server_nsec, l->pid);
        if (r == 0)
                r = meter_cpu_nsec(&now.load_nsec, getpid());
        if (r == 0)
                *ret = now;
        return r;
}

/* One turn, not longer than until until_nsec. */
static int traffic_turn(Load *l, uint64_t until_nsec) {
        uint64_t now = meter_now_nsec();

        int r = load_turn(l, until_nsec > now ? until_nsec - now : 0);
        if (r == 0 && l->n_ended > 0)
                r = -ECONNABORTED;
        if (r == 0 && l->hung_up)
                r = -ECANCELED;
        return r;
}

static int traffic_turn_until(Load *l, uint64_t until_nsec) {
        int r = 0;

        while (r == 0 && meter_now_nsec() < until_nsec)
                r = traffic_turn(l, until_nsec);
        return r;
}

static uint64_t drain_deadline(const Load *l) {
        return meter_now_nsec() + (uint64_t) l->drain_seconds * SECOND;
}

static int traffic_drain(Load *l, uint64_t deadline_nsec) {
        int r = 0;

        l->refill = false;
        while (r == 0 && l->n_done < l->n_sent) {
                r = traffic_turn(l, deadline_nsec);
                if (r == 0 && meter_now_nsec() > deadline_nsec)
                        r = -ETIMEDOUT;
        }
        return r;
}

static int traffic_print(const Load *l, const Reading *from, const Reading *to) {
        Audit a = traffic_audit(l);
        uint64_t rss_kib;

        int r = meter_rss_kib(&rss_kib, l->pid);
        if (r < 0)
                return r;
        printf("{\"seconds\":%.6f,\"deliveries\":%" PRIu64 ",\"server_cpu\":%.6f,",
               (double) (to->nsec - from->nsec) / SECOND, to->n_delivered - from->n_delivered,
               (double) (to->server_nsec - from->server_nsec) / SECOND);
        printf("\"load_cpu\":%.6f,\"rss_kib\":%" PRIu64 ",\"sent\":%" PRIu32 ",",
               (double) (to->load_nsec - from->load_nsec) / SECOND, rss_kib, l->n_sent);
        printf("\"expected\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"unexpected\":%" PRIu64 ",",
               a.expected, l->n_delivered, l->n_unexpected);
        printf("\"wrong_connections\":%u,\"one_order\":%s", a.n_wrong,
               a.one_order ? "true" : "false");
        return 0;
}

static int traffic_finish_line(void) {
        printf("}\n");
        return fflush(stdout) == 0 ? 0 : -errno;
}

int traffic_settle(Load *l, uint64_t deadline_nsec) {
        for (unsigned turn = 0; l->n_probed < l->n_connections; turn++) {
                /* The first probe may be everybody's but its sender's. */
                unsigned wanted = l->n_connections - (turn == 0 && !l->echoes ? 1 : 0);
                uint64_t again_nsec = meter_now_nsec() + PROBE_NSEC;
                int r = connection_say(&l->connections[turn % l->n_senders], '?', turn);
                while (r == 0 && l->n_probed < wanted && meter_now_nsec() < again_nsec)
                        r = traffic_turn(l, again_nsec);
                if (r < 0)
                        return r;
                if (meter_now_nsec() > deadline_nsec)
                        return -ETIMEDOUT;
        }
        /* One message from everybody who sends: behind it, no probe of his is under way. */
        for (unsigned i = 0; i < l->n_senders; i++) {
                int r = traffic_send(l);
                if (r < 0)
                        return r;
        }
        return traffic_drain(l, deadline_nsec);
}

int traffic_burst(Load *l, double seconds) {
        Reading from = {0}, to = {0};
        int r = 0;

        l->refill = true;
        for (unsigned i = 0; i < l->window && r == 0; i++)
                r = traffic_send(l);
        if (r == 0)
                r = traffic_turn_until(l, meter_now_nsec() + BURST_WARM_NSEC);
        if (r == 0)
                r = traffic_read(l, &from);
        if (r == 0)
                r = traffic_turn_until(l, from.nsec + (uint64_t) (seconds * SECOND));
        if (r == 0)
                r = traffic_read(l, &to);
        if (r == 0)
                r = traffic_drain(l, drain_deadline(l));
        if (r == 0)
                r = traffic_print(l, &from, &to);
        return r == 0 ? traffic_finish_line() : r;
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static uint32_t traffic_percentile(const Load *l, unsigned percent) {
        return l->n_latencies ? l->latencies[(l->n_latencies - 1) * percent / 100] : 0;
}

/* Sends every interval_nsec until until_nsec. *ret_late_nsec: by how much the worst was late. */
static int traffic_pace(Load *l, uint64_t interval_nsec, uint64_t until_nsec,
                        uint64_t *ret_late_nsec) {
        uint64_t next = meter_now_nsec(), late = 0;
        int r = 0;

        for (uint64_t now = next; r == 0 && now < until_nsec; now = meter_now_nsec()) {
                if (now < next) {
                        r = traffic_turn(l, next < until_nsec ? next : until_nsec);
                        continue;
                }
                late = now - next > late ? now - next : late;
                r = traffic_send(l);
                next += interval_nsec;
        }
        *ret_late_nsec = late;
        return r;
}

int traffic_steady(Load *l, double deliveries_per_second, double seconds) {
        uint64_t interval = (uint64_t) (load_receivers_per_message(l) * (double) SECOND /
                                        deliveries_per_second);
        Reading from = {0}, to = {0};
        uint64_t late = 0;

        l->n_latencies = 0;
        int r = traffic_pace(l, interval, meter_now_nsec() + STEADY_WARM_NSEC, &late);
        if (r == 0)
                r = traffic_read(l, &from);
        l->time_from_nsec = from.nsec;
        if (r == 0)
                r = traffic_pace(l, interval, from.nsec + (uint64_t) (seconds * SECOND), &late);
        if (r == 0)
                r = traffic_read(l, &to);
        if (r == 0)
                r = traffic_drain(l, drain_deadline(l));
        l->time_from_nsec = 0;
        if (r == 0)
                r = traffic_print(l, &from, &to);
        if (r < 0)
                return r;
        if (l->n_latencies > 0)
                qsort(l->latencies, l->n_latencies, sizeof(*l->latencies), compare);
        printf(",\"timed\":%zu,\"p50_us\":%" PRIu32 ",\"p99_us\":%" PRIu32 ",\"max_us\":%" PRIu32,
               l->n_latencies, traffic_percentile(l, 50), traffic_percentile(l, 99),
               traffic_percentile(l, 100));
        printf(",\"late_us\":%" PRIu64, late / 1000);
        return traffic_finish_line();
}

int traffic_idle(Load *l, double seconds) {
        Reading from = {0}, to = {0};

        int r = traffic_read(l, &from);
        if (r == 0)
                r = traffic_turn_until(l, from.nsec + (uint64_t) (seconds * SECOND));
        if (r == 0)
                r = traffic_read(l, &to);
        if (r == 0)
                r = traffic_print(l, &from, &to);
        return r == 0 ? traffic_finish_line() : r;
}

/* Everything sent so far has arrived: accounts for it while everybody still counts. */
int traffic_stall(Load *l, unsigned n) {
        Reading now = {0};

        if (n == 0 || l->n_stalled > 0 || l->n_senders + n >= l->n_connections)
                return -EINVAL;
        l->n_expected_before = (uint64_t) l->n_sent * load_receivers_per_message(l);
        l->n_before = l->n_sent;
        int r = load_stall(l, n);
        if (r == 0)
                r = traffic_read(l, &now);
        if (r == 0)
                r = traffic_print(l, &now, &now);
        return r == 0 ? traffic_finish_line() : r;
}

int traffic_wake(Load *l, double seconds) {
        Reading now = {0};

        int r = load_wake(l, meter_now_nsec() + (uint64_t) (seconds * SECOND));
        if (r == 0)
                r = traffic_read(l, &now);
        if (r == 0)
                r = traffic_print(l, &now, &now);
        if (r < 0)
                return r;
        printf(",\"stalled\":%u,\"exhausted\":%u", l->n_stalled, l->n_exhausted);
        return traffic_finish_line();
}

/* Two messages from each sender, while others are still on their way back. */
static int traffic_hail(Load *l) {
        int r = 0;

        for (unsigned i = 0; i < 2 * l->n_senders && r == 0; i++)
                r = traffic_send(l);
        return r;
}

int traffic_rejoin(Load *l, double seconds) {
        const uint64_t deadline = meter_now_nsec() + (uint64_t) (seconds * SECOND);
        Reading from = {.nsec = meter_now_nsec(), .n_delivered = l->n_delivered}, to = {0};

        l->pid = 0; /* it will be another one */
        int r = load_reconnect(l, traffic_hail, deadline);
        if (r == 0)
                r = traffic_drain(l, deadline);
        if (r == 0)
                r = traffic_read(l, &to);
        to.load_nsec = 0;
        if (r == 0)
                r = traffic_print(l, &from, &to);
        return r == 0 ? traffic_finish_line() : r;
}
