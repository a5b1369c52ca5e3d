/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a connection: an address on the chat port, a user of this host on the
 * control socket, as the kernel says and not as the peer does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/address.h"

typedef struct Peer {
        bool local;    /* uid, pid and operator count; else the address */
        bool operator; /* may use the control socket */
        uid_t uid;
        pid_t pid;
        Address address;
} Peer;

/* Who connected to a Unix socket. Root is an operator, and who has the group `operators` among his
 * groups, supplementary or not; NULL: there is no such group. */
int peer_from_socket(Peer *ret, int fd, const gid_t *operators);

/* What peers have in common that share limits: an address's group, a user. */
void peer_group(const Peer *p, uint8_t ret[static 16]);
