/* SPDX-License-Identifier: MIT */
/*
 * The buffer holds one line of the greatest length and its newline; what was read behind a line
 * stays in it. A line that does not fit is skipped up to its newline. The last line of the input
 * may lack its newline.
 */
#include "client/input.h"

#include <string.h>

struct Input {
        int fd;
        bool ended;    /* read() said so */
        bool skipping; /* inside a line that is too long */
        size_t max;
        size_t begin, end; /* what is in the buffer and not given out yet */
        char buffer[];     /* max + 1 */
};

int input_new(Input **ret, int fd, size_t max) {
        Input *i = calloc(1, sizeof(*i) + max + 1);

        if (!i)
                return -ENOMEM;
        i->fd = fd;
        i->max = max;
        *ret = i;
        return 0;
}

Input *input_free(Input *i) {
        free(i);
        return NULL;
}

const char *input_line(Input *i, size_t *n) {
        char *line = i->buffer + i->begin;
        size_t size = i->end - i->begin;
        char *newline = memchr(line, '\n', size);
        bool too_long = i->skipping;

        if (!newline && size == i->max + 1) {
                i->skipping = true;
                i->begin = i->end = 0;
                return NULL;
        }
        if (!newline && !(i->ended && (size > 0 || i->skipping)))
                return NULL;
        i->begin = newline ? (size_t) (newline + 1 - i->buffer) : i->end;
        i->skipping = false;
        *n = too_long ? i->max + 1 : newline ? (size_t) (newline - line) : size;
        return line;
}

int input_read(Input *i) {
        ssize_t got;

        memmove(i->buffer, i->buffer + i->begin, i->end - i->begin);
        i->end -= i->begin;
        i->begin = 0;
        got = read(i->fd, i->buffer + i->end, i->max + 1 - i->end);
        if (got < 0)
                return errno == EINTR || errno == EAGAIN ? 0 : -errno;
        if (got == 0)
                i->ended = true;
        i->end += (size_t) got;
        return 0;
}

bool input_ended(const Input *i) {
        return i->ended && i->begin == i->end && !i->skipping;
}
