/* SPDX-License-Identifier: MIT */
/*
 * One thread takes calls and starts another for each of them, which serves it from top to bottom,
 * one operation at a time.
 */
#include "tests/unit/echo_server.h"

#include <assert.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define CALLS_MAX 64

typedef struct EchoCall {
        grpc_call *call;
        grpc_completion_queue *cq;
        grpc_call_details details;
        grpc_metadata_array metadata;
        bool headers_sent;
        pthread_t thread;
} EchoCall;

struct EchoServer {
        grpc_server *server;
        grpc_completion_queue *cq;
        pthread_t thread;
        int port;
        EchoCall calls[CALLS_MAX];
        size_t n_calls;
};

static bool step_all(EchoCall *c, const grpc_op *ops, size_t n) {
        grpc_call_error r = grpc_call_start_batch(c->call, ops, n, c, NULL);

        assert(r == GRPC_CALL_OK);
        return grpc_completion_queue_pluck(c->cq, c, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
                .success;
}

static bool step(EchoCall *c, const grpc_op *op) {
        return step_all(c, op, 1);
}

static void finish(EchoCall *c, grpc_status_code status, const char *text) {
        grpc_slice details = grpc_slice_from_static_string(text);
        grpc_op ops[] = {
                {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
                {.op = GRPC_OP_SEND_INITIAL_METADATA},
        };

        ops[0].data.send_status_from_server.status = status;
        ops[0].data.send_status_from_server.status_details = &details;
        step_all(c, ops, c->headers_sent ? 1 : 2);
}

static void send_headers(EchoCall *c) {
        grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};

        step(c, &op);
        c->headers_sent = true;
}

static bool send_buffer(EchoCall *c, grpc_byte_buffer *buffer) {
        grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
        bool ok;

        op.data.send_message.send_message = buffer;
        ok = step(c, &op);
        grpc_byte_buffer_destroy(buffer);
        return ok;
}

static grpc_byte_buffer *receive(EchoCall *c) {
        grpc_byte_buffer *buffer = NULL;
        grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

        op.data.recv_message.recv_message = &buffer;
        step(c, &op);
        return buffer;
}

static void wait_for_cancel(EchoCall *c) {
        grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
        int cancelled = 0;

        op.data.recv_close_on_server.cancelled = &cancelled;
        step(c, &op);
}

static void serve_unary(EchoCall *c) {
        grpc_byte_buffer *buffer = receive(c);

        for (size_t i = 0; i < c->metadata.count; i++)
                if (grpc_slice_str_cmp(c->metadata.metadata[i].key, "x-answer") == 0) {
                        grpc_byte_buffer_destroy(buffer);
                        buffer = grpc_raw_byte_buffer_create(&c->metadata.metadata[i].value, 1);
                }
        send_headers(c);
        if (buffer)
                send_buffer(c, buffer);
        finish(c, GRPC_STATUS_OK, "");
}

static void serve_stream(EchoCall *c) {
        grpc_byte_buffer *buffer;

        send_headers(c);
        while ((buffer = receive(c)))
                if (!send_buffer(c, buffer))
                        return;
        finish(c, GRPC_STATUS_OK, "");
}

static void *call_run(void *userdata) {
        EchoCall *c = userdata;

        if (grpc_slice_str_cmp(c->details.method, "/test.Echo/Unary") == 0)
                serve_unary(c);
        else if (grpc_slice_str_cmp(c->details.method, "/test.Echo/Stream") == 0)
                serve_stream(c);
        else if (grpc_slice_str_cmp(c->details.method, "/test.Echo/Refuse") == 0)
                finish(c, GRPC_STATUS_PERMISSION_DENIED, "not you");
        else if (grpc_slice_str_cmp(c->details.method, "/test.Echo/Silent") == 0)
                wait_for_cancel(c);
        else
                finish(c, GRPC_STATUS_UNIMPLEMENTED, "no such method");
        grpc_call_unref(c->call);
        return NULL;
}

static void call_init(EchoCall *c) {
        c->cq = grpc_completion_queue_create_for_pluck(NULL);
        grpc_call_details_init(&c->details);
        grpc_metadata_array_init(&c->metadata);
}

static void call_deinit(EchoCall *c) {
        grpc_call_details_destroy(&c->details);
        grpc_metadata_array_destroy(&c->metadata);
        grpc_completion_queue_shutdown(c->cq);
        grpc_completion_queue_destroy(c->cq);
}

static void *server_run(void *userdata) {
        EchoServer *s = userdata;

        for (;;) {
                EchoCall *c = &s->calls[s->n_calls];
                grpc_event e;

                assert(s->n_calls < CALLS_MAX);
                call_init(c);
                if (grpc_server_request_call(s->server, &c->call, &c->details, &c->metadata, c->cq,
                                             s->cq, c) != GRPC_CALL_OK)
                        abort();
                e = grpc_completion_queue_next(s->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
                if (e.tag != c || !e.success) {
                        /* Shutting down; both tags come, in either order. */
                        (void) grpc_completion_queue_next(s->cq, gpr_inf_future(GPR_CLOCK_REALTIME),
                                                          NULL);
                        call_deinit(c);
                        return NULL;
                }
                s->n_calls++;
                if (pthread_create(&c->thread, NULL, call_run, c) != 0)
                        abort();
        }
}

EchoServer *echo_server_new(const char *address) {
        grpc_server_credentials *credentials;
        grpc_arg no_reuse = {.type = GRPC_ARG_INTEGER, .key = (char *) GRPC_ARG_ALLOW_REUSEPORT};
        grpc_channel_args args = {.num_args = 1, .args = &no_reuse};
        EchoServer *s = calloc(1, sizeof(*s));

        assert(s);
        grpc_init();
        s->cq = grpc_completion_queue_create_for_next(NULL);
        s->server = grpc_server_create(&args, NULL);
        grpc_server_register_completion_queue(s->server, s->cq, NULL);
        credentials = grpc_insecure_server_credentials_create();
        s->port = grpc_server_add_http2_port(s->server, address, credentials);
        grpc_server_credentials_release(credentials);
        assert(s->port > 0);
        grpc_server_start(s->server);
        if (pthread_create(&s->thread, NULL, server_run, s) != 0)
                abort();
        return s;
}

EchoServer *echo_server_free(EchoServer *s) {
        if (!s)
                return NULL;
        grpc_server_shutdown_and_notify(s->server, s->cq, s);
        grpc_server_cancel_all_calls(s->server);
        pthread_join(s->thread, NULL);
        for (size_t i = 0; i < s->n_calls; i++) {
                pthread_join(s->calls[i].thread, NULL);
                call_deinit(&s->calls[i]);
        }
        grpc_server_destroy(s->server);
        grpc_completion_queue_shutdown(s->cq);
        grpc_completion_queue_destroy(s->cq);
        free(s);
        grpc_shutdown();
        return NULL;
}

int echo_server_port(const EchoServer *s) {
        return s->port;
}
