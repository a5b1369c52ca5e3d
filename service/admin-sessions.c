/* SPDX-License-Identifier: MIT */
/* Who is in, and putting somebody out. */
#include <string.h>

#include "proto/base.h"
#include "service/admin.h"
#include "service/service.h"

/* One answer's worth of rows, filled in as the room is walked. */
typedef struct Listing {
        uint64_t head;
        struct {
                Admin__Session session;
                char address[ADDRESS_TEXT_MAX];
        } * sessions;
        Admin__User *users;
        Admin__Session **session_refs;
        Admin__User **user_refs;
        size_t n_sessions, n_users;
} Listing;

static void listing_done(Listing *l) {
        free(l->sessions);
        free(l->users);
        free(l->session_refs);
        free(l->user_refs);
}

static int listing_init(Listing *l, const Room *room) {
        size_t n_sessions = room_count_sessions(room), n_users = room_count_users(room);

        l->head = ring_head(room_ring(room));
        l->sessions = calloc(n_sessions + 1, sizeof(*l->sessions));
        l->session_refs = calloc(n_sessions + 1, sizeof(*l->session_refs));
        l->users = calloc(n_users + 1, sizeof(*l->users));
        l->user_refs = calloc(n_users + 1, sizeof(*l->user_refs));
        return l->sessions && l->session_refs && l->users && l->user_refs ? 0 : -ENOMEM;
}

static void add_session(Listing *l, const Session *session) {
        const Stream *stream = CONTAINER_OF(session, Stream, session);
        Admin__Session *row = &l->sessions[l->n_sessions].session;
        char *address = l->sessions[l->n_sessions].address;

        admin__session__init(row);
        address_format(&stream->connection->peer.address, true, address);
        row->id = session->id;
        row->address = message_text(address);
        row->joined_ms = session->joined_ms;
        row->token_id = message_text(session->token_id);
        row->protocol = message_text(stream->protocol->name);
        row->messages = session->received;
        row->lag = stream_lag(stream, l->head);
        l->session_refs[l->n_sessions++] = row;
}

static int add_user(const User *user, void *userdata) {
        Listing *l = userdata;
        Admin__User *row = &l->users[l->n_users];

        admin__user__init(row);
        row->name = message_text(user->name.text);
        row->sessions = &l->session_refs[l->n_sessions];
        for (const Session *s = user->sessions; s; s = s->user_next)
                add_session(l, s);
        row->n_sessions = user->n_sessions;
        l->user_refs[l->n_users++] = row;
        return 0;
}

static int by_name(const void *a, const void *b) {
        const Admin__User *left = *(Admin__User *const *) a, *right = *(Admin__User *const *) b;

        return strcmp((const char *) left->name.data, (const char *) right->name.data);
}

void admin_list_users(AdminCall *a) {
        Admin__ListUsersResponse response = ADMIN__LIST_USERS_RESPONSE__INIT;
        _cleanup_(listing_done) Listing l = {0};

        if (listing_init(&l, a->service->room) != 0) {
                admin_refuse(a, RPC_RESOURCE_EXHAUSTED, ADMIN_OUT_OF_MEMORY);
                return;
        }
        (void) room_foreach(a->service->room, add_user, &l);
        qsort(l.user_refs, l.n_users, sizeof(*l.user_refs), by_name);
        response.users = l.user_refs;
        response.n_users = l.n_users;
        admin_reply(a, &response.base);
}

/* ---- kick */

static unsigned kick_user(Service *s, const Name *name, const char *text) {
        const User *user;
        unsigned n = 0;

        /* The user goes with his last session. */
        for (; (user = room_find(s->room, name)); n++)
                stream_end(CONTAINER_OF(user->sessions, Stream, session), RPC_ABORTED, text, false);
        return n;
}

static unsigned kick_session(Service *s, uint64_t id, const char *text) {
        for (Stream *stream = s->streams; stream; stream = stream->next)
                if (stream->state == STREAM_JOINED && stream->session.id == id) {
                        stream_end(stream, RPC_ABORTED, text, false);
                        return 1;
                }
        return 0;
}

void admin_kick(AdminCall *a) {
        Admin__KickResponse response = ADMIN__KICK_RESPONSE__INIT;
        const AdminRequest *r = &a->request;
        char text[ADMIN_REASON_MAX + 64];

        snprintf(text, sizeof(text), "Kicked by the operator%s%s", r->reason[0] ? ": " : ".",
                 r->reason);
        response.sessions = r->target == ADMIN_USER ? kick_user(a->service, &r->user, text)
                                                    : kick_session(a->service, r->session, text);
        if (response.sessions == 0) {
                admin_refuse(a, RPC_NOT_FOUND,
                             r->target == ADMIN_USER ? "There is nobody of that name in the room."
                                                     : "There is no such session.");
                return;
        }
        snprintf(a->summary, sizeof(a->summary), "%u session%s ended", response.sessions,
                 response.sessions == 1 ? "" : "s");
        admin_reply(a, &response.base);
}
