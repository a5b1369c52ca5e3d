/* SPDX-License-Identifier: MIT */
/* The status that ends every call: gRPC's codes, under names that need no gRPC header. */
#pragma once

typedef enum RpcStatus {
        RPC_STATUS_OK = 0,
        RPC_STATUS_CANCELLED = 1,
        RPC_STATUS_UNKNOWN = 2,
        RPC_STATUS_INVALID_ARGUMENT = 3,
        RPC_STATUS_DEADLINE_EXCEEDED = 4,
        RPC_STATUS_NOT_FOUND = 5,
        RPC_STATUS_ALREADY_EXISTS = 6,
        RPC_STATUS_PERMISSION_DENIED = 7,
        RPC_STATUS_RESOURCE_EXHAUSTED = 8,
        RPC_STATUS_FAILED_PRECONDITION = 9,
        RPC_STATUS_ABORTED = 10,
        RPC_STATUS_OUT_OF_RANGE = 11,
        RPC_STATUS_UNIMPLEMENTED = 12,
        RPC_STATUS_INTERNAL = 13,
        RPC_STATUS_UNAVAILABLE = 14,
        RPC_STATUS_DATA_LOSS = 15,
        RPC_STATUS_UNAUTHENTICATED = 16,
} RpcStatus;

/* "PERMISSION_DENIED"; "UNKNOWN" for a number that is none of them. */
const char *rpc_status_name(RpcStatus status);
