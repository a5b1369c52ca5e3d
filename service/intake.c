/* SPDX-License-Identifier: MIT */
/*
 * Honest bytes besides messages are: a stream's headers; a window update for what we sent, at worst
 * 26 bytes for a frame of some 80; a ping now and then.
 */
#include "service/intake.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* On the way at once: a connection's preface and headers, a stream's window and the message in it.
 */
#define CONNECTION_BYTES (256 * 1024)
#define STREAM_BYTES (80 * 1024)
/* Paid back: per stream that was opened, per second, and per byte that we sent. */
#define BYTES_PER_OPENED 1024
#define BYTES_PER_SECOND 256
#define SENT_PER_BYTE 2

/* A prefix of 5 and a header of 9 for each frame; a client may make its frames small. */
void intake_account(Intake *i, uint64_t message_bytes) {
        i->accounted += message_bytes + message_bytes / 8 + 32;
}

void intake_open_stream(Intake *i) {
        i->opened++;
}

static bool ask_kernel(int fd, uint64_t *ret_received, uint64_t *ret_sent) {
        struct tcp_info info = {0};
        socklen_t size = sizeof(info);

        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
                return false;
        *ret_received = info.tcpi_bytes_received;
        *ret_sent = info.tcpi_bytes_sent;
        return true;
}

bool intake_is_excessive(Intake *i, int fd, unsigned streams, const Limits *limits,
                         uint64_t now_usec) {
        uint64_t received, sent, paid, most;

        if (!ask_kernel(fd, &received, &sent))
                return false;
        paid = i->accounted + i->opened * BYTES_PER_OPENED + (sent - i->sent) / SENT_PER_BYTE +
               (now_usec - i->at_usec) * BYTES_PER_SECOND / 1000000;
        i->debt += received - i->received;
        i->debt -= paid < i->debt ? paid : i->debt;
        *i = (Intake){.received = received, .sent = sent, .debt = i->debt, .at_usec = now_usec};
        most = CONNECTION_BYTES + (uint64_t) streams * (STREAM_BYTES + limits->max_frame);
        return i->debt > most;
}
