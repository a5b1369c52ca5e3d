/* SPDX-License-Identifier: MIT */
/*
 * Names: what a user may be called, and when two spellings are one name.
 *
 * What is shown is NFC. The key is case-folded and compatibility-normalised on top, so that a name
 * cannot be taken a second time in capitals, in full-width letters or with a ligature. The rules
 * hold for both forms: whatever turns into an "@", a space or "server" on its way to the key would
 * pass for it on a screen too. No locale is consulted: a name means the same on every host.
 */
#include "service/name.h"

#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "proto/base.h"

/* Room for what NFC makes of NAME_MAX_BYTES (at most three times as much) without an allocation. */
#define WORK_BYTES 512

typedef uint8_t *(*Transform)(const uint8_t *s, size_t n, uint8_t *buffer, size_t *size);

static uint8_t *to_nfc(const uint8_t *s, size_t n, uint8_t *buffer, size_t *size) {
        return u8_normalize(UNINORM_NFC, s, n, buffer, size);
}

static uint8_t *to_key(const uint8_t *s, size_t n, uint8_t *buffer, size_t *size) {
        return u8_casefold(s, n, NULL, UNINORM_NFKC, buffer, size);
}

/* Applies `transform` and keeps the result, NUL-terminated, if it fits `ret_size` bytes. */
static int apply(Transform transform, const char *s, size_t n, char *ret, size_t ret_size) {
        uint8_t buffer[WORK_BYTES];
        size_t size = sizeof(buffer);
        uint8_t *result = transform((const uint8_t *) s, n, buffer, &size);
        _cleanup_(freep) uint8_t *allocated = NULL;

        if (!result)
                return -errno;
        if (result != buffer)
                allocated = result;
        if (size >= ret_size)
                return NAME_E_LONG;
        memcpy(ret, result, size);
        ret[size] = '\0';
        return 0;
}

/* Nothing that is invisible, that moves what stands around it, or that Unicode has not defined
 * yet: its case and its width may still change under a name that somebody already has. */
static bool acceptable(ucs4_t c) {
        const ucs4_t braille_blank = 0x2800; /* a symbol to Unicode, a space to the eye */

        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_C | UC_CATEGORY_MASK_Z))
                return false; /* controls, formats such as bidi and zero-width, white space */
        if (uc_is_property_default_ignorable_code_point(c))
                return false;
        return c != braille_blank && c != '=' && c != ':' && c != ';';
}

static int check(const char *text) {
        const uint8_t *s = (const uint8_t *) text;
        ucs4_t c;

        s = u8_next(&c, s);
        if (!s)
                return NAME_E_EMPTY;
        if (c < 0x80 && strchr("@*#/-", (int) c))
                return NAME_E_START;
        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M))
                return NAME_E_START;
        for (; s; s = u8_next(&c, s))
                if (!acceptable(c))
                        return NAME_E_CHARACTER;
        return 0;
}

static bool reserved(const char *key) {
        static const char *const words[] = {"server", "system", "admin", "root", "chatroom"};

        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (strcmp(key, words[i]) == 0)
                        return true;
        return false;
}

int name_parse(Name *ret, const char *bytes, size_t n) {
        Name name = {0};
        int r;

        if (n == 0)
                return NAME_E_EMPTY;
        if (n > NAME_MAX_BYTES)
                return NAME_E_LONG;
        if (memchr(bytes, '\0', n))
                return NAME_E_CHARACTER;
        if (u8_check((const uint8_t *) bytes, n))
                return NAME_E_UTF8;

        r = apply(to_nfc, bytes, n, name.text, sizeof(name.text));
        if (r != 0)
                return r;
        r = check(name.text);
        if (r != 0)
                return r;
        r = apply(to_key, name.text, strlen(name.text), name.key, sizeof(name.key));
        if (r != 0)
                return r;
        r = check(name.key);
        if (r != 0)
                return r;
        if (reserved(name.key))
                return NAME_E_RESERVED;
        *ret = name;
        return 0;
}

const char *name_strerror(int outcome) {
        switch (outcome) {
        case NAME_E_EMPTY:
                return "The name is empty.";
        case NAME_E_LONG:
                return "The name is longer than 32 bytes.";
        case NAME_E_UTF8:
                return "The name is not valid UTF-8.";
        case NAME_E_START:
                return "The name must start with a letter, a digit or a symbol other than @ * # / "
                       "-";
        case NAME_E_CHARACTER:
                return "The name contains white space, an invisible character or one of = : ;";
        case NAME_E_RESERVED:
                return "The name is reserved, as are server, system, admin, root and chatroom: "
                       "take "
                       "another one.";
        default:
                return "The name cannot be used.";
        }
}

bool name_equal(const Name *a, const Name *b) {
        return strcmp(a->key, b->key) == 0;
}
