/* SPDX-License-Identifier: MIT */
/*
 * Where threads meet. Anybody posts; one thread takes, or several that are all alike. An item
 * belongs to whatever it is embedded in, and waits in at most one place in the queue: posting it
 * again while it waits adds flags to it. So a mailbox needs no memory of its own and is bounded by
 * the number of things that can post.
 */
#pragma once

#include <stdbool.h>

typedef struct Mailbox Mailbox;

typedef struct MailboxItem {
        struct MailboxItem *next;
        unsigned flags; /* what happened since it was last taken */
        bool queued;
} MailboxItem;

int mailbox_new(Mailbox **ret);
Mailbox *mailbox_free(Mailbox *m);

/* Any thread. True when the item was not waiting already. */
bool mailbox_post(Mailbox *m, MailboxItem *item, unsigned flags);
/* Any thread: makes the taker look, without an item. */
void mailbox_wake(Mailbox *m);

/* The taker's side. The descriptor is readable until mailbox_take() has answered NULL. */
int mailbox_fd(const Mailbox *m);
void mailbox_wait(Mailbox *m);
MailboxItem *mailbox_take(Mailbox *m, unsigned *ret_flags);
