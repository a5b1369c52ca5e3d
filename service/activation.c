/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that came from the service manager are closed when the daemon ends, but stay open in
 * the manager: connections made meanwhile wait in the kernel for the next daemon.
 */
#include "service/activation.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "proto/base.h"

#define BACKLOG 4096

static void strv_free(char **names) {
        for (char **n = names; n && *n; n++)
                free(*n);
        free(names);
}
DEFINE_CLEANUP(char **, strv_free);

static int sort_in(Activation *a, int fd, const char *name) {
        bool unnamed = !name || strcmp(name, "unknown") == 0 || strcmp(name, "stored") == 0;

        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
                return -ENOTSOCK;
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
                return -errno;
        if (strcmp(unnamed ? "chat" : name, "control") == 0 && a->control < 0) {
                a->control = fd;
                return 0;
        }
        if ((!unnamed && strcmp(name, "chat") != 0) || a->n_chat == ACTIVATION_MAX)
                return -EINVAL;
        a->chat[a->n_chat++] = fd;
        return 0;
}

bool activation_expected(void) {
        return sd_listen_fds(0) > 0;
}

int activation_inherit(Activation *ret) {
        _cleanup_(strv_freep) char **names = NULL;
        Activation a = {.control = -1};
        int n, r;

        n = sd_listen_fds_with_names(1, &names);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                r = sort_in(&a, SD_LISTEN_FDS_START + i, names ? names[i] : NULL);
                if (r < 0)
                        return r;
        }
        a.inherited = n > 0;
        *ret = a;
        return 0;
}

static int bind_one(const Address *address) {
        _cleanup_(closep) int fd = -1;
        int on = 1, off = 0;

        fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
                return -errno;
        if (address->sa.sa_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
                return -errno;
        if (bind(fd, &address->sa, address->size) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int activation_bind(Activation *a, const Address *addresses, size_t n, size_t *ret_failed) {
        for (size_t i = 0; i < n; i++) {
                int fd = bind_one(&addresses[i]);

                *ret_failed = i;
                if (fd < 0)
                        return fd;
                a->chat[a->n_chat++] = fd;
        }
        return 0;
}

/* 0 when the path is free, or was taken by a socket that nobody answers at. */
static int clear_path(const struct sockaddr_un *sun) {
        _cleanup_(closep) int probe = -1;
        struct stat st;

        if (lstat(sun->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (probe < 0)
                return -errno;
        if (connect(probe, (const struct sockaddr *) sun, sizeof(*sun)) == 0 || errno == EAGAIN)
                return -EADDRINUSE;
        if (errno != ECONNREFUSED)
                return -errno;
        return unlink(sun->sun_path) < 0 ? -errno : 0;
}

int activation_bind_control(Activation *a, const char *path, const gid_t *group) {
        struct sockaddr_un sun = {.sun_family = AF_UNIX};
        _cleanup_(closep) int fd = -1;
        mode_t old;
        int r;

        if (strlen(path) >= sizeof(sun.sun_path))
                return -ENAMETOOLONG;
        strcpy(sun.sun_path, path);
        r = clear_path(&sun);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        old = umask(0117);
        r = bind(fd, (struct sockaddr *) &sun, sizeof(sun)) < 0 ? -errno : 0;
        umask(old);
        if (r < 0)
                return r;
        if (group && lchown(path, (uid_t) -1, *group) < 0 && errno != EPERM)
                return -errno; /* EPERM: not in the group ourselves; then it stays ours alone */
        if (listen(fd, BACKLOG) < 0)
                return -errno;
        a->control_path = strdup(path);
        if (!a->control_path)
                return -ENOMEM;
        a->control = TAKE_FD(fd);
        return 0;
}

int activation_address(int fd, Address *ret) {
        struct sockaddr_storage ss;
        socklen_t size = sizeof(ss);

        if (getsockname(fd, (struct sockaddr *) &ss, &size) < 0)
                return -errno;
        return address_from_sockaddr(ret, (struct sockaddr *) &ss, size);
}

void activation_close(Activation *a) {
        for (size_t i = 0; i < a->n_chat; i++)
                close_fd(a->chat[i]);
        a->n_chat = 0;
        if (a->control_path) /* first: as long as we listen it cannot be somebody else's */
                (void) unlink(a->control_path);
        free(TAKE_PTR(a->control_path));
        a->control = close_fd(a->control);
}
