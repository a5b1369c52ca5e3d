/* SPDX-License-Identifier: MIT */
/* As much of Protocol Buffers as chat messages need: varints and length-delimited fields. */
#include <errno.h>
#include <string.h>

#include "tests/bench/protocol-grpc.h"

static size_t varint_put(uint8_t *ret, uint64_t v) {
        size_t n = 0;

        for (; v >= 0x80; v >>= 7)
                ret[n++] = (uint8_t) (v | 0x80);
        ret[n++] = (uint8_t) v;
        return n;
}

static int varint_get(const uint8_t **at, const uint8_t *end, uint64_t *ret) {
        uint64_t v = 0;

        for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
                uint8_t byte = *(*at)++;
                v |= (uint64_t) (byte & 0x7f) << shift;
                if (byte < 0x80) {
                        *ret = v;
                        return 0;
                }
        }
        return -EBADMSG;
}

size_t protobuf_put(uint8_t *ret, unsigned field, const void *bytes, size_t n) {
        size_t used = varint_put(ret, (uint64_t) field << 3 | 2);

        used += varint_put(ret + used, n);
        memcpy(ret + used, bytes, n);
        return used + n;
}

size_t protobuf_put_number(uint8_t *ret, unsigned field, uint64_t value) {
        size_t used = varint_put(ret, (uint64_t) field << 3);

        return used + varint_put(ret + used, value);
}

int protobuf_next(const uint8_t **at, const uint8_t *end, ProtobufField *ret) {
        ProtobufField field = {0};
        uint64_t key;

        if (*at == end)
                return 0;
        if (varint_get(at, end, &key) < 0 || varint_get(at, end, &field.value) < 0)
                return -EBADMSG;
        field.number = (unsigned) (key >> 3);
        field.type = key & 7;
        if (field.type == 2) {
                if (field.value > (size_t) (end - *at))
                        return -EBADMSG;
                field.bytes = *at;
                field.size = field.value;
                *at += field.size;
        } else if (field.type != 0) {
                return -EBADMSG;
        }
        *ret = field;
        return 1;
}
