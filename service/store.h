/* SPDX-License-Identifier: MIT */
/*
 * The thread that waits for disks. Requests are run one after the other, in the order in which they
 * were made, and come back to the loop; what they do is their maker's business.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/mailbox.h"

typedef struct Store Store;

/* Embedded in whatever the request needs; belongs to the store from store_submit() until done(). */
typedef struct StoreRequest StoreRequest;
struct StoreRequest {
        MailboxItem item;
        void (*run)(StoreRequest *request);  /* on the store's thread */
        void (*done)(StoreRequest *request); /* on the loop */
};

int store_new(Store **ret);
/* Runs what waits, ends the thread, and then calls what done() is still owed. */
Store *store_free(Store *s);

void store_submit(Store *s, StoreRequest *request);
/* Waits for it; done() is not called. While nothing else is under way. */
void store_run(Store *s, StoreRequest *request);

/* Readable when something is done. */
int store_fd(const Store *s);
/* Calls done() of up to `max` requests. */
void store_dispatch(Store *s, unsigned max);
size_t store_pending(const Store *s);
