/* SPDX-License-Identifier: MIT */
/* A thin layer, so that nobody else spells the protocol. */
#include "service/notify.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void notify_ready(void) {
        (void) sd_notify(0, "READY=1");
}

/* MONOTONIC_USEC is what later versions of systemd pair a reload's READY with. */
void notify_reloading(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                          (unsigned long long) now.tv_sec * 1000000 +
                                  (unsigned long long) now.tv_nsec / 1000);
}

void notify_stopping(void) {
        (void) sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...) {
        char text[256];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void) sd_notifyf(0, "STATUS=%s", text);
}

void notify_watchdog(void) {
        (void) sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_usec(void) {
        uint64_t usec = 0;

        return sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}
