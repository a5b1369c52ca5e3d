/* SPDX-License-Identifier: MIT */
/* The details of a status as gRPC's clients look for them: google.rpc.Status, in the metadata. */
#include <grpc/slice.h>
#include <string.h>

#include "proto/base.h"
#include "service/rpc-internal.h"
#include "status.pb-c.h"

#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo"
#define RETRY_INFO_MAX 32 /* two numbers */

static ProtobufCBinaryData field(const char *text) {
        return (ProtobufCBinaryData){strlen(text), (uint8_t *) text};
}

static int encode(grpc_slice *ret, const Status__Status *status) {
        size_t n = status__status__get_packed_size(status);
        _cleanup_(freep) uint8_t *bytes = malloc(n);

        if (!bytes)
                return -ENOMEM;
        status__status__pack(status, bytes);
        *ret = grpc_slice_from_copied_buffer((const char *) bytes, n);
        return 0;
}

static int describe(grpc_slice *ret, RpcStatus code, const char *text, unsigned retry_after_ms) {
        Status__Status status = STATUS__STATUS__INIT;
        Status__Any detail = STATUS__ANY__INIT, *details = &detail;
        Status__RetryInfo retry = STATUS__RETRY_INFO__INIT;
        Status__Duration delay = STATUS__DURATION__INIT;
        uint8_t packed[RETRY_INFO_MAX];

        delay.seconds = retry_after_ms / 1000;
        delay.nanos = (int32_t) (retry_after_ms % 1000) * 1000000;
        retry.retry_delay = &delay;
        detail.type_url = field(RETRY_INFO);
        detail.value = (ProtobufCBinaryData){status__retry_info__pack(&retry, packed), packed};
        status.code = (int32_t) code;
        status.message = field(text ? text : "");
        status.n_details = 1;
        status.details = &details;
        return encode(ret, &status);
}

void rpc_call_set_retry(RpcCall *call, unsigned after_ms) {
        call->retry_after_ms = after_ms;
}

/* Does without when there is no memory for them. */
size_t rpc_call_add_details(RpcCall *call, RpcStatus status, const char *text) {
        if (call->retry_after_ms == 0 ||
            (status != RPC_UNAVAILABLE && status != RPC_RESOURCE_EXHAUSTED) ||
            describe(&call->status_details, status, text, call->retry_after_ms) != 0)
                return 0;
        call->trailer =
                (grpc_metadata){.key = grpc_slice_from_static_string("grpc-status-details-bin"),
                                .value = call->status_details};
        return 1;
}
