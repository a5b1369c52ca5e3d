/* SPDX-License-Identifier: MIT */
/*
 * The log's beginning and end, and the decision that the ids which people have seen mean nothing
 * any more: a new epoch. What is known about the log is held in memory, and is right whether or not
 * the file can be used at the moment.
 */
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "service/log-internal.h"

/* Stands for a boot that is not known, and is never the same as another one. */
#define ANY_BOOT "unknown"

_printf_(2, 3) static void note(LogError *error, const char *format, ...) {
        size_t n = strlen(error->text);
        va_list args;

        if (n > 0 && n + 1 < sizeof(error->text))
                error->text[n++] = ' ';
        va_start(args, format);
        vsnprintf(error->text + n, sizeof(error->text) - n, format, args);
        va_end(args);
}

static int new_epoch(Log *l) {
        uint64_t bits;

        if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
                return -EIO;
        snprintf(l->meta.epoch, sizeof(l->meta.epoch), "%016jx", (uintmax_t) bits);
        return 0;
}

static int begin_anew(Log *l) {
        l->meta = (LogMeta){.next_id = 1};
        l->first = 1;
        return new_epoch(l);
}

/* Messages that people have seen may be gone, and their ids will be given to others. */
static bool power_was_lost(const Log *l) {
        const char *boot = l->meta.unsynced_boot;

        return *boot && (strcmp(boot, l->boot) != 0 || strcmp(boot, ANY_BOOT) == 0);
}

static int find_file(Log *l, const char *directory, LogError *error) {
        int r;

        if (mkdir(directory, 0700) < 0 && errno != EEXIST && errno != EROFS)
                r = -errno;
        else
                r = log_make_paths(l, directory);
        if (r != 0) {
                note(error, "Cannot use the state directory %s: %s", directory, strerror(-r));
                return r;
        }
        r = log_inspect(l, error);
        if (r != 0)
                return r;
        if (!l->made || l->in_the_way)
                return begin_anew(l);
        if (power_was_lost(l)) {
                note(error,
                     "%s was not closed before the machine was started anew: what was said last "
                     "may be lost, and every member is told so.",
                     l->path);
                return new_epoch(l);
        }
        return 0;
}

/* Whether or not it can be written. */
static int start(Log *l, LogError *error) {
        int r = log_connect(l);

        if (r == -EUCLEAN && l->made && !l->in_the_way) { /* it looked good */
                snprintf(l->damage, sizeof(l->damage), "it cannot be written");
                l->in_the_way = true;
                log_disconnect(l);
                r = begin_anew(l);
                if (r == 0)
                        r = log_connect(l);
        }
        if (*l->aside)
                note(error, "%s was damaged (%s) and is now %s%s: a new log begins.", l->path,
                     l->damage, l->path, l->aside);
        if (r == -ENOMEM || !l->path)
                return r;
        if (r == -EBUSY)
                note(error, "%s is in use by another program.", l->path);
        else if (l->in_the_way)
                note(error, "%s is damaged (%s) and cannot be set aside: %s.", l->path, l->damage,
                     strerror(-r));
        else if (r != 0)
                note(error, "%s cannot be written: %s.", l->path, strerror(-r));
        return r == -EBUSY ? r : 0;
}

DEFINE_CLEANUP(Log *, log_free);

int log_open(Log **ret, const char *directory, const LogOptions *options, LogError *error) {
        _cleanup_(log_freep) Log *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        error->text[0] = '\0';
        log_configure(l, options);
        r = directory ? find_file(l, directory, error) : begin_anew(l);
        if (r == 0)
                r = start(l, error);
        if (r == 0)
                *ret = TAKE_PTR(l);
        return r;
}

Log *log_free(Log *l) {
        if (!l)
                return NULL;
        if (l->writable && !l->damaged && *l->meta.unsynced_boot)
                (void) log_settle(l); /* in vain: the next boot takes it for what it then is */
        log_disconnect(l);
        free(l->directory);
        free(l->path);
        free(l);
        return NULL;
}

void log_configure(Log *l, const LogOptions *options) {
        l->options = *options;
        l->options.boot_id = NULL;
        snprintf(l->boot, sizeof(l->boot), "%s",
                 options->boot_id && *options->boot_id ? options->boot_id : ANY_BOOT);
}

const char *log_epoch(const Log *l) {
        return l->meta.epoch;
}

uint64_t log_head(const Log *l) {
        return l->meta.next_id - 1;
}

uint64_t log_first(const Log *l) {
        return l->first;
}

int64_t log_last_time(const Log *l) {
        return l->meta.last_ms;
}
