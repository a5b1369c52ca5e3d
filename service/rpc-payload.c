/* SPDX-License-Identifier: MIT */
/* Encoded messages as gRPC holds them: counted references to bytes that never change. */
#include <grpc/slice.h>
#include <string.h>

#include "proto/base.h"
#include "service/rpc-internal.h"

int rpc_payload_new(RpcPayload **ret, const void *bytes, size_t n) {
        RpcPayload *p = malloc(sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->slice = grpc_slice_from_copied_buffer(bytes, n);
        *ret = p;
        return 0;
}

int rpc_payload_join(RpcPayload **ret, RpcPayload *const *parts, size_t n) {
        RpcPayload *p = malloc(sizeof(*p));
        size_t size = 0;
        uint8_t *end;

        if (!p)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                size += rpc_payload_size(parts[i]);
        p->slice = grpc_slice_malloc(size);
        end = GRPC_SLICE_START_PTR(p->slice);
        for (size_t i = 0; i < n; i++)
                end = mempcpy(end, GRPC_SLICE_START_PTR(parts[i]->slice),
                              rpc_payload_size(parts[i]));
        *ret = p;
        return 0;
}

size_t rpc_payload_size(const RpcPayload *p) {
        return GRPC_SLICE_LENGTH(p->slice);
}

const uint8_t *rpc_payload_bytes(const RpcPayload *p) {
        return GRPC_SLICE_START_PTR(p->slice);
}

RpcPayload *rpc_payload_free(RpcPayload *p) {
        if (!p)
                return NULL;
        grpc_slice_unref(p->slice);
        free(p);
        return NULL;
}
