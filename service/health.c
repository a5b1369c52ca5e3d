/* SPDX-License-Identifier: MIT */
/*
 * While the daemon runs it serves: there is no state in which it takes calls and could not answer
 * them. So what is known of a service is whether it is one, until the drain.
 */
#include "service/health.h"

#include "proto/base.h"
#include "service/guest.h"
#include "service/message.h"
#include "service/routes.h"
#include "service/service.h"
#include "service/unary.h"
#include "wire-health.pb-c.h"

typedef Health__HealthCheckResponse Response;

#define STATUS(name) HEALTH__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

static void request_free(Health__HealthCheckRequest *m) {
        health__health_check_request__free_unpacked(m, NULL);
}
DEFINE_CLEANUP(Health__HealthCheckRequest *, request_free);

/* What is asked for, or the stream has been ended. */
static Health__HealthCheckRequest *take_request(Stream *s) {
        Health__HealthCheckRequest *m;
        const uint8_t *bytes;
        size_t n;

        bytes = rpc_call_received(s->call, &n);
        m = health__health_check_request__unpack(NULL, n, bytes);
        if (!m)
                stream_end(s, RPC_INVALID_ARGUMENT, "The request cannot be decoded.", false);
        return m;
}

static Response find(const Stream *s, const Health__HealthCheckRequest *m) {
        const Service *service = s->service;
        Response response = HEALTH__HEALTH_CHECK_RESPONSE__INIT;

        if (m->service.len > 0 &&
            !routes_serve(service->config, (const char *) m->service.data, m->service.len))
                response.status = STATUS(SERVICE_UNKNOWN);
        else
                response.status = service->draining ? STATUS(NOT_SERVING) : STATUS(SERVING);
        return response;
}

static int health_opened(Stream *s) {
        return 0;
}

static void health_half_closed(Stream *s) {
        stream_end(s, RPC_INVALID_ARGUMENT, "There was no request.", false);
}

static void check_received(Stream *s) {
        _cleanup_(request_freep) Health__HealthCheckRequest *m = take_request(s);
        Response response;

        if (!m)
                return;
        response = find(s, m);
        if (response.status == STATUS(SERVICE_UNKNOWN))
                stream_end(s, RPC_NOT_FOUND, "There is no such service.", false);
        else
                unary_reply(s, &response.base);
}

const StreamProtocol health_check_protocol = {
        .name = "health",
        .wire = WIRE_V1,
        .guest = true,
        .opened = health_opened,
        .received = check_received,
        .half_closed = health_half_closed,
};

/* ---- Watch */

static void post(Stream *s, const Response *response) {
        RpcPayload *message = NULL;

        (void) message_pack(&message, &response->base);
        guest_post(s, message);
}

/* Its request is all that it has to say, so nothing more is received. */
static void watch_received(Stream *s) {
        _cleanup_(request_freep) Health__HealthCheckRequest *m = take_request(s);
        Response response;

        if (!m || stream_deliver(s, READER_NOTHING, NULL) != 0)
                return;
        stream_stop_timer(s);
        response = find(s, m);
        s->watching = response.status == STATUS(SERVING);
        post(s, &response);
}

const StreamProtocol health_watch_protocol = {
        .name = "health",
        .wire = WIRE_V1,
        .guest = true,
        .opened = health_opened,
        .received = watch_received,
        .half_closed = health_half_closed,
};

void health_drain(Service *s) {
        Response response = HEALTH__HEALTH_CHECK_RESPONSE__INIT;

        response.status = STATUS(NOT_SERVING);
        for (Stream *stream = s->streams; stream; stream = stream->next)
                if (stream->watching && stream->state != STREAM_ENDING)
                        post(stream, &response);
}
