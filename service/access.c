/* SPDX-License-Identifier: MIT */
/*
 * What is asked for is answered from memory. The store's thread writes; whoever changes something
 * decides which comes first: what lets somebody in takes effect when it is on the disk, what keeps
 * somebody out takes effect at once.
 */
#include "service/access.h"

#include <string.h>
#include <sys/epoll.h>

#include "proto/base.h"
#include "service/drain.h"
#include "service/journal.h"
#include "service/service.h"
#include "service/state.h"
#include "service/store.h"

#define COMPLETIONS_PER_DISPATCH 64
/* How long it may take until a use is written down. */
#define USES_USEC UINT64_C(60000000)
/* How soon what could not be written is tried again. */
#define RETRY_USEC UINT64_C(5000000)
#define EXPIRY_ACCURACY_USEC 10000

struct Access {
        Service *service;
        TokenTable *tokens;
        Store *store; /* NULL: no state directory */
        State *state;
        sd_event_source *completions, *expiry;
        int last_result, last_error; /* of a commit; last_error is negative or 0 */
        bool unwritten;              /* a revocation may be in memory only */
        uint64_t retried_usec;
        uint64_t waiting_usec; /* since when the disk has not answered, while it is asked */
        uint64_t uses_usec;    /* when uses were written down last */
        int64_t uses_until_ms; /* those up to then */
};

typedef struct Commit {
        StoreRequest request;
        Access *access;
        const TokenChange *changes;
        size_t n;
        AccessFn fn;
        void *userdata;
        int result;
} Commit;

/* ---- the disk */

static void run_commit(StoreRequest *request) {
        Commit *c = CONTAINER_OF(request, Commit, request);

        c->result = state_commit(c->access->state, c->changes, c->n);
}

static void note_result(Access *a, int result) {
        if (result < 0 && a->last_result >= 0)
                log_error("The state cannot be written: %s", access_strerror(result));
        else if (result == 0 && a->last_result < 0)
                log_info("The state can be written again");
        if (result <= 0)
                a->last_result = result;
        if (result < 0)
                a->last_error = result;
}

/* Whoever is kept out by a revocation that the disk did not take would be back after a restart. */
static void note_revocations(const Commit *c) {
        Access *a = c->access;

        for (size_t i = 0; c->result <= 0 && i < c->n; i++)
                if (c->changes[i].kind == TOKEN_REVOKE || c->changes[i].kind == TOKEN_REMOVE) {
                        token_table_set_unwritten(a->tokens, &c->changes[i].token.hash,
                                                  c->result < 0);
                        a->unwritten = a->unwritten || c->result < 0;
                }
}

static void commit_done(StoreRequest *request) {
        Commit *c = CONTAINER_OF(request, Commit, request);

        c->access->waiting_usec = service_now_usec(c->access->service);
        note_result(c->access, c->result);
        note_revocations(c);
        c->fn(c->userdata, c->result == STATE_E_EXISTS ? ACCESS_E_EXISTS : c->result);
        free(c);
}

void access_commit(Access *a, const TokenChange *changes, size_t n, AccessFn fn, void *userdata) {
        Commit *c = a->store ? malloc(sizeof(*c)) : NULL;

        if (!c) {
                fn(userdata, a->store ? -ENOMEM : ACCESS_E_MEMORY);
                return;
        }
        *c = (Commit){.request = {.run = run_commit, .done = commit_done},
                      .access = a,
                      .changes = changes,
                      .n = n,
                      .fn = fn,
                      .userdata = userdata};
        if (store_pending(a->store) == 0)
                a->waiting_usec = service_now_usec(a->service);
        store_submit(a->store, &c->request);
}

static int on_completions(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Access *a = userdata;

        store_dispatch(a->store, COMPLETIONS_PER_DISPATCH);
        drain_advance(a->service);
        return 0;
}

/* ---- memory */

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) access_enforce(userdata);
        return 0;
}

static void arm_expiry(Access *a) {
        int64_t at = token_table_next_expiry(a->tokens, service_now_ms());

        a->expiry = sd_event_source_disable_unref(a->expiry);
        if (at > 0 && at < INT64_MAX / 1000 &&
            sd_event_add_time(a->service->event, &a->expiry, CLOCK_REALTIME, (uint64_t) at * 1000,
                              EXPIRY_ACCURACY_USEC, on_expiry, a) < 0)
                log_error(
                        "Out of memory: tokens that expire will not end the sessions they let in");
}

int access_apply(Access *a, const TokenChange *changes, size_t n) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = token_table_apply(a->tokens, &changes[i]);
        return r;
}

unsigned access_enforce(Access *a) {
        unsigned n = 0;
        Stream *next;

        for (Stream *stream = a->service->streams; stream; stream = next) {
                next = stream->next;
                n += stream_check_token(stream);
        }
        arm_expiry(a);
        return n;
}

int access_configure(Access *a, const TokenTable *configured) {
        TokenTable *tokens;
        int r;

        r = token_table_configure(&tokens, a->tokens, configured);
        if (r != 0)
                return fold(r);
        token_table_free(a->tokens);
        a->tokens = tokens;
        return 0;
}

TokenTable *access_tokens(const Access *a) {
        return a->tokens;
}

/* ---- now and then */

typedef struct Collection {
        const Access *access;
        TokenChange *changes;
        size_t n;
} Collection;

static int add_use(const Token *token, void *userdata) {
        Collection *c = userdata;

        if (token->last_used_ms > c->access->uses_until_ms)
                c->changes[c->n++] = (TokenChange){TOKEN_USE, *token};
        return 0;
}

static int add_unwritten(const Token *token, void *userdata) {
        Collection *c = userdata;

        if (token->unwritten)
                c->changes[c->n++] = (TokenChange){TOKEN_REVOKE, *token};
        return 0;
}

static void collection_done(void *userdata, int result) {
        free(userdata);
}

/* Commits what fn collects. Whether there was anything. */
static bool commit_all(Access *a, int (*fn)(const Token *token, void *userdata)) {
        TokenChange *changes = calloc(token_table_size(a->tokens) + 1, sizeof(*changes));
        Collection c = {.access = a, .changes = changes};

        if (!changes)
                return true;
        (void) token_table_foreach(a->tokens, fn, &c);
        if (c.n > 0)
                access_commit(a, changes, c.n, collection_done, changes);
        else
                free(changes);
        return c.n > 0;
}

static void write_uses(Access *a) {
        (void) commit_all(a, add_use);
        a->uses_until_ms = service_now_ms();
}

void access_tick(Access *a) {
        uint64_t now = service_now_usec(a->service);

        if (!a->store)
                return;
        if (a->unwritten && store_pending(a->store) == 0 && now - a->retried_usec >= RETRY_USEC) {
                a->retried_usec = now;
                a->unwritten = commit_all(a, add_unwritten);
        }
        if (now - a->uses_usec >= USES_USEC) {
                a->uses_usec = now;
                write_uses(a);
        }
}

/* ---- beginning and end */

typedef struct Opening {
        StoreRequest request;
        const char *directory;
        State *state;
        StateError error;
        int result, commit_result;
} Opening;

static void run_opening(StoreRequest *request) {
        Opening *o = CONTAINER_OF(request, Opening, request);

        o->result = state_open(&o->state, o->directory, &o->error);
        if (o->result == 0)
                o->commit_result = state_commit(o->state, NULL, 0);
}

static int open_state(Access *a, const char *directory) {
        Opening o = {.request = {.run = run_opening}, .directory = directory};
        const TokenChange *loaded;
        size_t n;
        int r;

        r = store_new(&a->store);
        if (r != 0)
                return log_errno(r, "Cannot start the store's thread");
        store_run(a->store, &o.request);
        if (o.result == STATE_E_UNUSABLE)
                log_error("%s", o.error.text);
        if (o.result != 0)
                return o.result < 0 ? log_errno(o.result, "Cannot read the state") : -EINVAL;
        a->state = o.state;
        note_result(a, o.commit_result);
        loaded = state_loaded(a->state, &n);
        r = access_apply(a, loaded, n);
        state_forget_loaded(a->state);
        return r != 0 ? log_errno(fold(r), "Cannot take in the state") : 0;
}

DEFINE_CLEANUP(Access *, access_free);

int access_new(Access **ret, Service *s) {
        _cleanup_(access_freep) Access *a = calloc(1, sizeof(*a));
        int r;

        if (!a || token_table_new(&a->tokens) != 0)
                return log_errno(-ENOMEM, "Cannot start");
        a->service = s;
        r = s->state_directory ? open_state(a, s->state_directory) : 0;
        if (r != 0)
                return r;
        r = access_configure(a, s->config->tokens);
        if (r != 0)
                return log_errno(r, "Cannot start");
        *ret = TAKE_PTR(a);
        return 0;
}

int access_start(Access *a) {
        int r = 0;

        a->uses_until_ms = service_now_ms();
        a->uses_usec = service_now_usec(a->service);
        arm_expiry(a);
        if (a->store)
                r = sd_event_add_io(a->service->event, &a->completions, store_fd(a->store), EPOLLIN,
                                    on_completions, a);
        if (r >= 0 && a->store)
                r = sd_event_source_set_priority(a->completions, SD_EVENT_PRIORITY_IMPORTANT);
        return r < 0 ? r : 0;
}

Access *access_free(Access *a) {
        if (!a)
                return NULL;
        if (a->completions) { /* it was started */
                if (a->unwritten)
                        (void) commit_all(a, add_unwritten);
                write_uses(a);
        }
        a->completions = sd_event_source_disable_unref(a->completions);
        store_free(a->store);
        a->expiry = sd_event_source_disable_unref(a->expiry);
        /* The thread is gone: what was its is ours. */
        state_free(a->state);
        token_table_free(a->tokens);
        free(a);
        return NULL;
}

uint64_t access_waiting_usec(const Access *a) {
        bool waits = a->store && store_pending(a->store) > 0;

        return waits ? service_now_usec(a->service) - a->waiting_usec : 0;
}

static int is_unwritten(const Token *token, void *userdata) {
        return token->unwritten;
}

int access_check(const Access *a) {
        if (!a->store)
                return ACCESS_E_MEMORY;
        if (a->last_result == 0 && a->unwritten &&
            token_table_foreach(a->tokens, is_unwritten, NULL) != 0)
                return a->last_error;
        return a->last_result;
}

const char *access_strerror(int result) {
        switch (result) {
        case ACCESS_E_MEMORY:
                return "there is no state directory (--state)";
        case -EUCLEAN:
                return "state.db is damaged";
        case -ESTALE:
                return "state.db was taken away";
        default:
                return strerror(-result);
        }
}
