/* SPDX-License-Identifier: MIT */
/*
 * A tool asks a few dozen questions on one stream and is gone. An answer can be a thousand times as
 * long as its question, so the next question is received when the last answer has been taken, and
 * how many there may be on a stream has a limit, as the time has.
 */
#include "service/reflection.h"

#include "proto/base.h"
#include "service/guest.h"
#include "service/message.h"
#include "service/service.h"
#include "wire-reflection.pb-c.h"

#define LIFETIME 3 /* join timeouts: half a minute */
#define MAX_REQUESTS 1000

typedef Reflection__ServerReflectionRequest Request;
typedef Reflection__ServerReflectionResponse Response;

static void request_free(Request *m) {
        reflection__server_reflection_request__free_unpacked(m, NULL);
}
DEFINE_CLEANUP(Request *, request_free);

/* The question comes back with its answer, but for what protobuf-c did not understand: of a key
 * that is no key it would make another message than it was. */
static void forget_unknown(ProtobufCMessage *m) {
        for (unsigned i = 0; i < m->n_unknown_fields; i++)
                free(m->unknown_fields[i].data);
        free(m->unknown_fields);
        m->unknown_fields = NULL;
        m->n_unknown_fields = 0;
}

static Request *decode(const uint8_t *bytes, size_t n) {
        Request *m = reflection__server_reflection_request__unpack(NULL, n, bytes);

        if (!m)
                return NULL;
        forget_unknown(&m->base);
        if (m->message_request_case ==
            REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION)
                forget_unknown(&m->file_containing_extension->base);
        return m;
}

/* ---- answers */

static Response respond(Request *m) {
        Response response = REFLECTION__SERVER_REFLECTION_RESPONSE__INIT;

        response.valid_host = m->host;
        response.original_request = m;
        return response;
}

static int answer_error(RpcPayload **ret, Request *m, RpcStatus code, const char *text) {
        Reflection__ErrorResponse error = REFLECTION__ERROR_RESPONSE__INIT;
        Response response = respond(m);

        error.error_code = (int32_t) code;
        error.error_message = message_text(text);
        response.message_response_case =
                REFLECTION__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
        response.error_response = &error;
        return message_pack(ret, &response.base);
}

static int answer_files(RpcPayload **ret, const Descriptors *d, Request *m) {
        Reflection__FileDescriptorResponse files = REFLECTION__FILE_DESCRIPTOR_RESPONSE__INIT;
        _cleanup_(freep) ProtobufCBinaryData *found =
                calloc(descriptors_count(d) + 1, sizeof(*found));
        Response response = respond(m);

        if (!found)
                return -ENOMEM;
        files.file_descriptor_proto = found;
        if (m->message_request_case ==
            REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME)
                files.n_file_descriptor_proto = descriptors_by_name(d, m->file_by_filename, found);
        else
                files.n_file_descriptor_proto =
                        descriptors_by_symbol(d, m->file_containing_symbol, found);
        if (files.n_file_descriptor_proto == 0)
                return answer_error(ret, m, RPC_NOT_FOUND, "There is nothing of that name.");
        response.message_response_case =
                REFLECTION__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
        response.file_descriptor_response = &files;
        return message_pack(ret, &response.base);
}

static int answer_services(RpcPayload **ret, const Descriptors *d, Request *m) {
        Reflection__ListServiceResponse list = REFLECTION__LIST_SERVICE_RESPONSE__INIT;
        size_t n;
        const char *const *names = descriptors_services(d, &n);
        _cleanup_(freep) Reflection__ServiceResponse *rows = calloc(n + 1, sizeof(*rows));
        _cleanup_(freep) Reflection__ServiceResponse **refs = calloc(n + 1, sizeof(*refs));
        Response response = respond(m);

        if (!rows || !refs)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                reflection__service_response__init(&rows[i]);
                rows[i].name = message_text(names[i]);
                refs[i] = &rows[i];
        }
        list.n_service = n;
        list.service = refs;
        response.message_response_case =
                REFLECTION__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
        response.list_services_response = &list;
        return message_pack(ret, &response.base);
}

int reflection_answer(RpcPayload **ret, const Descriptors *d, const uint8_t *bytes, size_t n) {
        _cleanup_(request_freep) Request *m = decode(bytes, n);

        if (!m)
                return REFLECTION_E_SYNTAX;
        switch (m->message_request_case) {
        case REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        case REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
                return answer_files(ret, d, m);
        case REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
                return answer_services(ret, d, m);
        case REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        case REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
                return answer_error(ret, m, RPC_NOT_FOUND, "There are no extensions.");
        default:
                return answer_error(ret, m, RPC_UNIMPLEMENTED,
                                    "The request is empty, or not known here.");
        }
}

/* ---- the stream */

static void receive_next(Stream *s) {
        s->waiting = reader_waiting(s->reader, true) > 0;
        if (!s->waiting)
                stream_receive(s);
}

static int reflection_opened(Stream *s) {
        return stream_deliver(s, READER_NOTHING, NULL);
}

static void reflection_received(Stream *s) {
        RpcPayload *answer = NULL;
        const uint8_t *bytes;
        size_t n;
        int r;

        if (++s->session.received > MAX_REQUESTS) {
                stream_end(s, RPC_RESOURCE_EXHAUSTED, "Too many requests on one stream.", true);
                return;
        }
        bytes = rpc_call_received(s->call, &n);
        r = reflection_answer(&answer, s->service->descriptors, bytes, n);
        if (r == REFLECTION_E_SYNTAX) {
                stream_end(s, RPC_INVALID_ARGUMENT, "The request cannot be decoded.", true);
                return;
        }
        guest_post(s, answer);
        receive_next(s);
}

static void reflection_taken(Stream *s) {
        if (s->waiting)
                receive_next(s);
}

static void reflection_half_closed(Stream *s) {
        stream_end(s, RPC_OK, NULL, true);
}

const StreamProtocol reflection_protocol = {
        .name = "reflection",
        .wire = WIRE_V1,
        .guest = true,
        .lifetime = LIFETIME,
        .opened = reflection_opened,
        .received = reflection_received,
        .half_closed = reflection_half_closed,
        .taken = reflection_taken,
};
