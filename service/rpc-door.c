/* SPDX-License-Identifier: MIT */
/*
 * Where connections are handed to gRPC. It may begin to read there and then, and goes on for as
 * long as there is something: a peer that never stops sending would keep whoever handed it over.
 * So that is not the loop, which is to cut such peers off, but one of a few threads that do nothing
 * else.
 */
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>

#include "proto/base.h"
#include "service/rpc-internal.h"

typedef struct Newcomer {
        MailboxItem item;
        int fd;
} Newcomer;

static void let_in(Rpc *rpc, int fd) {
        grpc_server_credentials *insecure = grpc_insecure_server_credentials_create();

        grpc_server_add_channel_from_fd(rpc->server, fd, insecure);
        grpc_server_credentials_release(insecure);
}

static void *door_thread(void *userdata) {
        Rpc *rpc = userdata;
        MailboxItem *item;
        unsigned flags;

        for (;;) {
                Newcomer *n;

                item = mailbox_take(rpc->newcomers, &flags);
                if (item == &rpc->doors_closed) {
                        mailbox_post(rpc->newcomers, item, 1); /* for the next thread */
                        return NULL;
                }
                if (!item) {
                        mailbox_wait(rpc->newcomers);
                        continue;
                }
                n = CONTAINER_OF(item, Newcomer, item);
                if (atomic_load(&rpc->draining))
                        (void) close_fd(n->fd);
                else
                        let_in(rpc, n->fd);
                free(n);
        }
}

int rpc_doors_open(Rpc *rpc, size_t n) {
        int r = mailbox_new(&rpc->newcomers);

        for (; r == 0 && rpc->n_doors < n && rpc->n_doors < ELEMENTS(rpc->doors);
             rpc->n_doors += r == 0)
                r = -pthread_create(&rpc->doors[rpc->n_doors], NULL, door_thread, rpc);
        return r;
}

void rpc_doors_close(Rpc *rpc) {
        mailbox_post(rpc->newcomers, &rpc->doors_closed, 1);
        for (size_t i = 0; i < rpc->n_doors; i++)
                pthread_join(rpc->doors[i], NULL);
        mailbox_free(rpc->newcomers);
}

int rpc_add_connection(Rpc *rpc, int fd) {
        Newcomer *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        n->fd = fd;
        mailbox_post(rpc->newcomers, &n->item, 1);
        return 0;
}
