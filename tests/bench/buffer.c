/* SPDX-License-Identifier: MIT */
/*
 * Bytes that wait. Thousands of connections have two of these each, nearly always empty: an empty
 * one owns nothing larger than KEEP_BYTES.
 */
#include "tests/bench/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 512
#define KEEP_BYTES 4096

int buffer_append(Buffer *b, const void *bytes, size_t n) {
        if (b->size + n > b->capacity) {
                size_t capacity = b->capacity ? b->capacity : FIRST_BYTES;
                while (capacity < b->size + n)
                        capacity *= 2;
                uint8_t *data = realloc(b->data, capacity);
                if (!data)
                        return -ENOMEM;
                b->data = data;
                b->capacity = capacity;
        }
        if (n > 0)
                memcpy(b->data + b->size, bytes, n);
        b->size += n;
        return 0;
}

void buffer_drop(Buffer *b, size_t n) {
        b->size -= n;
        if (b->size > 0)
                memmove(b->data, b->data + n, b->size);
        else if (b->capacity > KEEP_BYTES)
                buffer_clear(b);
}

void buffer_clear(Buffer *b) {
        free(b->data);
        *b = (Buffer){0};
}
