/* SPDX-License-Identifier: MIT */
/* Networks, to compare those of the kernel's filter with those of `allow`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFIX_TEXT_MAX 64

typedef struct Prefix {
        int family; /* AF_INET, AF_INET6 */
        uint8_t bytes[16];
        unsigned bits;
} Prefix;

enum {
        PREFIX_E_SYNTAX = 1,
};

/* As the daemon writes them: "100.64.0.0/10". Outcome: PREFIX_E_SYNTAX. */
int prefix_parse(Prefix *ret, const char *text);
void prefix_format(const Prefix *p, char ret[static PREFIX_TEXT_MAX]);

/* All of b is in a. */
bool prefix_covers(const Prefix *a, const Prefix *b);
/* There is an address that is in both. */
bool prefix_meets(const Prefix *a, const Prefix *b);
