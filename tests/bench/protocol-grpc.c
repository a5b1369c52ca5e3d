/* SPDX-License-Identifier: MIT */
/*
 * gRPC without a gRPC library: reading a delivery must cost the generator next to nothing. It is
 * HTTP/2 as a correct, generous client speaks it: windows as large as they can be, settings and
 * pings acknowledged, the server's windows respected, headers as literals that need no state. Of
 * the server's headers only their arrival matters.
 */
#include "tests/bench/protocol-grpc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base.h"

#define FRAME_HEADER 9U
#define GRPC_PREFIX 5U
#define FRAME_MAX 16384U
#define DEFAULT_WINDOW 65535
#define WINDOW_MAX 0x7fffffffU
#define WINDOW_REFILL (WINDOW_MAX / 2)

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW = 8 };
enum { END_STREAM = 0x1, ACK = 0x1, END_HEADERS = 0x4, PADDED = 0x8 };
enum { SETTINGS_INITIAL_WINDOW = 4 };

typedef struct Call {
        Buffer message;         /* the beginning of a message that spans frames */
        Buffer held;            /* frames that wait for the server's window */
        size_t held_window;     /* the window that they need */
        int64_t window;         /* the server's, of the connection */
        int64_t stream_window;  /* the server's, of the stream */
        int64_t initial_window; /* the server's setting */
        size_t n_received;      /* since our own windows were filled up */
} Call;

static void put32(uint8_t *p, uint32_t v) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t) (v >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static int frame_write(Buffer *to, uint8_t type, uint8_t flags, uint32_t stream,
                       const Buffer *body) {
        uint8_t header[FRAME_HEADER];

        put32(header, (uint32_t) body->size << 8 | type);
        header[4] = flags;
        put32(header + 5, stream);
        int r = buffer_append(to, header, sizeof(header));
        return r < 0 ? r : buffer_append(to, body->data, body->size);
}

static int frame_write_window(Connection *c, uint32_t stream, uint32_t n) {
        uint8_t bytes[4];

        put32(bytes, n);
        return frame_write(&c->out, WINDOW, 0, stream, &(Buffer){.data = bytes, .size = 4});
}

static int call_write_message(Connection *c, const uint8_t *message, size_t n) {
        Call *call = c->wire;
        uint8_t body[GRPC_PREFIX + GRPC_MESSAGE_MAX] = {0};
        const Buffer data = {.data = body, .size = GRPC_PREFIX + n};
        const int64_t size = (int64_t) data.size;

        put32(body + 1, (uint32_t) n);
        memcpy(body + GRPC_PREFIX, message, n);
        if (call->held_window > 0 || call->window < size || call->stream_window < size) {
                call->held_window += data.size;
                return frame_write(&call->held, DATA, 0, 1, &data);
        }
        call->window -= size;
        call->stream_window -= size;
        return frame_write(&c->out, DATA, 0, 1, &data);
}

static int call_release(Connection *c) {
        Call *call = c->wire;
        int64_t need = (int64_t) call->held_window;

        if (need == 0 || call->window < need || call->stream_window < need)
                return 0;
        call->window -= need;
        call->stream_window -= need;
        call->held_window = 0;
        int r = connection_write(c, call->held.data, call->held.size);
        buffer_drop(&call->held, call->held.size);
        return r;
}

/* A literal that is not to be indexed: by its name's place in the static table, or by its name. */
static int header_write(Buffer *to, unsigned name_index, const char *name, const char *value) {
        uint8_t bytes[256];
        size_t n = 0;

        if (name_index < 15) {
                bytes[n++] = (uint8_t) name_index;
        } else {
                bytes[n++] = 15;
                bytes[n++] = (uint8_t) (name_index - 15);
        }
        for (const char *s = name_index ? value : name; s; s = s == value ? NULL : value) {
                size_t size = strlen(s);
                if (size > 126 || n + 1 + size > sizeof(bytes))
                        return -EINVAL;
                bytes[n++] = (uint8_t) size;
                memcpy(bytes + n, s, size);
                n += size;
        }
        return buffer_append(to, bytes, n);
}

static int headers_write(Connection *c, const GrpcMethod *method) {
        char bearer[128];
        Buffer block = {0};

        int r = buffer_append(&block, "\x83\x86", 2); /* :method POST, :scheme http */
        if (r == 0)
                r = header_write(&block, 4, NULL, method->path);
        if (r == 0)
                r = header_write(&block, 1, NULL, "localhost"); /* :authority */
        if (r == 0)
                r = header_write(&block, 0, "te", "trailers");
        if (r == 0)
                r = header_write(&block, 31, NULL, "application/grpc"); /* content-type */
        if (r == 0 && method->bearer) {
                snprintf(bearer, sizeof(bearer), "Bearer %s", c->load->token);
                r = header_write(&block, 23, NULL, bearer); /* authorization */
        }
        if (r == 0)
                r = frame_write(&c->out, HEADERS, END_HEADERS, 1, &block);
        buffer_clear(&block);
        return r;
}

int grpc_hello(Connection *c) {
        static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        /* No pushes; the largest window for streams. */
        uint8_t settings[] = {0, 2, 0, 0, 0, 0, 0, SETTINGS_INITIAL_WINDOW, 0x7f, 0xff, 0xff, 0xff};
        const GrpcMethod *method = c->load->protocol->detail;
        uint8_t message[GRPC_MESSAGE_MAX] = {0};

        Call *call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->window = call->stream_window = call->initial_window = DEFAULT_WINDOW;
        c->wire = call;
        int r = connection_write(c, preface, sizeof(preface) - 1);
        if (r == 0)
                r = frame_write(&c->out, SETTINGS, 0, 0,
                                &(Buffer){.data = settings, .size = sizeof(settings)});
        if (r == 0)
                r = frame_write_window(c, 0, WINDOW_MAX - DEFAULT_WINDOW);
        if (r == 0)
                r = headers_write(c, method);
        return r < 0 ? r : call_write_message(c, message, method->encode_hello(c, message));
}

int grpc_say(Connection *c, const char text[static TEXT_SIZE]) {
        const GrpcMethod *method = c->load->protocol->detail;
        uint8_t message[GRPC_MESSAGE_MAX] = {0};

        return call_write_message(c, message, method->encode_text(c, text, message));
}

void grpc_forget(Connection *c) {
        Call *call = c->wire;

        if (!call)
                return;
        buffer_clear(&call->message);
        buffer_clear(&call->held);
        free(call);
        c->wire = NULL;
}

/* Decodes the whole messages among n bytes. Returns how many bytes these were. */
static ssize_t messages_decode(Connection *c, const uint8_t *bytes, size_t n) {
        const GrpcMethod *method = c->load->protocol->detail;
        size_t used = 0;

        while (n - used >= GRPC_PREFIX) {
                size_t size = get32(bytes + used + 1);
                if (bytes[used] != 0) /* compressed: nobody offered that */
                        return -EBADMSG;
                if (n - used - GRPC_PREFIX < size)
                        break;
                int r = method->decode(c, bytes + used + GRPC_PREFIX, size);
                if (r < 0)
                        return r;
                used += GRPC_PREFIX + size;
        }
        return (ssize_t) used;
}

static int on_data(Connection *c, const uint8_t *bytes, size_t n) {
        Call *call = c->wire;

        call->n_received += n;
        if (call->n_received >= WINDOW_REFILL) {
                uint32_t received = (uint32_t) call->n_received;
                call->n_received = 0;
                int r = frame_write_window(c, 0, received);
                if (r == 0)
                        r = frame_write_window(c, 1, received);
                if (r < 0)
                        return r;
        }
        if (call->message.size == 0) {
                ssize_t used = messages_decode(c, bytes, n);
                if (used < 0 || (size_t) used == n)
                        return used < 0 ? (int) used : 0;
                return buffer_append(&call->message, bytes + used, n - (size_t) used);
        }
        int r = buffer_append(&call->message, bytes, n);
        if (r < 0)
                return r;
        ssize_t used = messages_decode(c, call->message.data, call->message.size);
        if (used < 0)
                return (int) used;
        buffer_drop(&call->message, (size_t) used);
        return 0;
}

static int on_settings(Connection *c, const uint8_t *body, size_t n) {
        Call *call = c->wire;

        for (size_t i = 0; i + 6 <= n; i += 6) {
                if (body[i] != 0 || body[i + 1] != SETTINGS_INITIAL_WINDOW)
                        continue;
                int64_t initial = get32(body + i + 2);
                call->stream_window += initial - call->initial_window;
                call->initial_window = initial;
        }
        int r = frame_write(&c->out, SETTINGS, ACK, 0, &(Buffer){0});
        return r < 0 ? r : call_release(c);
}

static int on_window(Connection *c, uint32_t stream, const uint8_t *body) {
        Call *call = c->wire;

        *(stream == 0 ? &call->window : &call->stream_window) += get32(body) & WINDOW_MAX;
        return call_release(c);
}

int grpc_stall(Connection *c) {
        const Call *call = c->wire;
        uint8_t settings[6] = {0, SETTINGS_INITIAL_WINDOW};

        /* The setting moves the stream's window by how much it changes: down to nothing. */
        put32(settings + 2, (uint32_t) call->n_received);
        return frame_write(&c->out, SETTINGS, 0, 0, &(Buffer){.data = settings, .size = 6});
}

/* Says what can be read of the trailers: gRPC's status and message stand there in plain. */
static void on_trailers(Connection *c, const uint8_t *block, size_t n) {
        char text[160] = "call ended: ";
        size_t used = strlen(text);

        for (size_t i = 0; i < n && used < sizeof(text) - 1; i++)
                if (isprint(block[i]))
                        text[used++] = (char) block[i];
        text[used] = '\0';
        if (strstr(text, "grpc-status8"))
                c->load->n_exhausted++;
        connection_end(c, text);
}

static int on_frame(Connection *c, uint8_t type, uint8_t flags, uint32_t stream,
                    const Buffer *body) {
        int r = 0;

        switch (type) {
        case DATA:
                r = flags & PADDED ? -EBADMSG : on_data(c, body->data, body->size);
                break;
        case HEADERS:
                if (!(flags & END_STREAM))
                        connection_ready(c);
                else
                        on_trailers(c, body->data, body->size);
                break;
        case SETTINGS:
                r = flags & ACK ? 0 : on_settings(c, body->data, body->size);
                break;
        case PING:
                r = flags & ACK ? 0 : frame_write(&c->out, PING, ACK, 0, body);
                break;
        case WINDOW:
                r = body->size == 4 ? on_window(c, stream, body->data) : -EBADMSG;
                break;
        case RST_STREAM:
        case GOAWAY:
                connection_end(c, type == GOAWAY ? "GOAWAY" : "RST_STREAM");
                break;
        default:
                break;
        }
        return r;
}

ssize_t grpc_consume(Connection *c, const uint8_t *bytes, size_t n) {
        size_t used = 0;

        while (n - used >= FRAME_HEADER && c->state != CONNECTION_ENDED) {
                const uint8_t *header = bytes + used;
                const size_t size = get32(header) >> 8;
                const Buffer body = {.data = (uint8_t *) header + FRAME_HEADER, .size = size};
                if (size > FRAME_MAX)
                        return -EBADMSG;
                if (n - used - FRAME_HEADER < size)
                        break;
                int r = on_frame(c, header[3], header[4], get32(header + 5), &body);
                if (r < 0)
                        return r;
                used += FRAME_HEADER + size;
        }
        return (ssize_t) used;
}
