/* SPDX-License-Identifier: MIT */
/*
 * Names and texts from arbitrary bytes. A name that was accepted is accepted again as it is shown,
 * unchanged; its key is a name with the same key, or two spellings of one name could both be held.
 */
#include "service/name.h"

#include <string.h>

#include "service/text.h"
#include "tests/fuzz/fuzz.h"

static void check_name(const char *bytes, size_t n) {
        Name name, again;
        int r = name_parse(&name, bytes, n);

        if (r != 0) {
                REQUIRE(r >= NAME_E_EMPTY && r <= NAME_E_RESERVED);
                return;
        }
        REQUIRE(strlen(name.text) <= NAME_MAX_BYTES);
        REQUIRE(text_check(name.text, strlen(name.text), NAME_MAX_BYTES) == 0);
        REQUIRE(text_check(name.key, strlen(name.key), NAME_KEY_MAX_BYTES) == 0);

        REQUIRE(name_parse(&again, name.text, strlen(name.text)) == 0);
        REQUIRE(strcmp(again.text, name.text) == 0);
        REQUIRE(name_equal(&again, &name));

        r = name_parse(&again, name.key, strlen(name.key));
        REQUIRE(r == 0 || (r == NAME_E_LONG && strlen(name.key) > NAME_MAX_BYTES));
        REQUIRE(r != 0 || name_equal(&again, &name));
}

static void check_text(const char *bytes, size_t n) {
        int r = text_check(bytes, n, n);

        REQUIRE(r == 0 || r == TEXT_E_UTF8 || r == TEXT_E_CONTROL);
        REQUIRE(r != 0 || !memchr(bytes, '\0', n));
        REQUIRE(n == 0 || text_check(bytes, n, n - 1) == TEXT_E_LONG);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        check_name((const char *) bytes, n);
        check_text((const char *) bytes, n);
        return 0;
}
