/* SPDX-License-Identifier: MIT */
/*
 * An intrusive queue under a lock, and an eventfd that is written once per batch: `signalled` is
 * true from the first post until the taker has found the queue empty, so a burst costs one system
 * call on each side.
 */
#include "service/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "proto/base.h"

struct Mailbox {
        pthread_mutex_t lock;
        MailboxItem *first, **end;
        bool signalled;
        int fd;
};

int mailbox_new(Mailbox **ret) {
        Mailbox *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->fd < 0) {
                free(m);
                return -errno;
        }
        m->end = &m->first;
        pthread_mutex_init(&m->lock, NULL);
        *ret = m;
        return 0;
}

Mailbox *mailbox_free(Mailbox *m) {
        if (!m)
                return NULL;
        close_fd(m->fd);
        pthread_mutex_destroy(&m->lock);
        free(m);
        return NULL;
}

/* Called with the lock held. The write cannot fail: the counter is at most 1. */
static void signal_taker(Mailbox *m) {
        if (m->signalled)
                return;
        m->signalled = true;
        (void) eventfd_write(m->fd, 1);
}

bool mailbox_post(Mailbox *m, MailboxItem *item, unsigned flags) {
        bool fresh;

        pthread_mutex_lock(&m->lock);
        fresh = !item->queued;
        item->flags |= flags;
        if (fresh) {
                item->queued = true;
                item->next = NULL;
                *m->end = item;
                m->end = &item->next;
        }
        signal_taker(m);
        pthread_mutex_unlock(&m->lock);
        return fresh;
}

void mailbox_wake(Mailbox *m) {
        pthread_mutex_lock(&m->lock);
        signal_taker(m);
        pthread_mutex_unlock(&m->lock);
}

int mailbox_fd(const Mailbox *m) {
        return m->fd;
}

void mailbox_wait(Mailbox *m) {
        struct pollfd p = {.fd = m->fd, .events = POLLIN};

        (void) poll(&p, 1, -1);
}

MailboxItem *mailbox_take(Mailbox *m, unsigned *ret_flags) {
        MailboxItem *item;

        pthread_mutex_lock(&m->lock);
        item = m->first;
        if (item) {
                m->first = item->next;
                if (!m->first)
                        m->end = &m->first;
                item->queued = false;
                *ret_flags = item->flags;
                item->flags = 0;
        } else if (m->signalled) {
                eventfd_t ignored;

                (void) eventfd_read(m->fd, &ignored);
                m->signalled = false;
        }
        pthread_mutex_unlock(&m->lock);
        return item;
}
