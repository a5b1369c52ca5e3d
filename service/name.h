/* SPDX-License-Identifier: MIT */
/*
 * A user's name: 1 to NAME_MAX_BYTES of UTF-8, kept in NFC as it is shown, and with a key by which
 * two names are the same (case-folded and in NFKC, so that "ALICE" and "alice" are one user, and so
 * are both spellings of "é" and letters of another width). The rules hold for text and key alike.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_BYTES 32
#define NAME_KEY_MAX_BYTES (NAME_MAX_BYTES * 6)

typedef struct Name {
        char text[NAME_MAX_BYTES + 1];
        char key[NAME_KEY_MAX_BYTES + 1];
} Name;

enum {
        NAME_E_EMPTY = 1,
        NAME_E_LONG,      /* more than NAME_MAX_BYTES, as given or in NFC; or a key that long */
        NAME_E_UTF8,      /* not UTF-8 */
        NAME_E_START,     /* starts with one of @ * # / - or with a combining mark */
        NAME_E_CHARACTER, /* white space, control, invisible, private, undefined, = : ; */
        NAME_E_RESERVED,  /* server, system, admin, root, chatroom */
};

/* Outcomes: NAME_E_*. Writes *ret on success only. `bytes` may hold anything, NULs included. */
int name_parse(Name *ret, const char *bytes, size_t n);

/* What is wrong, for whoever asked for the name: "The name is longer than 32 bytes." */
const char *name_strerror(int outcome);

bool name_equal(const Name *a, const Name *b);
