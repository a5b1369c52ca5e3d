/* SPDX-License-Identifier: MIT */
/*
 * The kernel notes a process's credentials when it connects, and they stay those of that moment
 * whatever the process does later.
 */
#include "service/peer.h"

#include <string.h>

#include "proto/base.h"

/* The most that Linux lets a process be in. */
#define GROUPS_MAX 65536

static int is_member(int fd, gid_t group) {
        _cleanup_(freep) gid_t *groups = NULL;
        socklen_t size = 64 * sizeof(*groups);
        int r;

        do {
                gid_t *larger = realloc(groups, size);

                if (!larger)
                        return -ENOMEM;
                groups = larger;
                /* Too small: the kernel says ERANGE and how much it would take. */
                r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0 ? -errno : 0;
        } while (r == -ERANGE && size <= GROUPS_MAX * sizeof(*groups));
        if (r < 0)
                return r;
        for (size_t i = 0; i < size / sizeof(*groups); i++)
                if (groups[i] == group)
                        return 1;
        return 0;
}

int peer_from_socket(Peer *ret, int fd, const gid_t *operators) {
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        int r = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        if (credentials.uid != 0 && operators && credentials.gid != *operators)
                r = is_member(fd, *operators);
        if (r < 0)
                return r;
        *ret = (Peer){.local = true,
                      .operator= credentials.uid ==
                      0 ||(operators && (credentials.gid == *operators || r > 0)),
                      .uid = credentials.uid,
                      .pid = credentials.pid};
        return 0;
}

void peer_group(const Peer *p, uint8_t ret[static 16]) {
        if (!p->local) {
                address_group(&p->address, ret);
                return;
        }
        memset(ret, 0, 16);
        memcpy(ret, &p->uid, sizeof(p->uid));
}
