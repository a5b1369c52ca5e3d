/* SPDX-License-Identifier: MIT */
/*
 * The names of gRPC's status codes, as its documentation spells them and as people search for
 * them.
 */
#include "proto/rpc_status.h"

#include "proto/base.h"

const char *rpc_status_name(RpcStatus status) {
        static const char *const names[] = {
                [RPC_STATUS_OK] = "OK",
                [RPC_STATUS_CANCELLED] = "CANCELLED",
                [RPC_STATUS_UNKNOWN] = "UNKNOWN",
                [RPC_STATUS_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
                [RPC_STATUS_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
                [RPC_STATUS_NOT_FOUND] = "NOT_FOUND",
                [RPC_STATUS_ALREADY_EXISTS] = "ALREADY_EXISTS",
                [RPC_STATUS_PERMISSION_DENIED] = "PERMISSION_DENIED",
                [RPC_STATUS_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
                [RPC_STATUS_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
                [RPC_STATUS_ABORTED] = "ABORTED",
                [RPC_STATUS_OUT_OF_RANGE] = "OUT_OF_RANGE",
                [RPC_STATUS_UNIMPLEMENTED] = "UNIMPLEMENTED",
                [RPC_STATUS_INTERNAL] = "INTERNAL",
                [RPC_STATUS_UNAVAILABLE] = "UNAVAILABLE",
                [RPC_STATUS_DATA_LOSS] = "DATA_LOSS",
                [RPC_STATUS_UNAUTHENTICATED] = "UNAUTHENTICATED",
        };

        if ((size_t) status >= ELEMENTS(names))
                return names[RPC_STATUS_UNKNOWN];
        return names[status];
}
