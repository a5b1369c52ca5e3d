/* SPDX-License-Identifier: MIT */
/*
 * What comes from the room, part by part in the order that the protocol gives them. Any part may
 * end the connection that it came on; then the rest is dropped, and comes again on the next.
 */
#include <time.h>

#include "client/chat-state.h"
#include "client/line.h"

/* How long a server that could not take a message is left alone. */
#define HOLD_MS 1000

static RpcBytes bytes(ProtobufCBinaryData b) {
        return (RpcBytes){b.data, b.len};
}

static int64_t wall_clock_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* tail without --follow reads up to what was the newest message when it came. */
static void check_read_all(Chat *c) {
        if (c->options->command == COMMAND_TAIL && !c->options->follow && c->phase == PHASE_IN &&
            session_position(c->session) >= c->until_id)
                chat_finish(c, EXIT_LEFT);
}

static int on_welcome(Chat *c, const Chatroom__Welcome *m) {
        const SessionWelcome w = {
                .user = bytes(m->user),
                .epoch = bytes(m->epoch),
                .secret = bytes(m->resume_secret),
                .head = m->head,
                .first = m->first,
                .window = m->max_unacknowledged,
        };
        bool again = c->lost, tell = !c->joined || again, anew;
        int r;

        if (c->phase != PHASE_JOINING)
                return chat_hang_up(c, "it sent a second welcome");
        r = session_welcome(c->session, &w);
        if (r < 0)
                return r;
        anew = r == SESSION_E_BEGAN_ANEW;
        c->max_text = m->max_text < LINE_TEXT_MAX ? m->max_text : LINE_TEXT_MAX;
        if (c->options->command == COMMAND_TAIL && !c->search.begun) {
                c->until_id = w.head;
                if (search_begin(&c->search, c->session, &w))
                        return joining_open(c);
        }
        if (anew)
                c->until_id = w.head;
        r = tell ? report_welcome(&c->report, m, again) : 0;
        if (r == 0)
                r = joining_welcomed(c);
        if (r == 0 && anew)
                r = report_gap(&c->report, 0, 0, 0);
        return r == 0 ? talking_welcomed(c) : r;
}

static int on_gap(Chat *c, const Chatroom__Gap *g) {
        uint64_t missed = session_gap(c->session, g->from_id, g->to_id);

        return missed > 0 ? report_gap(&c->report, g->from_id, g->to_id, missed) : 0;
}

static int on_accepted(Chat *c, RpcBytes client_id, uint64_t id, int64_t time_ms) {
        _cleanup_(freep) Outgoing *o = session_take(c->session, client_id);

        c->held = false;
        return o ? report_sent(&c->report, o, id, time_ms) : 0;
}

/* One's own message says as much as an acknowledgement. */
static int on_message(Chat *c, const Chatroom__Message *m) {
        SearchVerdict verdict = SEARCH_SHOW;

        if (c->options->command == COMMAND_TAIL)
                verdict = search_message(&c->search, c->session, m->id, m->time_ms);
        if (verdict == SEARCH_AGAIN)
                return joining_open(c);
        if (!session_see(c->session, m->id) || verdict == SEARCH_SKIP)
                return 0;
        if (session_is_own(c->session, bytes(m->user), bytes(m->client_id)))
                return on_accepted(c, bytes(m->client_id), m->id, m->time_ms);
        return report_message(&c->report, m, wall_clock_ms());
}

static int on_notice(Chat *c, const Chatroom__Notice *n) {
        _cleanup_(freep) Outgoing *o = NULL;

        if (n->code == RPC_STATUS_UNAVAILABLE) {
                session_again(c->session, bytes(n->client_id));
                c->hold_ms = chat_now_ms() + HOLD_MS;
                if (c->held)
                        return 0;
                c->held = true;
                return report_held(&c->report, bytes(n->text));
        }
        o = session_take(c->session, bytes(n->client_id));
        if (!o)
                return 0;
        c->lines_lost = c->lines_lost || !c->person;
        return report_refused(&c->report, o, n);
}

/* Who was there already when one came in is no news, after that only what has changed. */
static int on_presence(Chat *c, const Chatroom__Presence *p) {
        bool news = !p->reset || roster_count(c->roster) > 0;
        RpcBytes name;
        int r;

        r = report_presence(&c->report, p);
        if (p->reset)
                roster_reset(c->roster);
        for (size_t i = 0; r == 0 && i < p->n_joined; i++) {
                r = roster_join(c->roster, bytes(p->joined[i]));
                if (r > 0)
                        r = news ? report_came(&c->report, bytes(p->joined[i])) : 0;
        }
        for (size_t i = 0; r == 0 && i < p->n_left; i++)
                if (roster_leave(c->roster, bytes(p->left[i])))
                        r = report_went(&c->report, bytes(p->left[i]));
        while (r == 0 && p->reset && roster_settle(c->roster, &name))
                r = report_went(&c->report, name);
        return r;
}

static void on_goodbye(Chat *c, const Chatroom__Goodbye *g) {
        c->goodbye = true;
        c->retry_after_ms = g->retry_after_ms;
}

static int take_parts(Chat *c, const Chatroom__ConnectResponse *m) {
        int r = m->welcome ? on_welcome(c, m->welcome) : 0;

        if (c->phase != PHASE_IN && c->phase != PHASE_LEAVING)
                return r;
        if (r == 0 && m->gap)
                r = on_gap(c, m->gap);
        for (size_t i = 0; r == 0 && i < m->n_messages && c->phase != PHASE_JOINING; i++)
                r = on_message(c, m->messages[i]);
        for (size_t i = 0; r == 0 && i < m->n_acks; i++)
                r = on_accepted(c, bytes(m->acks[i]->client_id), m->acks[i]->id,
                                m->acks[i]->time_ms);
        for (size_t i = 0; r == 0 && i < m->n_notices; i++)
                r = on_notice(c, m->notices[i]);
        if (r == 0 && m->presence && c->phase != PHASE_JOINING)
                r = on_presence(c, m->presence);
        check_read_all(c);
        return r;
}

static int take_members(Chat *c, const RoomLinkEvent *e) {
        Chatroom__ListMembersResponse *m =
                chatroom__list_members_response__unpack(NULL, e->size, e->data);
        int r = 0;

        if (!m)
                return chat_hang_up(c, "it sent something that is not a list of members");
        for (size_t i = 0; r == 0 && i < m->n_members; i++)
                r = report_member(&c->report, m->members[i]);
        chatroom__list_members_response__free_unpacked(m, NULL);
        return r;
}

/* SubscribeResponse has the same parts by the same numbers. */
int delivery_take(Chat *c, const RoomLinkEvent *e) {
        Chatroom__ConnectResponse *m;
        int r;

        if (c->options->command == COMMAND_WHO)
                return take_members(c, e);
        m = chatroom__connect_response__unpack(NULL, e->size, e->data);
        if (!m)
                return chat_hang_up(c, "it sent something that is not a chat message");
        if (c->phase == PHASE_JOINING && !m->welcome && !m->goodbye)
                r = chat_hang_up(c, "it sent something before its welcome");
        else
                r = take_parts(c, m);
        if (m->goodbye)
                on_goodbye(c, m->goodbye);
        chatroom__connect_response__free_unpacked(m, NULL);
        return r;
}
