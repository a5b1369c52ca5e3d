/* SPDX-License-Identifier: MIT */
/* Bytes that wait: appended at the end, dropped from the front. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Buffer {
        uint8_t *data;
        size_t size;
        size_t capacity;
} Buffer;

int buffer_append(Buffer *b, const void *bytes, size_t n);
/* Drops the first n bytes; gives the memory back when nothing is left of a large buffer. */
void buffer_drop(Buffer *b, size_t n);
void buffer_clear(Buffer *b);
