/* SPDX-License-Identifier: MIT */
/*
 * Two mailboxes, one each way. That the thread is asked to end is an item in the queue like any
 * other, so everything that was asked for before is done before.
 */
#include "service/store.h"

#include <limits.h>
#include <pthread.h>

#include "proto/base.h"

struct Store {
        Mailbox *requests, *finished;
        MailboxItem quit;
        pthread_t thread;
        bool started;
        size_t n_pending;
};

static void *store_thread(void *userdata) {
        Store *s = userdata;
        MailboxItem *item;
        unsigned flags;

        for (;;) {
                item = mailbox_take(s->requests, &flags);
                if (item == &s->quit)
                        return NULL;
                if (!item) {
                        mailbox_wait(s->requests);
                        continue;
                }
                CONTAINER_OF(item, StoreRequest, item)->run(CONTAINER_OF(item, StoreRequest, item));
                mailbox_post(s->finished, item, 1);
        }
}

DEFINE_CLEANUP(Store *, store_free);

int store_new(Store **ret) {
        _cleanup_(store_freep) Store *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = mailbox_new(&s->requests);
        if (r == 0)
                r = mailbox_new(&s->finished);
        if (r == 0)
                r = -pthread_create(&s->thread, NULL, store_thread, s);
        if (r != 0)
                return r;
        s->started = true;
        *ret = TAKE_PTR(s);
        return 0;
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        if (s->started) {
                mailbox_post(s->requests, &s->quit, 1);
                pthread_join(s->thread, NULL);
                store_dispatch(s, UINT_MAX);
        }
        mailbox_free(s->requests);
        mailbox_free(s->finished);
        free(s);
        return NULL;
}

void store_submit(Store *s, StoreRequest *request) {
        s->n_pending++;
        mailbox_post(s->requests, &request->item, 1);
}

void store_run(Store *s, StoreRequest *request) {
        unsigned flags;

        store_submit(s, request);
        while (!mailbox_take(s->finished, &flags))
                mailbox_wait(s->finished);
        s->n_pending--;
}

int store_fd(const Store *s) {
        return mailbox_fd(s->finished);
}

void store_dispatch(Store *s, unsigned max) {
        MailboxItem *item;
        unsigned flags;

        for (unsigned i = 0; i < max && (item = mailbox_take(s->finished, &flags)); i++) {
                StoreRequest *request = CONTAINER_OF(item, StoreRequest, item);

                s->n_pending--;
                request->done(request);
        }
}

size_t store_pending(const Store *s) {
        return s->n_pending;
}
