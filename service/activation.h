/* SPDX-License-Identifier: MIT */
/*
 * The sockets that the daemon listens on: those that the service manager passed, by their names
 * (sd_listen_fds_with_names(3): "chat" and "control"), or its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "service/address.h"

#define ACTIVATION_MAX 32

typedef struct Activation {
        int chat[ACTIVATION_MAX];
        size_t n_chat;
        int control;        /* -1: none */
        char *control_path; /* of the socket that we bound and will remove; else NULL */
        bool inherited;     /* from the service manager */
} Activation;

/* The service manager passed sockets, and nobody has taken them yet. */
bool activation_expected(void);
/* Takes what was passed. An unnamed socket counts as "chat" (systemd-socket-activate). */
int activation_inherit(Activation *ret);
/* Binds addresses ourselves. IPv6 sockets take IPv4 too. On failure *ret_failed is the index. */
int activation_bind(Activation *a, const Address *addresses, size_t n, size_t *ret_failed);
/* Binds the control socket at a path, with mode 0660. A socket that nobody listens on any more is
 * replaced; anything else that stands there is left alone: -EEXIST, or -EADDRINUSE. The group, if
 * there is one, is given the socket as far as we may. */
int activation_bind_control(Activation *a, const char *path, const gid_t *group);
/* The address that a listening socket really has. */
int activation_address(int fd, Address *ret);
void activation_close(Activation *a);
