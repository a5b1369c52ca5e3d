# SPDX-License-Identifier: MIT
"""Each limit of the configuration, and what going past it means."""
import time

import grpc
import pytest

from clients import refusal
from harness import ALICE_TOKEN, DEADLINE, OPEN_TOKEN, SLACK
from http2 import Connection
from wire import encode

Code = grpc.StatusCode


def test_a_fast_sender_is_slowed_and_loses_nothing(daemons):
    burst, rate, n = 5, 20, 25
    room = daemons.room(limits={"rate_burst": burst, "rate_per_second": rate})
    anna, bert = room.join("anna"), room.join("bert")  # each said one thing to show it is in
    start = time.monotonic()
    for i in range(n):
        anna.say(str(i))
    bert.expect(*(("anna", str(i)) for i in range(n)))
    took = time.monotonic() - start
    # One more than the burst: a message may be waited for that was paid for long ago.
    assert (n - burst - 1) / rate <= took <= n / rate * SLACK
    room.settle(anna)


def test_a_fast_sender_slows_nobody_else(daemons):
    room = daemons.room(limits={"rate_burst": 5, "rate_per_second": 1})
    flooder, bert = room.join("flooder"), room.join("bert")
    for i in range(1000):
        flooder.say(str(i))
    bert.say("hello")
    while room.witness.receive() != ("bert", "hello"):
        pass
    flooder.cancel()


def test_connections_of_one_address_are_limited(daemons):
    room = daemons.room(limits={"max_connections_per_address": 5})
    source = "127.0.9.1"
    connections = []
    for i in range(5):
        connections.append(Connection(room.daemon.address(), source))
        stream = connections[i].open()
        connections[i].send(stream, encode(f"member{i}", OPEN_TOKEN))
        connections[i].send(stream, encode("", "in"))
        connections[i].flush()
        room.witness.expect((f"member{i}", "in"))
    assert not gets_in(room, source)
    other = Connection(room.daemon.address(), "127.0.9.2")
    stream = other.open()
    other.send(stream, encode("other", OPEN_TOKEN))
    other.send(stream, encode("", "in"))
    other.flush()
    room.witness.expect(("other", "in"))
    connections.pop().close()
    room.daemon.wait_for(lambda: gets_in(room, source), "one place is free again")
    for connection in [*connections, other]:
        connection.close()


def gets_in(room, source):
    """Tries to join from an address that may have no connection left."""
    try:
        connection = Connection(room.daemon.address(), source)
        stream = connection.open()
        connection.send(stream, encode("latecomer", OPEN_TOKEN))
        connection.half_close(stream)
        connection.pump(lambda: stream.ended, "the end of the call")
    except (AssertionError, ConnectionError):
        return False  # closed without a word: there is no call yet that could have a status
    finally:
        connection.close()
    assert stream.status in (0, Code.RESOURCE_EXHAUSTED.value[0]), stream.status
    return stream.status == 0


def test_connections_in_all_are_limited(daemons):
    room = daemons.room(limits={"max_connections": 4})
    for name in ("anna", "bert", "carl"):
        room.join(name)  # with the witness, four
    session = room.try_join("dora")
    assert refusal(session)[0] in (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE)


def test_sessions_of_one_user_are_limited(daemons):
    room = daemons.room(limits={"max_sessions_per_user": 3})
    devices = [room.join("alice", ALICE_TOKEN) for _ in range(3)]
    code, details = refusal(room.try_join("alice", ALICE_TOKEN))
    assert code == Code.RESOURCE_EXHAUSTED
    assert "max_sessions_per_user" in details
    devices[0].half_close()
    devices[0].end()
    room.join("alice", ALICE_TOKEN)


def test_a_user_of_an_open_token_has_one_session(room):
    room.join("anna", OPEN_TOKEN)
    assert refusal(room.try_join("anna", "token2"))[0] == Code.ALREADY_EXISTS


def test_streams_of_one_connection_are_limited(daemons):
    """Also for a client that never acknowledges the limit, to which HTTP/2 would hold others."""
    room = daemons.room(limits={"max_streams_per_connection": 10,
                                "max_connections_per_address": 10})
    connection = Connection(room.daemon.address(), "127.0.9.1", acknowledge=False)
    streams = []
    for i in range(15):
        streams.append(connection.open())
        connection.send(streams[i], encode(f"member{i}", OPEN_TOKEN))
        connection.send(streams[i], encode("", "in"))
    connection.flush()
    heard = [room.witness.receive() for _ in range(10)]
    assert len(set(heard)) == 10
    connection.pump(lambda: sum(stream.ended for stream in streams) >= 5, "five are refused")
    refused = [stream for stream in streams if stream.ended]
    assert [stream.status for stream in refused] == [Code.RESOURCE_EXHAUSTED.value[0]] * 5
    connection.close()
    room.join("somebody")


def test_guessing_tokens_is_limited(daemons):
    room = daemons.room(limits={"auth_failures_per_minute": 5})
    room.join("anna")
    codes = [refusal(room.try_join("mallory", f"guess {i}"))[0] for i in range(8)]
    assert codes[:5] == [Code.UNAUTHENTICATED] * 5
    assert codes[5:] == [Code.RESOURCE_EXHAUSTED] * 3


def test_guessing_tokens_harms_no_other_address(daemons):
    room = daemons.room(limits={"auth_failures_per_minute": 3})
    for i in range(6):
        connection = Connection(room.daemon.address(), "127.0.9.1")
        stream = connection.open()
        connection.send(stream, encode("mallory", f"guess {i}"))
        assert connection.status(stream) in (Code.UNAUTHENTICATED.value[0],
                                             Code.RESOURCE_EXHAUSTED.value[0])
        connection.close()
    room.join("anna")


def test_a_connection_without_a_call_is_closed(daemons):
    limit = 0.5
    daemon = daemons.start(limits={"join_timeout_ms": int(limit * 1000)})
    start = time.monotonic()
    connection = Connection(daemon.address())
    with pytest.raises(AssertionError, match="The connection ended"):
        connection.pump(lambda: False, "the daemon closes it")
    assert limit <= time.monotonic() - start <= limit * SLACK
    connection.close()


def test_a_connection_that_says_nothing_is_closed(daemons):
    limit = 0.5
    daemon = daemons.start(limits={"join_timeout_ms": int(limit * 1000)})
    start = time.monotonic()
    connection = Connection(daemon.address())
    connection.socket.settimeout(limit * SLACK)
    while connection.receive():  # the server's SETTINGS, then the end
        pass
    assert connection.closed
    assert limit <= time.monotonic() - start <= limit * SLACK
    connection.close()


def test_peers_outside_the_allowed_networks_are_closed_at_once(daemons):
    room = daemons.room(server={"allow": "127.0.0.1"})
    connection = Connection(room.daemon.address(), "127.0.9.1")
    with pytest.raises((AssertionError, ConnectionError)):
        connection.pump(lambda: connection.streams, "anything at all")
    assert connection.goaway is None
    connection.close()
    room.join("anna")


def test_guessing_goes_unanswered_on_every_method(daemons):
    """Also a token that the method would not take is not told from a wrong one any more."""
    room = daemons.room(limits={"auth_failures_per_minute": 3})
    bearer = [("authorization", f"Bearer {OPEN_TOKEN}")]
    for i in range(4):
        refusal(room.try_join("mallory", f"guess {i}"))
    assert refusal(room.session(metadata=bearer))[0] == Code.RESOURCE_EXHAUSTED
    for method in ("Send", "ListMembers", "Subscribe"):
        call = room.channel().unary_stream(f"/chatroom.v1.ChatroomService/{method}")
        answers = call(b"", metadata=bearer, timeout=DEADLINE)
        with pytest.raises(grpc.RpcError):
            next(answers)
        assert answers.code() == Code.RESOURCE_EXHAUSTED, method


def test_who_says_one_thing_each_time_he_comes_has_no_more(daemons):
    """The name and the first text come with one message, before there is a session to charge."""
    burst, rate, n = 2, 4, 8
    room = daemons.room(limits={"rate_burst": burst, "rate_per_second": rate})
    bearer = [("authorization", "Bearer token2")]
    start = time.monotonic()
    for i in range(n):
        session = room.session(metadata=bearer)
        session.send(f"m{i}", f"hello {i}")
        room.witness.expect((f"m{i}", f"hello {i}"))
        session.cancel()
        session.end()
    assert time.monotonic() - start >= (n - burst) / rate


def test_trying_tokens_as_a_first_text_is_guessing(daemons):
    """By a member: what is a token is not passed on, which tells him that it is one."""
    room = daemons.room(limits={"auth_failures_per_minute": 3})
    anna = room.join("anna")
    bearer = [("authorization", f"Bearer {OPEN_TOKEN}")]

    def say_first(i, text):
        session = room.session(metadata=bearer)
        session.send(f"mallory{i}", text)
        session.half_close()
        return session.end()

    assert {say_first(i, OPEN_TOKEN) for i in range(5)} == {Code.OK}  # his own, to be sure
    assert {say_first(i, f"hello {i}") for i in range(5)} == {Code.OK}
    assert [say_first(i, text) for i, text in enumerate(["token2", ALICE_TOKEN, "token2"])] \
        == [Code.OK] * 3
    assert say_first(3, "hello") == Code.RESOURCE_EXHAUSTED
    room.settle(anna)
    assert {text for _, text in room.witness.heard()} == {f"hello {i}" for i in range(5)}


def test_who_comes_again_has_no_new_burst(daemons):
    """Whatever the name, with a token for any name."""
    burst, rate = 5, 10
    room = daemons.room(limits={"rate_burst": burst, "rate_per_second": rate})
    for token, names in ((ALICE_TOKEN, ["alice"] * 4), ("token2", ["m1", "m2", "m3", "m4"])):
        start = time.monotonic()
        for name in names:
            session = room.try_join(name, token)
            for i in range(burst):
                session.say(f"{name} {i}")
            session.half_close()
            assert session.end() == Code.OK, session.details
        assert time.monotonic() - start >= (len(names) - 1) * burst / rate
