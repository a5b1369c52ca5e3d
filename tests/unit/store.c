/* SPDX-License-Identifier: MIT */
/* The store's thread: in order, elsewhere, and back. */
#include "service/store.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "tests/unit/test.h"

#define REQUESTS 1000

typedef struct Job {
        StoreRequest request;
        unsigned number;
        unsigned *counter; /* the thread's */
        unsigned ran;      /* as which one it ran, from 1 */
        unsigned *finished;
        pthread_t thread;
} Job;

static void run(StoreRequest *request) {
        Job *job = CONTAINER_OF(request, Job, request);

        job->ran = ++*job->counter;
        job->thread = pthread_self();
}

static void done(StoreRequest *request) {
        Job *job = CONTAINER_OF(request, Job, request);

        assert_int_equal(job->number, *job->finished);
        assert_int_equal(job->ran, job->number + 1);
        assert_false(pthread_equal(job->thread, pthread_self()));
        ++*job->finished;
}

static void init(Job *jobs, unsigned *counter, unsigned *finished) {
        for (unsigned i = 0; i < REQUESTS; i++)
                jobs[i] = (Job){.request = {.run = run, .done = done},
                                .number = i,
                                .counter = counter,
                                .finished = finished};
}

static void requests_run_in_order_on_another_thread(void **state) {
        _cleanup_(freep) Job *jobs = calloc(REQUESTS, sizeof(*jobs));
        unsigned counter = 0, finished = 0;
        Store *s;

        assert_non_null(jobs);
        init(jobs, &counter, &finished);
        assert_int_equal(store_new(&s), 0);
        for (unsigned i = 0; i < REQUESTS; i++)
                store_submit(s, &jobs[i].request);
        while (finished < REQUESTS) {
                struct pollfd p = {.fd = store_fd(s), .events = POLLIN};

                assert_int_equal(poll(&p, 1, 30000), 1);
                assert_int_equal(store_pending(s), REQUESTS - finished);
                store_dispatch(s, 7);
        }
        assert_int_equal(store_pending(s), 0);
        store_free(s);
}

static void what_waits_is_done_before_the_end(void **state) {
        _cleanup_(freep) Job *jobs = calloc(REQUESTS, sizeof(*jobs));
        unsigned counter = 0, finished = 0;
        Store *s;

        assert_non_null(jobs);
        init(jobs, &counter, &finished);
        assert_int_equal(store_new(&s), 0);
        for (unsigned i = 0; i < REQUESTS; i++)
                store_submit(s, &jobs[i].request);
        store_free(s);
        assert_int_equal(finished, REQUESTS);
}

static void one_can_be_waited_for(void **state) {
        unsigned counter = 0;
        Job job = {.request = {.run = run}, .counter = &counter};
        Store *s;

        assert_int_equal(store_new(&s), 0);
        for (unsigned i = 1; i <= 3; i++) {
                store_run(s, &job.request);
                assert_int_equal(job.ran, i);
                assert_int_equal(store_pending(s), 0);
        }
        store_free(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_run_in_order_on_another_thread),
                cmocka_unit_test(what_waits_is_done_before_the_end),
                cmocka_unit_test(one_can_be_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
