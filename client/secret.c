/* SPDX-License-Identifier: MIT */
/*
 * A token is never an argument (ps shows those) nor an environment variable. A file of the user's
 * own that others may read is refused, as ssh does with keys: it has been a secret, perhaps.
 * While the terminal's echo is off, signals stay blocked and are waited for besides the keyboard,
 * so that no way out leaves the terminal mute.
 */
#include "client/secret.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

#define SECRET_MAX 4096

static int check_mode(int fd, const char *path, Complaint *complaint) {
        struct stat st;
        mode_t others;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return complain(complaint, SECRET_E_REFUSED, "%s is a directory", path);
        others = st.st_uid == geteuid() ? 077 : 007;
        if (S_ISREG(st.st_mode) && (st.st_mode & others))
                return complain(complaint, SECRET_E_REFUSED,
                                "%s can be read by others, so its token is not used: "
                                "chmod 600 %s",
                                path, path);
        return 0;
}

/* What makes a token usable at all. Cuts the line's end off. */
static int check_secret(char *text, size_t n, const char *source, Complaint *complaint) {
        if (n > 0 && text[n - 1] == '\n')
                n--;
        if (n > 0 && text[n - 1] == '\r')
                n--;
        text[n] = '\0';
        if (n == 0)
                return complain(complaint, SECRET_E_REFUSED, "%s holds no token", source);
        if (strlen(text) < n || strpbrk(text, "\r\n"))
                return complain(complaint, SECRET_E_REFUSED,
                                "%s holds more than one line: not a token", source);
        for (size_t i = 0; i < n; i++) /* it travels in a header of HTTP */
                if (text[i] < 0x20 || text[i] > 0x7e)
                        return complain(complaint, SECRET_E_REFUSED,
                                        "%s holds characters that no token has", source);
        return 0;
}

int secret_from_file(char **ret, const char *path, Complaint *complaint) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_(secret_freep) char *text = NULL;
        size_t n = 0;
        ssize_t got;
        int r;

        if (fd < 0)
                return complain(complaint, SECRET_E_REFUSED, "cannot open %s: %s", path,
                                strerror(errno));
        r = check_mode(fd, path, complaint);
        if (r != 0)
                return r;
        text = calloc(1, SECRET_MAX + 1);
        if (!text)
                return -ENOMEM;
        while (n < SECRET_MAX && (got = read(fd, text + n, SECRET_MAX - n)) != 0) {
                if (got < 0 && errno != EINTR)
                        return complain(complaint, SECRET_E_REFUSED, "cannot read %s: %s", path,
                                        strerror(errno));
                if (got > 0)
                        n += (size_t) got;
        }
        if (n == SECRET_MAX)
                return complain(complaint, SECRET_E_REFUSED, "%s is too long for a token", path);
        r = check_secret(text, n, path, complaint);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

/* One line, in canonical mode: read() gives all of it at once. */
static int read_line(char *text, size_t *n, int tty, int signals, Complaint *complaint) {
        struct pollfd fds[] = {{.fd = tty, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        ssize_t got;

        for (;;) {
                if (poll(fds, ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents)
                        return SECRET_E_INTERRUPTED;
                if (!fds[0].revents)
                        continue;
                got = read(tty, text, SECRET_MAX);
                if (got >= 0) {
                        *n = (size_t) got;
                        return 0;
                }
                if (errno != EINTR)
                        return complain(complaint, SECRET_E_REFUSED,
                                        "cannot read from the terminal: %s", strerror(errno));
        }
}

int secret_from_terminal(char **ret, const char *prompt, int signals, Complaint *complaint) {
        _cleanup_(closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
        _cleanup_(secret_freep) char *text = calloc(1, SECRET_MAX + 1);
        struct termios before, mute;
        size_t n = 0;
        int r;

        if (!text)
                return -ENOMEM;
        if (tty < 0 || tcgetattr(tty, &before) < 0)
                return SECRET_E_NO_TERMINAL;
        mute = before;
        mute.c_lflag &= ~(tcflag_t) ECHO;
        mute.c_lflag |= ICANON | ISIG;
        mute.c_cc[VSUSP] = _POSIX_VDISABLE; /* stopped here, the shell would get it mute */
        if (tcsetattr(tty, TCSAFLUSH, &mute) < 0)
                return SECRET_E_NO_TERMINAL;
        (void) dprintf(tty, "%s", prompt);
        r = read_line(text, &n, tty, signals, complaint);
        (void) tcsetattr(tty, TCSAFLUSH, &before);
        (void) dprintf(tty, "\n");
        if (r != 0)
                return r;
        r = check_secret(text, n, "the answer", complaint);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

char *secret_free(char *secret) {
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
        return NULL;
}
