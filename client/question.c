/* SPDX-License-Identifier: MIT */
/*
 * The answer is read from the terminal and not from the input, which may be something else. What
 * was typed before the question is no answer to it.
 */
#include "client/question.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <termios.h>

#define ANSWER_MAX 256

static bool is_yes(const char *answer) {
        return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

int question_ask(const char *prompt, int signals, int timeout_ms) {
        _cleanup_(closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
        struct pollfd fds[] = {{.fd = tty, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        char answer[ANSWER_MAX];
        ssize_t n;

        if (tty < 0)
                return QUESTION_NO;
        (void) tcflush(tty, TCIFLUSH);
        (void) dprintf(tty, "%s [y/N] ", prompt);
        for (;;) {
                n = poll(fds, ELEMENTS(fds), timeout_ms);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        (void) dprintf(tty, "\n");
                if (n == 0)
                        return QUESTION_NO;
                if (n > 0 && fds[1].revents)
                        return QUESTION_INTERRUPTED;
                if (n > 0)
                        break;
        }
        n = read(tty, answer, sizeof(answer) - 1);
        if (n <= 0)
                return QUESTION_NO;
        answer[n] = '\0';
        answer[strcspn(answer, "\r\n")] = '\0';
        return is_yes(answer) ? 0 : QUESTION_NO;
}
