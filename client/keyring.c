/* SPDX-License-Identifier: MIT */
/*
 * $XDG_CONFIG_HOME/chatroom/tokens/USER@HOST:PORT. The folders are made for their owner alone, and
 * a token appears under its name all at once or not at all.
 */
#include "client/keyring.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "client/secret.h"

/* The folder that holds "chatroom/tokens", without an end slash. */
static int config_folder(char **ret) {
        const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        int r;

        if (config && *config == '/') /* as its specification has it */
                r = asprintf(ret, "%s", config);
        else if (home && *home == '/')
                r = asprintf(ret, "%s/.config", home);
        else
                return KEYRING_E_NONE;
        return r < 0 ? -ENOMEM : 0;
}

/* Names may hold anything, file names may not; and a host is the same in any case. */
static int file_name(char **ret, const Target *target) {
        _cleanup_(freep) char *address = NULL;
        char *name, *out;
        int r;

        r = target_address(target, &address);
        if (r < 0)
                return r;
        out = name = malloc((strlen(target->user) + strlen(address)) * 3 + 2);
        if (!name)
                return -ENOMEM;
        for (const char *p = target->user; *p; p++)
                if (isalnum((unsigned char) *p) || strchr("-_", *p))
                        *out++ = *p;
                else
                        out += sprintf(out, "%%%02X", (unsigned char) *p);
        *out++ = '@';
        for (const char *p = address; *p; p++)
                if (isalnum((unsigned char) *p) || strchr("-_.:[]", *p))
                        *out++ = (char) tolower((unsigned char) *p);
                else
                        out += sprintf(out, "%%%02X", (unsigned char) *p);
        *out = '\0';
        *ret = name;
        return 0;
}

static int file_path(char **ret, const Target *target) {
        _cleanup_(freep) char *folder = NULL, *name = NULL;
        int r = config_folder(&folder);

        if (r == 0)
                r = file_name(&name, target);
        if (r != 0)
                return r;
        return asprintf(ret, "%s/chatroom/tokens/%s", folder, name) < 0 ? -ENOMEM : 0;
}

int keyring_find(char **ret, const Target *target, Complaint *complaint) {
        _cleanup_(freep) char *path = NULL;
        int r = file_path(&path, target);

        if (r != 0)
                return r;
        if (access(path, F_OK) < 0)
                return KEYRING_E_NONE;
        r = secret_from_file(ret, path, complaint);
        return r == SECRET_E_REFUSED ? KEYRING_E_REFUSED : r < 0 ? r : 0;
}

/* Makes every folder that a path goes through, and its last one nobody else's. */
static int make_folders(char *path, Complaint *complaint) {
        struct stat st;

        for (char *p = path + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        return complain(complaint, KEYRING_E_REFUSED, "cannot make %s: %s", path,
                                        strerror(errno));
                *p = '/';
        }
        *strrchr(path, '/') = '\0';
        if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
            ((st.st_mode & 077) && chmod(path, 0700) < 0))
                return complain(complaint, KEYRING_E_REFUSED, "%s is not yours alone", path);
        return 0;
}

static int write_token(int fd, const char *token) {
        if (dprintf(fd, "%s\n", token) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int put(const char *path, const char *token, Complaint *complaint) {
        _cleanup_(freep) char *temporary = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
                return -ENOMEM;
        fd = mkostemp(temporary, O_CLOEXEC); /* 0600 */
        if (fd < 0)
                return complain(complaint, KEYRING_E_REFUSED, "cannot write %s: %s", temporary,
                                strerror(errno));
        r = write_token(fd, token);
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r == 0)
                return 0;
        (void) unlink(temporary);
        return complain(complaint, KEYRING_E_REFUSED, "cannot write %s: %s", path, strerror(-r));
}

int keyring_keep(const Target *target, const char *token, Complaint *complaint) {
        _cleanup_(freep) char *path = NULL, *folders = NULL;
        int r = file_path(&path, target);

        if (r == KEYRING_E_NONE)
                return complain(complaint, KEYRING_E_REFUSED,
                                "neither HOME nor XDG_CONFIG_HOME says where");
        if (r != 0)
                return r;
        folders = strdup(path);
        if (!folders)
                return -ENOMEM;
        r = make_folders(folders, complaint);
        return r == 0 ? put(path, token, complaint) : r;
}

int keyring_forget(const Target *target, Complaint *complaint) {
        _cleanup_(freep) char *path = NULL;
        int r = file_path(&path, target);

        if (r != 0)
                return r;
        if (unlink(path) == 0)
                return 0;
        if (errno == ENOENT || errno == ENOTDIR)
                return KEYRING_E_NONE;
        return complain(complaint, KEYRING_E_REFUSED, "cannot remove %s: %s", path,
                        strerror(errno));
}
