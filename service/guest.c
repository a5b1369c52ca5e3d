/* SPDX-License-Identifier: MIT */
/*
 * Whether a guest shows a token all the same does not matter: if a good one made a difference, one
 * could guess at tokens here without being counted.
 */
#include "service/guest.h"

#include "service/service.h"

#define TEXT(number) #number
#define NUMBER(macro) TEXT(macro)
#define CONNECTION NUMBER(GUESTS_PER_CONNECTION) " per connection, "
#define ADDRESS NUMBER(GUESTS_PER_ADDRESS) " per address, "
#define ALL NUMBER(GUESTS_MAX) " in all"

int guest_admit(Stream *s) {
        if (s->service->n_guests >= GUESTS_MAX || !connection_open_guest(s->connection))
                return stream_refuse(s, RPC_RESOURCE_EXHAUSTED,
                                     "Too many calls that need no token (" CONNECTION ADDRESS ALL
                                     ").");
        s->service->n_guests++;
        s->guest = true;
        return 0;
}

void guest_leave(Stream *s) {
        if (!s->guest)
                return;
        s->guest = false;
        connection_close_guest(s->connection);
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
