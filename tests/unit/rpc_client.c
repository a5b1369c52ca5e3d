/* SPDX-License-Identifier: MIT */
/*
 * The clients' side of gRPC against a real server in the same process: what arrives, in what order,
 * how calls end, and that a call may be let go of at any moment (the sanitizers see to the rest).
 */
#include "proto/rpc_client.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/echo_server.h"
#include "tests/unit/test.h"

#define DEADLINE_MS 30000

typedef struct World {
        EchoServer *server;
        RpcChannel *channel;
        char target[64];
} World;

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->server = echo_server_new("127.0.0.1:0");
        snprintf(w->target, sizeof(w->target), "dns:///127.0.0.1:%d", echo_server_port(w->server));
        assert_int_equal(rpc_channel_new(&w->channel, w->target, 0), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        rpc_channel_free(w->channel);
        echo_server_free(w->server);
        free(w);
        return 0;
}

/* The next event; there must be one before the deadline. */
static RpcEvent next(RpcChannel *c) {
        struct pollfd p = {.fd = rpc_channel_fd(c), .events = POLLIN};
        RpcEvent e;

        while (!rpc_channel_next(c, &e))
                assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        return e;
}

static void expect(RpcChannel *c, RpcCall *call, RpcEventKind kind) {
        RpcEvent e = next(c);

        assert_ptr_equal(e.call, call);
        assert_int_equal(e.kind, kind);
        rpc_event_done(&e);
}

static void expect_message(RpcChannel *c, const char *bytes, size_t n) {
        RpcEvent e = next(c);

        while (e.kind == RPC_SENT || e.kind == RPC_OPENED) {
                rpc_event_done(&e);
                e = next(c);
        }
        assert_int_equal(e.kind, RPC_MESSAGE);
        assert_int_equal(e.size, n);
        assert_memory_equal(e.data, bytes, n);
        rpc_event_done(&e);
}

/* Skips what comes before the end. */
static RpcEvent ended(RpcChannel *c) {
        RpcEvent e = next(c);

        while (e.kind != RPC_ENDED) {
                rpc_event_done(&e);
                e = next(c);
        }
        return e;
}

static void a_stream_carries_bytes_both_ways_and_ends_in_order(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;
        static const char odd[] = "a\0b\xff";
        RpcEvent e;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Stream", NULL), 0);
        expect(w->channel, call, RPC_OPENED);
        assert_int_equal(rpc_call_send(call, (RpcBytes){odd, sizeof(odd)}), 0);
        expect_message(w->channel, odd, sizeof(odd));
        rpc_call_half_close(call);
        e = ended(w->channel);
        assert_ptr_equal(e.call, call);
        assert_int_equal(e.status, RPC_STATUS_OK);
        assert_true(e.reached);
        rpc_event_done(&e);
        assert_int_equal(rpc_call_send(call, (RpcBytes){"x", 1}), -EPIPE);
}

static void an_empty_message_is_a_message(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Stream", NULL), 0);
        assert_int_equal(rpc_call_send(call, (RpcBytes){NULL, 0}), 0);
        expect_message(w->channel, "", 0);
}

static void one_send_at_a_time(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Silent", NULL), 0);
        expect(w->channel, call, RPC_OPENED);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rpc_call_send(call, (RpcBytes){"1", 1}), 0);
                assert_int_equal(rpc_call_send(call, (RpcBytes){"2", 1}), -EBUSY);
                expect(w->channel, call, RPC_SENT);
        }
}

static void closing_waits_for_what_is_being_sent(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;
        _cleanup_(freep) char *large = calloc(1, 1000000);
        RpcEvent e;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Stream", NULL), 0);
        assert_int_equal(rpc_call_send(call, (RpcBytes){large, 1000000}), 0);
        rpc_call_half_close(call);
        rpc_call_half_close(call);
        assert_int_equal(rpc_call_send(call, (RpcBytes){"x", 1}), -EPIPE);
        expect_message(w->channel, large, 1000000);
        e = ended(w->channel);
        assert_int_equal(e.status, RPC_STATUS_OK);
        rpc_event_done(&e);
}

static void a_refusal_is_the_servers(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;
        RpcEvent e;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Refuse", NULL), 0);
        e = ended(w->channel);
        assert_int_equal(e.status, RPC_STATUS_PERMISSION_DENIED);
        assert_string_equal(e.text, "not you");
        assert_true(e.reached);
        rpc_event_done(&e);
}

static void cancelling_ends_a_call(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;
        RpcEvent e;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Silent", NULL), 0);
        expect(w->channel, call, RPC_OPENED);
        rpc_call_cancel(call);
        e = ended(w->channel);
        assert_int_equal(e.status, RPC_STATUS_CANCELLED);
        rpc_event_done(&e);
        rpc_call_cancel(call);
        rpc_call_half_close(call);
}

static void a_call_may_be_freed_at_any_moment(void **state) {
        World *w = *state;

        for (int i = 0; i < 8; i++) {
                RpcCall *call = NULL, *other = NULL;

                assert_int_equal(rpc_call_new(&other, w->channel, "/test.Echo/Stream", NULL), 0);
                assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Stream", NULL), 0);
                if (i > 1)
                        assert_int_equal(rpc_call_send(call, (RpcBytes){"1", 1}), 0);
                if (i > 3)
                        expect_message(w->channel, "1", 1);
                if (i > 5)
                        rpc_call_half_close(call);
                rpc_call_free(call);

                /* The other call's events are still its own. */
                assert_int_equal(rpc_call_send(other, (RpcBytes){"2", 1}), 0);
                expect_message(w->channel, "2", 1);
                rpc_call_free(other);
        }
}

static void nobody_there_is_not_a_refusal(void **state) {
        _cleanup_(rpc_channel_freep) RpcChannel *channel = NULL;
        RpcReply reply;

        assert_int_equal(rpc_channel_new(&channel, "unix:/nonexistent/socket", 0), 0);
        assert_int_equal(
                rpc_unary(&reply, channel, "/test.Echo/Unary", (RpcBytes){"hello", 5}, NULL), 0);
        assert_int_equal(reply.status, RPC_STATUS_UNAVAILABLE);
        assert_false(reply.reached);
        assert_null(reply.data);
        rpc_reply_done(&reply);
}

static void unary_calls_go_over_a_unix_socket(void **state) {
        char directory[] = "/tmp/rpc-client-XXXXXX", address[64];

        assert_non_null(mkdtemp(directory));
        snprintf(address, sizeof(address), "unix:%s/s", directory);
        {
                _cleanup_(echo_server_freep) EchoServer *server = echo_server_new(address);
                _cleanup_(rpc_channel_freep) RpcChannel *channel = NULL;
                RpcReply reply;

                assert_true(echo_server_port(server) > 0);
                assert_int_equal(rpc_channel_new(&channel, address, 0), 0);
                assert_int_equal(rpc_unary(&reply, channel, "/test.Echo/Unary",
                                           (RpcBytes){"hello", 5}, NULL),
                                 0);
                assert_int_equal(reply.status, RPC_STATUS_OK);
                assert_int_equal(reply.size, 5);
                assert_memory_equal(reply.data, "hello", 5);
                rpc_reply_done(&reply);
        }
        unlink(address + strlen("unix:"));
        assert_int_equal(rmdir(directory), 0);
}

static void metadata_reaches_the_server(void **state) {
        World *w = *state;
        RpcMetadata metadata[] = {{"x-other", "no"}, {"x-answer", "from the metadata"}};
        RpcCallOptions options = {.metadata = metadata, .n_metadata = 2};
        RpcReply reply;

        assert_int_equal(
                rpc_unary(&reply, w->channel, "/test.Echo/Unary", (RpcBytes){"hello", 5}, &options),
                0);
        assert_int_equal(reply.status, RPC_STATUS_OK);
        assert_int_equal(reply.size, strlen("from the metadata"));
        assert_memory_equal(reply.data, "from the metadata", reply.size);
        rpc_reply_done(&reply);
}

static void metadata_that_http2_cannot_carry_is_an_error(void **state) {
        World *w = *state;
        RpcMetadata metadata[] = {{"Upper Case", "no"}};
        RpcCallOptions options = {.metadata = metadata, .n_metadata = 1};
        RpcReply reply;
        RpcCall *call = NULL;

        assert_int_equal(
                rpc_unary(&reply, w->channel, "/test.Echo/Unary", (RpcBytes){"x", 1}, &options),
                -EINVAL);
        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Stream", &options), -EINVAL);
        assert_null(call);
}

static void a_deadline_ends_a_call_that_nobody_answers(void **state) {
        World *w = *state;
        RpcCallOptions options = {.timeout_ms = 50};
        RpcReply reply;

        assert_int_equal(
                rpc_unary(&reply, w->channel, "/test.Echo/Silent", (RpcBytes){"x", 1}, &options),
                0);
        assert_int_equal(reply.status, RPC_STATUS_DEADLINE_EXCEEDED);
        rpc_reply_done(&reply);
}

/* A connection that is accepted by the kernel and answered by nobody. */
static void a_deadline_ends_a_connection_that_does_not_come_about(void **state) {
        char path[] = "/tmp/rpc-client-XXXXXX", address[64];
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_(rpc_channel_freep) RpcChannel *channel = NULL;
        RpcCallOptions options = {.timeout_ms = 50};
        RpcReply reply;

        assert_non_null(mkdtemp(path));
        snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", path);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 8), 0);
        snprintf(address, sizeof(address), "unix:%s/s", path);
        assert_int_equal(rpc_channel_new(&channel, address, 0), 0);
        assert_int_equal(
                rpc_unary(&reply, channel, "/test.Echo/Unary", (RpcBytes){"x", 1}, &options), 0);
        assert_int_equal(reply.status, RPC_STATUS_DEADLINE_EXCEEDED);
        assert_false(reply.reached);
        rpc_reply_done(&reply);
        assert_int_equal(unlink(sa.sun_path), 0);
        assert_int_equal(rmdir(path), 0);
}

static void a_unary_call_leaves_other_calls_alone(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *stream = NULL;
        RpcReply reply;

        assert_int_equal(rpc_call_new(&stream, w->channel, "/test.Echo/Stream", NULL), 0);
        assert_int_equal(rpc_call_send(stream, (RpcBytes){"mine", 4}), 0);
        assert_int_equal(
                rpc_unary(&reply, w->channel, "/test.Echo/Unary", (RpcBytes){"x", 1}, NULL), 0);
        assert_int_equal(reply.status, RPC_STATUS_OK);
        rpc_reply_done(&reply);
        expect_message(w->channel, "mine", 4);
}

static void a_server_that_goes_away_ends_the_call(void **state) {
        World *w = *state;
        _cleanup_(rpc_call_freep) RpcCall *call = NULL;
        RpcEvent e;

        assert_int_equal(rpc_call_new(&call, w->channel, "/test.Echo/Stream", NULL), 0);
        assert_int_equal(rpc_call_send(call, (RpcBytes){"1", 1}), 0);
        expect_message(w->channel, "1", 1);
        w->server = echo_server_free(w->server);
        e = ended(w->channel);
        assert_int_not_equal(e.status, RPC_STATUS_OK);
        assert_true(e.reached);
        rpc_event_done(&e);
}

static void statuses_have_names(void **state) {
        assert_string_equal(rpc_status_name(RPC_STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
        assert_string_equal(rpc_status_name(RPC_STATUS_OK), "OK");
        assert_string_equal(rpc_status_name((RpcStatus) 17), "UNKNOWN");
        assert_string_equal(rpc_status_name((RpcStatus) -1), "UNKNOWN");
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_SERVER(a_stream_carries_bytes_both_ways_and_ends_in_order),
                WITH_SERVER(an_empty_message_is_a_message),
                WITH_SERVER(one_send_at_a_time),
                WITH_SERVER(closing_waits_for_what_is_being_sent),
                WITH_SERVER(a_refusal_is_the_servers),
                WITH_SERVER(cancelling_ends_a_call),
                WITH_SERVER(a_call_may_be_freed_at_any_moment),
                cmocka_unit_test(nobody_there_is_not_a_refusal),
                cmocka_unit_test(unary_calls_go_over_a_unix_socket),
                WITH_SERVER(metadata_reaches_the_server),
                WITH_SERVER(metadata_that_http2_cannot_carry_is_an_error),
                WITH_SERVER(a_deadline_ends_a_call_that_nobody_answers),
                cmocka_unit_test(a_deadline_ends_a_connection_that_does_not_come_about),
                WITH_SERVER(a_unary_call_leaves_other_calls_alone),
                WITH_SERVER(a_server_that_goes_away_ends_the_call),
                cmocka_unit_test(statuses_have_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
