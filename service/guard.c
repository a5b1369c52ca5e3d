/* SPDX-License-Identifier: MIT */
/* A fast peer on a fast network fills a megabyte in a millisecond, so looks are frequent; they are
 * one number. Asking the kernel about each connection is not as cheap: that is done when memory has
 * grown, and now and then for whoever grows too slowly for that. */
#include "service/guard.h"

#include "proto/base.h"
#include "service/journal.h"
#include "service/memory.h"
#include "service/service.h"

#define LOOK_USEC UINT64_C(25000)
#define LOOKS_PER_AUDIT 80
/* Growth that is worth an audit before its time. */
#define QUICK_GROWTH (UINT64_C(8) << 20)

struct Guard {
        Service *service;
        sd_event_source *timer;
        uint64_t resident; /* when connections were last audited */
        unsigned looks;    /* since then */
        bool trim;         /* somebody was cut off: memory has been freed, or soon will be */
};

static void cut_off(Connection *c, void *userdata) {
        char address[ADDRESS_TEXT_MAX];
        JournalEvent event = {.kind = JOURNAL_CUT, .address = address, .reason = "intake"};
        Guard *g = userdata;

        g->trim = true;
        if (!connection_may_log(c, service_now_usec(g->service)))
                return;
        address_format(&c->peer.address, true, address);
        journal_write(LOG_NOTICE, &event, "Cut off %s: it sends what is no message (max_frame)",
                      address);
}

static void audit(Guard *g, uint64_t resident) {
        Service *s = g->service;

        if (g->trim) {
                memory_trim();
                g->trim = false;
                resident = memory_resident();
        }
        connections_audit(s->connections, &s->config->limits, service_now_usec(s), cut_off, g);
        g->resident = resident;
        g->looks = 0;
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t resident = memory_resident();
        Guard *g = userdata;

        if (++g->looks >= LOOKS_PER_AUDIT || resident > g->resident + QUICK_GROWTH)
                audit(g, resident);
        (void) sd_event_source_set_time_relative(source, LOOK_USEC);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

int guard_new(Guard **ret, Service *s) {
        Guard *g = calloc(1, sizeof(*g));
        int r;

        if (!g)
                return -ENOMEM;
        g->service = s;
        g->resident = memory_resident();
        r = sd_event_add_time_relative(s->event, &g->timer, CLOCK_MONOTONIC, LOOK_USEC,
                                       LOOK_USEC / 10, on_look, g);
        if (r < 0) {
                free(g);
                return r;
        }
        *ret = g;
        return 0;
}

Guard *guard_free(Guard *g) {
        if (!g)
                return NULL;
        sd_event_source_disable_unref(g->timer);
        free(g);
        return NULL;
}
