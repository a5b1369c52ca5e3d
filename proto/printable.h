/* SPDX-License-Identifier: MIT */
/*
 * Text from the network, made fit for a terminal: what could move the cursor, change colours,
 * reorder letters or hide is replaced by something that can be seen.
 */
#pragma once

#include <stddef.h>

/*
 * *ret is a new string of valid UTF-8. Control characters become their pictures (ESC: ␛), what is
 * not UTF-8 becomes U+FFFD byte by byte, and directional and invisible characters become their
 * numbers (<U+202E>). tab and newline say what those two become: NULL for their pictures, too.
 */
int printable(char **ret, const void *bytes, size_t n, const char *tab, const char *newline);
