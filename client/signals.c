/* SPDX-License-Identifier: MIT */
/*
 * Signals are events of the loop like any other. They are blocked before gRPC starts its threads,
 * which would otherwise be interrupted by them.
 */
#include "client/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "proto/base.h"

static sigset_t ending_signals(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        return set;
}

int signals_block(void) {
        sigset_t set = ending_signals();
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

        if (fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return fd;
}

int signals_take(int fd) {
        struct signalfd_siginfo info;

        return read(fd, &info, sizeof(info)) == sizeof(info) ? (int) info.ssi_signo : 0;
}

void signals_unblock(void) {
        sigset_t set = ending_signals();

        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
}
