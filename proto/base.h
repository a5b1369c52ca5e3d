/* SPDX-License-Identifier: MIT */
/*
 * What every file may use: ownership in the type of a line, and errors of two signs.
 *
 * A function that can fail returns 0, a negative errno (unexpected: forward it untouched) or one of
 * its own documented outcomes, which are positive and which the caller must map. fold() turns an
 * outcome that nobody mapped into an error, so that it cannot travel on as something else's.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))

/* Hands over: evaluates to the value and leaves the variable empty. */
#define TAKE_PTR(p)                                                                                \
        __extension__({                                                                            \
                __typeof__(p) *take_p_ = &(p);                                                     \
                __typeof__(p) take_v_ = *take_p_;                                                  \
                *take_p_ = NULL;                                                                   \
                take_v_;                                                                           \
        })
#define TAKE_FD(fd)                                                                                \
        __extension__({                                                                            \
                int *take_p_ = &(fd);                                                              \
                int take_v_ = *take_p_;                                                            \
                *take_p_ = -1;                                                                     \
                take_v_;                                                                           \
        })

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *) ((char *) (ptr) -offsetof(type, member)))

/* Defines name##p() for _cleanup_: frees what the variable owns when the scope ends. */
#define DEFINE_CLEANUP(type, name)                                                                 \
        static inline void name##p(type *p) {                                                      \
                if (*p)                                                                            \
                        name(*p);                                                                  \
        }                                                                                          \
        struct cleanup_semicolon_##name

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline int close_fd(int fd) {
        if (fd >= 0)
                close(fd);
        return -1;
}

static inline void closep(int *fd) {
        *fd = close_fd(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

static inline int fold(int r) {
        return r > 0 ? -ENOTRECOVERABLE : r;
}
