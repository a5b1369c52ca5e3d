/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo() in a thread, because names mean here what they mean to every other program
 * (nsswitch, MagicDNS, mDNS), and because without a network it takes its time. The thread and the
 * owner each hold a reference, so that nobody has to wait for the other.
 */
#include "client/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

struct Resolve {
        atomic_int references;
        atomic_bool done;
        int fd;
        int error; /* getaddrinfo()'s */
        struct addrinfo *found;
        char port[8];
        char host[];
};

static void unref(Resolve *r) {
        if (atomic_fetch_sub(&r->references, 1) > 1)
                return;
        if (r->found)
                freeaddrinfo(r->found);
        close_fd(r->fd);
        free(r);
}

static void *run(void *userdata) {
        static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                              .ai_flags = AI_NUMERICSERV};
        Resolve *r = userdata;

        r->error = getaddrinfo(r->host, r->port, &hints, &r->found);
        atomic_store(&r->done, true);
        (void) eventfd_write(r->fd, 1);
        unref(r);
        return NULL;
}

/* Signals are the main thread's. */
static int start(Resolve *r) {
        pthread_attr_t attributes;
        sigset_t all, before;
        pthread_t thread;
        int error;

        sigfillset(&all);
        error = pthread_attr_init(&attributes);
        if (error)
                return -error;
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        atomic_fetch_add(&r->references, 1);
        error = pthread_create(&thread, &attributes, run, r);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        if (error)
                atomic_fetch_sub(&r->references, 1);
        return -error;
}

int resolve_new(Resolve **ret, const char *host, uint16_t port) {
        _cleanup_(resolve_freep) Resolve *r = calloc(1, sizeof(*r) + strlen(host) + 1);
        int e;

        if (!r)
                return -ENOMEM;
        r->references = 1;
        strcpy(r->host, host);
        snprintf(r->port, sizeof(r->port), "%u", port);
        r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (r->fd < 0)
                return -errno;
        e = start(r);
        if (e < 0)
                return e;
        *ret = TAKE_PTR(r);
        return 0;
}

Resolve *resolve_free(Resolve *r) {
        if (r)
                unref(r);
        return NULL;
}

int resolve_fd(const Resolve *r) {
        return r->fd;
}

bool resolve_done(const Resolve *r) {
        return atomic_load(&r->done);
}

const char *resolve_error(const Resolve *r) {
        return r->error ? gai_strerror(r->error) : NULL;
}

const struct sockaddr *resolve_address(const Resolve *r, size_t i) {
        const struct addrinfo *a = r->found;

        while (a && i-- > 0)
                a = a->ai_next;
        return a ? a->ai_addr : NULL;
}
