/* SPDX-License-Identifier: MIT */
/*
 * Whether a guest shows a token all the same does not matter: if a good one made a difference, one
 * could guess at tokens here without being counted.
 */
#include "service/guest.h"

#include "service/service.h"

#define TEXT(number) #number
#define NUMBER(macro) TEXT(macro)

int guest_admit(Stream *s) {
        if (s->connection->guests >= GUESTS_PER_CONNECTION || s->service->n_guests >= GUESTS_MAX)
                return stream_refuse(
                        s, RPC_RESOURCE_EXHAUSTED,
                        "Too many calls that need no token (" NUMBER(
                                GUESTS_PER_CONNECTION) " per connection, " NUMBER(GUESTS_MAX) " in "
                                                                                              "all)"
                                                                                              ".");
        s->connection->guests++;
        s->service->n_guests++;
        s->guest = true;
        return 0;
}

void guest_leave(Stream *s) {
        if (!s->guest)
                return;
        s->guest = false;
        s->connection->guests--;
        s->service->n_guests--;
}

void guest_timeout(Stream *s) {
        if (s->protocol->lifetime)
                stream_end(s, RPC_RESOURCE_EXHAUSTED,
                           "A call that needs no token ends after a while; make another.", false);
        else
                stream_end(s, RPC_INVALID_ARGUMENT, "There was no request.", false);
}

void guest_post(Stream *s, RpcPayload *message) {
        if (message)
                reader_post(s->reader, message);
        else
                stream_end(s, RPC_RESOURCE_EXHAUSTED, STREAM_OUT_OF_MEMORY, false);
}
