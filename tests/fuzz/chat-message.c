/* SPDX-License-Identifier: MIT */
/*
 * A message as it comes from the wire, through protobuf-c and the checks behind it. Its two fields
 * come out the same after another round. Unknown fields do not take part: nobody passes them on.
 */
#include <stdbool.h>
#include <string.h>

#include "chat.pb-c.h"
#include "proto/base.h"
#include "service/name.h"
#include "service/text.h"
#include "tests/fuzz/fuzz.h"

static bool same(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b) {
        return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_again(const Wire__ChatMessage *message) {
        Wire__ChatMessage fresh = WIRE__CHAT_MESSAGE__INIT, *again;
        _cleanup_(freep) uint8_t *packed = NULL;
        size_t n;

        fresh.user = message->user;
        fresh.text = message->text;
        n = wire__chat_message__get_packed_size(&fresh);
        packed = malloc(n > 0 ? n : 1);
        REQUIRE(packed);
        REQUIRE(wire__chat_message__pack(&fresh, packed) == n);
        again = wire__chat_message__unpack(NULL, n, packed);
        REQUIRE(again);
        REQUIRE(same(&again->user, &message->user));
        REQUIRE(same(&again->text, &message->text));
        wire__chat_message__free_unpacked(again, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        Wire__ChatMessage *message = wire__chat_message__unpack(NULL, n, bytes);
        Name name;

        if (!message)
                return 0;
        (void) name_parse(&name, (const char *) message->user.data, message->user.len);
        (void) text_check((const char *) message->text.data, message->text.len, 4096);
        check_again(message);
        wire__chat_message__free_unpacked(message, NULL);
        return 0;
}
