/* SPDX-License-Identifier: MIT */
/* A question of gRPC's reflection, which anybody may ask. Whatever decodes has an answer, which
 * decodes too and repeats the question. */
#include "service/reflection.h"
#include "proto/base.h"
#include "proto/descriptor_set.h"
#include "tests/fuzz/fuzz.h"
#include "wire-reflection.pb-c.h"

static void check(const RpcPayload *answer) {
        Reflection__ServerReflectionResponse *response =
                reflection__server_reflection_response__unpack(NULL, rpc_payload_size(answer),
                                                               rpc_payload_bytes(answer));

        REQUIRE(response && response->original_request);
        REQUIRE(response->message_response_case !=
                REFLECTION__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE__NOT_SET);
        reflection__server_reflection_response__free_unpacked(response, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        static Descriptors *descriptors;
        RpcPayload *answer = NULL;
        int r;

        if (!descriptors)
                REQUIRE(descriptors_new(&descriptors, descriptor_set, descriptor_set_size) == 0);
        r = reflection_answer(&answer, descriptors, bytes, n);
        REQUIRE(r == 0 || r == REFLECTION_E_SYNTAX);
        REQUIRE((r == 0) == (answer != NULL));
        if (answer)
                check(answer);
        rpc_payload_free(answer);
        return 0;
}
