# SPDX-License-Identifier: MIT
"""What chat does when connections are lost: it comes back, and nothing is lost or said twice."""
import signal
import socket
import threading

import grpc
import pytest

from chat_fixtures import (alices_token, chat, server, start, token)  # noqa: F401
from chat_program import TerminalChat
from v1_server import V1Server, pb

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def messages(c):
    return [(o["id"], o["text"]) for o in c.objects if o["type"] == "message"]


def types(c):
    return [o["type"] for o in c.objects]


def settle(c, server):
    """Waits until chat has been told that it is in the room, as well."""
    server.wait_joined()
    if isinstance(c, TerminalChat):
        c.err.wait_for("as alice")
    else:
        server.say("bob", "settled")
        c.out.wait_for("settled")


class Relay:
    """Between chat and a server; its connections can be cut."""

    def __init__(self, port):
        self.target = port
        self._connections = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self._connections += [near, far]
            for a, b in [(near, far), (far, near)]:
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        while self._connections:
            s = self._connections.pop()
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


@pytest.fixture
def relay(server):
    r = Relay(server.port)
    yield r
    r.close()


def test_after_a_restart_everything_goes_on_where_it_was(chat, server):
    c = chat("--json")
    server.wait_joined()
    server.say("bob", "before")
    c.out.wait_for("before")
    server.die()
    c.out.wait_for('"lost"')
    server.say("bob", "while nobody was there")
    server.start()
    c.out.wait_for("while nobody was there")
    server.say("bob", "after")
    c.out.wait_for('"after"')
    c.type("mine\n")
    assert c.end() == 0
    assert messages(c) == [(1, "before"), (2, "while nobody was there"), (3, "after")]
    assert [o["resumed"] for o in c.objects if o["type"] == "welcome"] == [False, True]
    assert server.heard[-1] == ("alice", "mine")
    resumed = server.hellos[-1][1].resume
    assert (resumed.epoch, resumed.after_id, resumed.secret) == ("epoch-1", 1, "secret-1")


def test_a_connection_that_breaks_is_made_again(start, server, relay, token):
    c = start("--json", "--token-file", token, f"alice@127.0.0.1:{relay.port}")
    server.wait_joined()
    server.say("bob", "one")
    c.out.wait_for("one")
    relay.cut()
    c.out.wait_for('"lost"')
    server.say("bob", "two")
    c.out.wait_for("two")
    assert c.end() == 0
    assert messages(c) == [(1, "one"), (2, "two")]


def test_what_was_not_acknowledged_is_sent_again_under_the_same_client_id(chat, server):
    server.mute = True
    server.drop_after = 10
    c = chat("--json")
    c.type("".join(f"line {i}\n" for i in range(30)))
    assert c.end() == 0
    assert server.heard == [("alice", f"line {i}") for i in range(30)]
    assert all(len(ids) == 1 for ids in server.ids.values())
    assert len({i for ids in server.ids.values() for i in ids}) == 30
    assert all(1 <= len(i.encode()) <= 36 for ids in server.ids.values() for i in ids)
    sent = [o for o in c.objects if o["type"] == "sent"]
    assert [(o["id"], o["text"]) for o in sent] == [(i + 1, f"line {i}") for i in range(30)]
    assert messages(c) == []


def test_what_was_stored_but_not_acknowledged_is_there_once(chat, server):
    server.mute = True
    c = chat("--json")
    c.type("one\ntwo\nthree\n")
    server.wait_for(lambda: len(server.outgoing) == 3)
    server.trim(4)  # nobody will be shown them again, the sender neither
    server.mute = False
    server.end(UNAVAILABLE, "restarting")
    assert c.end() == 0
    assert [text for _, _, text in server.outgoing] == 2 * ["one", "two", "three"]
    assert all(len(ids) == 1 for ids in server.ids.values())
    assert server.heard == [("alice", "one"), ("alice", "two"), ("alice", "three")]
    assert [o["id"] for o in c.objects if o["type"] == "sent"] == [1, 2, 3]


def test_two_processes_never_share_a_client_id(chat, server):
    for _ in range(2):
        c = chat()
        c.type("hello\n")
        assert c.end() == 0
    assert len(server.ids["hello"]) == 2


@pytest.mark.parametrize("window", [1, 3, 1000])
def test_no_more_is_under_way_than_the_server_takes(chat, server, window):
    server.max_unacknowledged = window
    server.mute = True
    c = chat()
    c.type("".join(f"{i}\n" for i in range(200)))
    n = min(window, 64)
    server.wait_for(lambda: len(server.outgoing) >= n)
    assert len(server.outgoing) == n
    server.mute = False
    server.tell(acks=[pb.Ack(client_id=o[1], id=i + 1) for i, o in enumerate(server.outgoing)])
    assert c.end() == 0
    assert [text for _, text in server.heard] == [str(i) for i in range(200)]


def test_ids_that_were_seen_are_not_shown_again(chat, server):
    c = chat()
    server.wait_joined()
    for i in range(5):
        server.say("bob", f"{i}")
    c.out.wait_for("<bob> 4")
    server.repeat = 3
    server.end(UNAVAILABLE, "away")
    server.wait_hellos(2)
    server.say("bob", "new")
    c.out.wait_for("new")
    assert c.end() == 0
    assert [text for _, text in c.said] == ["0", "1", "2", "3", "4", "new"]


def test_how_many_messages_were_missed_is_told(chat, server):
    c = chat("--json")
    server.wait_joined()
    server.say("bob", "hello")
    c.out.wait_for("hello")
    server.die()
    for i in range(9):
        server.say("bob", f"{i}")
    server.trim(8)
    server.start()
    c.out.wait_for('"8"')
    assert c.end() == 0
    gap = next(o for o in c.objects if o["type"] == "gap")
    assert (gap["from"], gap["to"], gap["missed"]) == (2, 7, 6)
    assert [i for i, _ in messages(c)] == [1, 8, 9, 10]


def test_on_a_terminal_it_stands_where_they_are_missing(chat, server):
    c = chat(kind=TerminalChat, environment={"TERM": "dumb"})
    server.wait_joined()
    server.say("bob", "first")
    c.out.wait_for("first")
    server.die()
    c.err.wait_for("lost")
    for i in range(9):
        server.say("bob", f"{i}")
    server.trim(8)
    server.start()
    c.out.wait_for("<bob> 8")
    c.type("/quit\n")
    assert c.wait() == 0
    text = c.out.text
    assert text.index("first") < text.index("-- 6 messages missed") < text.index("<bob> 6")
    assert "back in the room" in c.err.text


def test_a_log_that_began_anew_is_told_of_and_read_from_its_beginning(chat, server):
    c = chat("--json")
    server.wait_joined()
    for i in range(5):
        server.say("bob", f"old {i}")
    c.out.wait_for("old 4")
    server.die()
    server.begin_anew("epoch-2")
    server.say("bob", "new 1")
    server.start()
    c.out.wait_for("new 1")
    server.restart()
    server.wait_hellos(3)
    server.say("bob", "new 2")
    c.out.wait_for("new 2")
    assert c.end() == 0
    assert [text for _, text in messages(c)][5:] == ["new 1", "new 2"]
    assert [o["missed"] for o in c.objects if o["type"] == "gap"] == [None]
    assert server.hellos[-1][1].resume.epoch == "epoch-2"


def test_an_older_copy_of_the_log_is_a_log_that_began_anew(chat, server):
    """Its next messages have ids that were seen."""
    c = chat("--json")
    server.wait_joined()
    for i in range(5):
        server.say("bob", f"old {i}")
    c.out.wait_for("old 4")
    server.die()
    server.put_back(2)
    server.say("bob", "new 1")
    server.start()
    server.wait_hellos(2)
    server.say("bob", "new 2")
    c.out.wait_for("new 2")
    assert c.end() == 0
    assert messages(c)[5:] == [(1, "old 0"), (2, "old 1"), (3, "new 1"), (4, "new 2")]
    assert [o["missed"] for o in c.objects if o["type"] == "gap"] == [None]


def test_reading_ends_though_the_log_began_anew_meanwhile(start, server, token):
    for i in range(20):
        server.say("bob", f"{i}")
    server.withholding = True
    c = start("tail", "--json", "--token-file", token, f"alice@127.0.0.1:{server.port}")
    c.out.wait_for("welcome")
    server.die()
    server.begin_anew("epoch-2")
    server.say("bob", "new")
    server.withholding = False
    server.start()
    assert c.wait() == 0
    assert messages(c) == [(1, "new")]


def test_who_was_sent_away_returns_when_told(chat, server):
    c = chat("--json")
    settle(c, server)
    server.end(UNAVAILABLE, "restarting", retry_after_ms=1)
    server.wait_hellos(2)
    server.end(grpc.StatusCode.RESOURCE_EXHAUSTED, "too far behind", retry_after_ms=1)
    server.wait_hellos(3)
    server.end(UNAVAILABLE, "restarting for good", retry_after_ms=0)
    assert c.wait() == 4
    assert [(o["code"], o["reason"]) for o in c.objects if o["type"] == "lost"] == \
        [("UNAVAILABLE", "restarting"), ("RESOURCE_EXHAUSTED", "too far behind")]
    assert "restarting for good" in c.err.text


@pytest.mark.parametrize("code, status", [
    (grpc.StatusCode.UNAUTHENTICATED, 5),
    (grpc.StatusCode.PERMISSION_DENIED, 5),
    (grpc.StatusCode.ABORTED, 6),
    (grpc.StatusCode.INVALID_ARGUMENT, 4),
])
def test_whom_the_server_does_not_want_back_does_not_come_back(chat, server, code, status):
    c = chat()
    settle(c, server)
    server.refusing = code, "not you"
    server.end(UNAVAILABLE, "restarting")
    assert c.wait() == status
    assert "not you" in c.err.text
    assert len(server.hellos) == 1


def test_a_name_that_is_still_ones_own_is_waited_for(chat, server):
    """The server has not noticed yet that the last connection is dead."""
    c = chat("--json")
    settle(c, server)
    server.refusing = grpc.StatusCode.ALREADY_EXISTS, "The name is taken."
    server.end(UNAVAILABLE, "restarting")
    server.wait_refused(3)
    server.refusing = None
    server.wait_hellos(2)
    assert c.end() == 0
    assert types(c).count("lost") == 1


def test_a_name_that_was_never_ones_own_is_not(chat, server):
    server.refusing = grpc.StatusCode.ALREADY_EXISTS, "The name is taken."
    c = chat()
    assert c.wait() == 4
    assert "The name is taken." in c.err.text
    assert "within a minute" in c.err.text
    assert server.refused == 1


def test_a_refusal_with_lines_unsent_says_how_many(chat, server):
    c = chat()
    settle(c, server)
    server.mute = True
    c.type("one\ntwo\n")
    server.wait_for(lambda: len(server.outgoing) == 2)
    server.refusing = grpc.StatusCode.UNAUTHENTICATED, "revoked"
    server.end(UNAVAILABLE, "restarting")
    assert c.wait() == 5
    assert "2 messages were not acknowledged" in c.err.text


@pytest.mark.parametrize("code", [UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_it_comes_back_as_often_as_it_takes(chat, server, code):
    c = chat()
    settle(c, server)
    server.refusing = code, "not yet"
    server.end(UNAVAILABLE, "restarting")
    c.err.wait_for("lost")
    c.type("hello\n")
    server.refusing = None
    server.wait_heard(("alice", "hello"))
    assert c.end() == 0
    assert c.err.text.count("lost") == 1
    assert c.err.text.count("back in the room") == 1


def test_unless_it_is_told_not_to(chat, server):
    c = chat("--no-reconnect")
    settle(c, server)
    server.end(UNAVAILABLE, "restarting")
    assert c.wait() == 4
    assert "restarting (UNAVAILABLE)" in c.err.text


def test_the_end_of_the_input_waits_until_all_is_there(chat, server):
    c = chat()
    settle(c, server)
    server.die()
    c.err.wait_for("lost")
    c.type("one\ntwo\n")
    c.process.stdin.close()
    server.start()
    assert c.wait() == 0
    assert server.heard[1:] == [("alice", "one"), ("alice", "two")]


def test_what_is_acknowledged_needs_no_way_back(chat, server):
    server.confirming.clear()
    c = chat()
    c.type("hello\n")
    c.process.stdin.close()
    server.wait_for(lambda: server.left)
    server.end(UNAVAILABLE, "restarting")
    assert c.wait() == 0
    assert len(server.hellos) == 1
    server.confirming.set()


def test_lingering_goes_on_through_a_restart(chat, server):
    c = chat("--linger", "10m")
    settle(c, server)
    c.process.stdin.close()
    server.restart()
    server.wait_hellos(2)
    server.say("bob", "hello")
    c.out.wait_for("hello")
    c.process.send_signal(signal.SIGTERM)
    assert c.wait() == 128 + signal.SIGTERM


def test_a_message_that_cannot_be_stored_is_sent_again_in_its_order(chat, server):
    server.max_unacknowledged = 1
    server.notices = [(UNAVAILABLE, "The disk is full."), (UNAVAILABLE, "The disk is full.")]
    c = chat()
    c.type("one\ntwo\n")
    assert c.end() == 0
    assert server.heard == [("alice", "one"), ("alice", "two")]
    assert [text for _, _, text in server.outgoing] == ["one", "one", "one", "two"]
    assert len(server.ids["one"]) == 1
    assert c.err.text.count("not taken yet: The disk is full.") == 1


def test_a_message_that_is_refused_is_told_of_and_the_others_are_sent(chat, server):
    server.notices = [(grpc.StatusCode.INVALID_ARGUMENT, "No\x1b[2J such text.")]
    c = chat("--json")
    c.type("one\ntwo\n")
    assert c.end() == 1
    assert server.heard == [("alice", "two")]
    assert c.err.text == "chat: line 1 not taken: No␛[2J such text. (INVALID_ARGUMENT)\n"
    refused = next(o for o in c.objects if o["type"] == "refused")
    assert (refused["text"], refused["code"]) == ("one", "INVALID_ARGUMENT")


def test_ctrl_c_while_away_ends_it(chat, server):
    c = chat(kind=TerminalChat)
    settle(c, server)
    server.die()
    c.err.wait_for("lost")
    c.type("never sent\n")
    c.err.wait_for("will be sent when the connection is back")
    c.type("\x03")
    assert c.wait() == 130
    server.start()


def leave_while_away(chat, server, how):
    c = chat(kind=TerminalChat)
    settle(c, server)
    server.die()
    c.err.wait_for("lost")
    c.type(f"last words\n{how}")
    c.err.wait_for("waiting for the server")
    return c


@pytest.mark.parametrize("how", ["/quit\n", "\x04"], ids=["quit", "end-of-input"])
def test_leaving_while_away_waits_for_the_room_to_have_it_all(chat, server, how):
    c = leave_while_away(chat, server, how)
    server.start()
    assert c.wait() == 0
    assert server.heard == [("alice", "last words")]


def test_who_does_not_wait_is_told_what_was_not_sent(chat, server):
    c = leave_while_away(chat, server, "\x04")
    c.process.send_signal(signal.SIGINT)
    assert c.wait() == 128 + signal.SIGINT
    assert "1 message was not acknowledged" in c.err.text


def test_somebody_with_the_same_name_elsewhere_is_somebody_else(chat, server):
    c = chat()
    server.wait_joined()
    server.say("alice", "from my other device", client_id="other")
    c.out.wait_for("from my other device")
    c.type("from here\n")
    assert c.end() == 0
    assert c.said == [("alice", "from my other device")]


def test_a_client_id_of_ones_own_that_somebody_else_uses_is_no_disguise(chat, server):
    c = chat()
    server.wait_joined()
    c.type("mine\n")
    server.wait_heard(("alice", "mine"))
    server.say("mallory", "not mine", client_id=server.outgoing[0][1])
    c.out.wait_for("<mallory> not mine")
    assert c.end() == 0


# Presence


def test_who_comes_and_goes_is_shown_on_a_terminal(chat, server):
    c = chat(kind=TerminalChat, environment={"TERM": "dumb"})
    server.wait_joined()
    c.err.wait_for("as alice")
    server.tell(presence=pb.Presence(joined=["b\x1bob"]))
    c.out.wait_for("-- b␛ob joined")
    server.tell(presence=pb.Presence(left=["b\x1bob"], joined=["carol"]))
    c.out.wait_for("-- b␛ob left")
    server.tell(presence=pb.Presence(reset=True, joined=["alice", "dave"]))
    c.out.wait_for("-- carol left")
    c.type("/who\n")
    c.err.wait_for("-- dave")
    c.type("/quit\n")
    assert c.wait() == 0
    assert "alice joined" not in c.out.text and "-- dave joined" in c.out.text


def test_nobody_tells_a_pipe_who_comes_and_goes(chat, server):
    c = chat()
    server.wait_joined()
    server.tell(presence=pb.Presence(joined=["bob"]))
    server.say("bob", "hello")
    c.out.wait_for("hello")
    assert c.end() == 0
    assert c.said == [("bob", "hello")] and c.err.bytes == b""
    assert not server.hellos[0][1].presence


# History


def test_on_a_terminal_it_begins_with_the_last_messages(chat, server):
    for i in range(60):
        server.say("bob", f"{i}")
    c = chat(kind=TerminalChat, environment={"TERM": "dumb"})
    c.out.wait_for("<bob> 59")
    c.type("/quit\n")
    assert c.wait() == 0
    assert "<bob> 10\r" in c.out.text and "<bob> 9\r" not in c.out.text


def test_without_one_it_begins_with_what_is_said_from_then_on(chat, server):
    server.say("bob", "old")
    c = chat()
    server.wait_joined()
    server.say("bob", "new")
    c.out.wait_for("new")
    assert c.end() == 0
    assert c.said == [("bob", "new")]


def test_unless_told_otherwise(chat, server):
    for i in range(9):
        server.say("bob", f"{i}")
    c = chat("-n", "3")
    c.out.wait_for("8")
    assert c.end() == 0
    assert c.said == [("bob", "6"), ("bob", "7"), ("bob", "8")]


def test_a_message_of_another_day_has_its_date(chat, server):
    server.say("bob", "long ago", time_ms=86400000)
    c = chat("-n", "1")
    c.out.wait_for("long ago")
    assert c.end() == 0
    assert c.lines == ["1970-01-02 00:00 <bob> long ago"]


def test_a_connection_lost_before_the_first_message_does_not_bring_them_all(chat, server):
    for i in range(9):
        server.say("bob", f"{i}")
    c = chat("--json")
    server.wait_joined()
    c.out.wait_for("welcome")
    server.restart()
    server.wait_hellos(2)
    server.say("bob", "new")
    c.out.wait_for("new")
    assert c.end() == 0
    assert messages(c) == [(10, "new")]
