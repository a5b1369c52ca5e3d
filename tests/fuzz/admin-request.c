/* SPDX-License-Identifier: MIT */
/*
 * An operator's request: the first byte says of which method, the rest is what came from the wire.
 * Behind the decoder nothing holds what a terminal or a log could take for more than text.
 */
#include "service/admin-request.h"

#include <string.h>

#include "service/text.h"
#include "tests/fuzz/fuzz.h"

static void require_line(const char *text, size_t max) {
        REQUIRE(strlen(text) <= max);
        REQUIRE(text_check(text, strlen(text), max) == 0);
        REQUIRE(!strpbrk(text, "\n\t"));
}

static void require_target(const AdminRequest *r, AdminMethod method) {
        Name again;

        switch (r->target) {
        case ADMIN_USER:
                REQUIRE(name_parse(&again, r->user.text, strlen(r->user.text)) == 0);
                REQUIRE(name_equal(&again, &r->user));
                break;
        case ADMIN_TOKEN:
                REQUIRE(strlen(r->token_id) == TOKEN_ID_CHARS);
                REQUIRE(strspn(r->token_id, "0123456789abcdef") == TOKEN_ID_CHARS);
                break;
        case ADMIN_ANY_NAME:
                REQUIRE(method == ADMIN_ADD_TOKEN);
                break;
        case ADMIN_SESSION:
                REQUIRE(method == ADMIN_KICK);
                break;
        case ADMIN_NOBODY:
                REQUIRE(method == ADMIN_LIST_USERS || method == ADMIN_LIST_TOKENS ||
                        method == ADMIN_RELOAD || method == ADMIN_GET_STATUS ||
                        method == ADMIN_CHECK);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        AdminRequest request;
        AdminMethod method;
        const char *wrong;

        if (n == 0)
                return 0;
        method = bytes[0] % ADMIN_METHODS;
        wrong = admin_request_decode(&request, method, bytes + 1, n - 1);
        if (wrong) {
                REQUIRE(wrong[0] != '\0');
                return 0;
        }
        require_target(&request, method);
        require_line(request.reason, ADMIN_REASON_MAX);
        require_line(request.label, TOKEN_LABEL_MAX);
        REQUIRE(request.lifetime_ms >= 0 && request.lifetime_ms <= ADMIN_LIFETIME_MAX_MS);
        return 0;
}
