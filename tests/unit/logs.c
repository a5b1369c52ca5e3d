/* SPDX-License-Identifier: MIT */
/* Messages that can be told from each other, by the thousand. */
#include "tests/unit/logs.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/test.h"

Log *logs_open(const char *directory, const LogOptions *options) {
        LogOptions plain = {.boot_id = LOGS_BOOT};
        Log *l = NULL;
        LogError error;

        assert_int_equal(log_open(&l, directory, options ? options : &plain, &error), 0);
        assert_string_equal(error.text, "");
        return l;
}

Log *logs_open_with(Files *f, const LogOptions *options, const char *words) {
        LogError error;
        Log *l = NULL;

        assert_int_equal(log_open(&l, f->directory, options, &error), 0);
        if (!*words)
                assert_string_equal(error.text, "");
        else if (!strstr(error.text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, error.text);
        return l;
}

Log *logs_open_in(Files *f, const char *boot, bool full_sync, const char *words) {
        return logs_open_with(f, &(LogOptions){.boot_id = boot, .full_sync = full_sync}, words);
}

void logs_make(LogsMessage *ret, uint64_t id, int64_t time_ms) {
        *ret = (LogsMessage){.message = {.time_ms = time_ms, .user = (char *) "alice"}};
        ret->message.n_text =
                (size_t) snprintf(ret->text, sizeof(ret->text), "text %ju", (uintmax_t) id);
        ret->message.text = ret->text;
}

void logs_say(Log *l, size_t n, int64_t time_ms) {
        _cleanup_(freep) LogMessage *group = calloc(n, sizeof(*group));
        _cleanup_(freep) LogsMessage *made = calloc(n, sizeof(*made));
        uint64_t head = log_head(l);

        assert_true(group && made);
        for (size_t i = 0; i < n; i++) {
                logs_make(&made[i], head + 1 + i, time_ms);
                group[i] = made[i].message;
        }
        assert_int_equal(log_append(l, group, n), 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(group[i].result, LOG_APPENDED);
                assert_int_equal(group[i].id, head + 1 + i);
        }
        assert_int_equal(log_head(l), head + n);
}

void logs_say_and_die(Files *f, const LogOptions *options, size_t n) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                Log *l = logs_open(f->directory, options);

                for (size_t i = 0; i < n; i++)
                        logs_say(l, 1, 1);
                (void) raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

LogMessage logs_keyed(uint8_t key, const char *text) {
        return (LogMessage){.time_ms = 1,
                            .user = (char *) "alice",
                            .text = (char *) text,
                            .n_text = strlen(text),
                            .has_key = true,
                            .key = {key}};
}

void logs_expect(Log *l, uint64_t first, uint64_t last) {
        uint64_t id = first;

        assert_int_equal(log_first(l), first);
        assert_int_equal(log_head(l), last);
        while (id <= last) {
                LogMessage *messages;
                size_t n;

                assert_int_equal(log_read(l, &(LogRange){id - 1, 256, SIZE_MAX}, &messages, &n), 0);
                assert_true(n > 0);
                for (size_t i = 0; i < n; i++, id++) {
                        char text[64];

                        snprintf(text, sizeof(text), "text %ju", (uintmax_t) id);
                        assert_int_equal(messages[i].id, id);
                        assert_string_equal(messages[i].user, "alice");
                        assert_string_equal(messages[i].text, text);
                        assert_int_equal(messages[i].n_text, strlen(text));
                }
                log_messages_free(messages, n);
        }
        assert_int_equal(id, last + 1);
}
