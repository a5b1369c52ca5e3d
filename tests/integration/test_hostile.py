# SPDX-License-Identifier: MIT
"""Clients that do what no gRPC library does. None may harm another member."""
import os
import select
import struct
import time

import grpc
import pytest

import http2
from harness import BUILD, DRAIN, OPEN_TOKEN, SCALE, sanitizers, scaled
from http2 import Connection, frame
from wire import Message, encode

Code = grpc.StatusCode


def member(room, name, window=http2.LARGEST_WINDOW, **arguments):
    """Somebody in the room, on a raw connection."""
    connection = Connection(room.daemon.address(), "127.0.9.1", window=window, **arguments)
    stream = connection.open()
    connection.send(stream, encode(name, OPEN_TOKEN))
    connection.send(stream, encode("", f"{name} is in"))
    connection.flush()
    room.witness.expect((name, f"{name} is in"))
    return connection, stream


def talk(room, n=20):
    """Two ordinary members hear each other."""
    one, two = room.join("one"), room.join("two")
    for i in range(n):
        one.say(str(i))
        two.expect(("one", str(i)))
        two.say(str(-i))
        one.expect(("two", str(-i)))
    for session in (one, two):
        session.half_close()
        session.end()


FAST = {"rate_burst": 100000, "rate_per_second": 100000}


@pytest.mark.parametrize("how", ["closed stream window", "full socket"])
def test_who_never_reads_is_cut_and_delays_nobody(daemons, how):
    room = daemons.room(limits={**FAST, "max_lag_messages": 100, "max_text": 8192})
    if how == "full socket":
        sleeper, stream = member(room, "sleeper", receive_buffer=4096)
    else:
        sleeper, stream = member(room, "sleeper", window=0)
    anna, bert = room.join("anna"), room.join("bert")
    text = "x" * 8000
    for i in range(1000):  # 8 MB: more than the kernel takes for the sleeper
        anna.say(text)
        bert.expect(("anna", text))
        room.witness.receive()
        if name_is_free(room, i, "sleeper"):
            break
    else:
        raise AssertionError("still there, 1000 messages behind")
    talk(room)
    if how == "closed stream window":
        assert sleeper.status(stream) == Code.RESOURCE_EXHAUSTED.value[0]
    sleeper.close()


def name_is_free(room, i, name):
    """Looked up now and then: each look is a join."""
    if i % 50 != 49:
        return False
    session = room.try_join(name)
    if not room.is_heard(session):
        assert session.code == Code.ALREADY_EXISTS, session.details
        return False
    session.half_close()
    session.end()
    return True


def texts_of(stream, user):
    return [m.text for m in map(Message.FromString, http2.grpc_messages(stream.data))
            if m.user == user and not m.text.startswith("sync:")]


def test_who_has_left_may_be_slow_to_take_what_he_is_owed(daemons):
    """A little every now and then, for longer than somebody is waited for who takes nothing."""
    room = daemons.room(limits=FAST)
    slow, stream = member(room, "slow", window=0)
    anna = room.join("anna")
    said = [f"{i:4} " + "x" * 4000 for i in range(60)]
    for text in said:
        anna.say(text)
    room.settle(anna)
    slow.half_close(stream)
    start = time.monotonic()
    slow.raw(frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)))
    granted = 0
    while time.monotonic() < start + 2.2 * DRAIN:
        granted += 4096
        slow.raw(frame(http2.WINDOW_UPDATE, 0, stream.number, struct.pack(">I", 4096)))
        slow.pump(lambda g=granted: stream.ended or len(stream.data) >= g, "a little")
        assert not stream.ended
        select.select([slow.socket], [], [], DRAIN / 5)  # nothing comes: there is no room for it
    slow.raw(frame(http2.WINDOW_UPDATE, 0, stream.number, struct.pack(">I", 2**30)))
    assert slow.status(stream) == 0
    assert texts_of(stream, "anna") == said
    slow.close()


def test_who_leaves_and_never_reads_is_not_told_that_all_was_delivered(daemons):
    """OK would say so; but what was said meanwhile is gone."""
    room = daemons.room(limits={**FAST, "max_lag_messages": 20})
    sleeper, stream = member(room, "sleeper", window=0)
    anna = room.join("anna")
    anna.say("for the sleeper")
    room.settle(anna)
    sleeper.half_close(stream)
    sleeper.flush()
    talk(room, 30)
    assert sleeper.status(stream) == Code.RESOURCE_EXHAUSTED.value[0]
    sleeper.close()


def test_a_slow_reader_within_the_limit_gets_everything(daemons):
    room = daemons.room(limits=FAST)
    sleeper, stream = member(room, "sleeper", window=0)
    anna = room.join("anna")
    n = scaled(2000, 100)
    for i in range(n):
        anna.say(f"{i}")
    room.settle(anna)
    assert not stream.data
    sleeper.raw(frame(http2.SETTINGS, 0, 0, struct.pack(">HI", http2.INITIAL_WINDOW_SIZE,
                                                        http2.LARGEST_WINDOW)))
    sleeper.raw(frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)))

    sleeper.pump(lambda: len(stream.data) > 7 * n and len(texts_of(stream, "anna")) == n,
                 "all that was said")
    assert texts_of(stream, "anna") == [str(i) for i in range(n)]
    sleeper.close()


def test_who_never_acknowledges_settings_is_an_ordinary_member(room):
    quiet, stream = member(room, "quiet", acknowledge=False)
    anna = room.join("anna")
    anna.say("hello")
    quiet.pump(lambda: b"hello" in stream.data, "what anna said")
    quiet.close()
    talk(room)


def test_a_client_that_opens_one_byte_windows_harms_nobody(room):
    slow, stream = member(room, "slow", window=1)
    talk(room, 5)
    slow.pump(lambda: stream.data, "a first byte")
    for _ in range(20):
        before = len(stream.data)
        slow.raw(frame(http2.WINDOW_UPDATE, 0, stream.number, struct.pack(">I", 1)))
        slow.pump(lambda: len(stream.data) > before, "one byte more")
    slow.close()
    talk(room, 5)


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 1000, b"SSH-2.0-OpenSSH_9.2\r\n",
    http2.PREFACE + b"\xff" * 200, http2.PREFACE + frame(http2.DATA, 0, 1, b"x" * 10),
    http2.PREFACE + frame(http2.SETTINGS, 0, 0, b"odd"),
    http2.PREFACE + frame(http2.SETTINGS, 0, 0) + frame(http2.WINDOW_UPDATE, 0, 0, b"\x00" * 4)])
def test_what_is_not_http2_harms_nobody(daemons, garbage):
    room = daemons.room(limits={"join_timeout_ms": 1000})
    connection = Connection(room.daemon.address(), "127.0.9.1")
    connection._output = garbage
    connection.flush()
    connection._control = lambda *_: None
    while connection.receive():  # until the daemon closes it
        pass
    connection.close()
    talk(room, 3)


def test_random_bytes_harm_nobody(daemons):
    room = daemons.room(limits={"join_timeout_ms": 1000})
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    import random
    rng = random.Random(seed)
    for _ in range(50):
        connection = Connection(room.daemon.address(), "127.0.9.1")
        connection._output = http2.PREFACE * rng.randint(0, 1) + rng.randbytes(rng.randint(1, 300))
        connection.flush()
        connection.abort()
    talk(room, 3)


def test_a_crowd_that_resets_its_connections_harms_nobody(room):
    for i in range(scaled(200)):
        connection, _ = None, None
        connection = Connection(room.daemon.address(), f"127.0.9.{1 + i % 200}")
        stream = connection.open()
        connection.send(stream, encode(f"member{i}", OPEN_TOKEN))
        connection.flush()
        connection.abort()
    talk(room, 5)


def test_opening_and_resetting_streams_harms_nobody(room):
    """HTTP/2 rapid reset, for as long as the daemon puts up with it."""
    talk(room, 1)
    connection = Connection(room.daemon.address(), "127.0.9.1")
    try:
        for i in range(int(20000 * SCALE)):
            connection.cancel(connection.open())
            if i % 100 == 0:
                connection.flush()
                del connection.streams  # not to keep what nobody looks at
                connection.streams = {}
        connection.flush()
    except ConnectionError:
        pass
    talk(room, 20)
    connection.close()
    talk(room, 1)


def test_a_message_cut_short_by_the_end_of_the_stream_is_not_chat(room):
    cut, stream = member(room, "cut")
    whole = http2.grpc_message(encode("", "this one never ends"))
    cut.raw(frame(http2.DATA, http2.END_STREAM, stream.number, whole[:-5]))
    cut.pump(lambda: stream.ended, "the end of the call")
    cut.close()
    talk(room, 1)
    assert ("cut", "this one never ends") not in room.witness.heard()


def test_a_message_in_one_byte_frames_arrives(room):
    bit, stream = member(room, "bit")
    for byte in http2.grpc_message(encode("", "piece by piece")):
        bit.raw(frame(http2.DATA, 0, stream.number, bytes([byte])))
    bit.flush()
    room.witness.expect(("bit", "piece by piece"))
    bit.close()


def test_an_announced_message_that_does_not_come_holds_up_nobody(room):
    liar, stream = member(room, "liar")
    liar.raw(frame(http2.DATA, 0, stream.number, struct.pack(">?I", False, 60000) + b"x"))
    liar.flush()
    talk(room)
    liar.close()


class Endless:
    """A header block without an end, as fast as the daemon takes it. That needs no token."""
    HEADER = b"\x00\x01x\x7f\x81\x01" + b"y" * 256
    MORE = frame(http2.CONTINUATION, 0, 1, HEADER * 60)

    def __init__(self, room):
        self.connection = Connection(room.daemon.address(), "127.0.9.1")
        self.connection.raw(frame(http2.HEADERS, 0, 1, self.HEADER))
        self.connection.flush()
        self.socket = self.connection.socket
        self.socket.setblocking(False)
        self._left = b""

    def goes_on(self):
        """Sends what can be sent at once. False: the daemon has closed it."""
        try:
            readable, _, _ = select.select([self.socket], [self.socket], [], 1)
            if readable and not self.socket.recv(1 << 16):
                return False
            self._left = self._left or self.MORE
            self._left = self._left[self.socket.send(self._left):]
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        return True


def test_many_who_are_cut_off_do_not_fill_the_log(room):
    start = time.monotonic()
    all_of_them = going = [Endless(room) for _ in range(60)]
    while going:
        going = [endless for endless in going if endless.goes_on()]
    for endless in all_of_them:
        endless.connection.close()
    room.daemon.wait_log("^Cut off")  # it comes on another way than the end of the connections
    assert len(room.daemon.log_matches("^Cut off")) <= 20 + time.monotonic() - start + 1


@pytest.mark.skipif(sanitizers.of(BUILD) != "none", reason="a sanitizer holds on to what is freed")
def test_who_never_stops_sending_is_cut_off_before_it_is_much(room):
    """From the first byte on gRPC reads it, on whatever thread handed it the connection."""
    bound = 192 << 20
    before = memory_kib(room.daemon)
    for _ in range(40):
        endless = Endless(room)
        while endless.goes_on():
            pass
        endless.connection.close()
    assert memory_kib(room.daemon) - before < bound >> 10
    talk(room)


@pytest.mark.parametrize("joined", [False, True])
def test_a_huge_message_is_not_taken_in(room, joined):
    """Whoever announces 2 GB is stopped long before the daemon holds them."""
    bound = 64 << 20
    if joined:
        liar, stream = member(room, "liar")
    else:
        liar = Connection(room.daemon.address(), "127.0.9.1")
        stream = liar.open()
    before = memory_kib(room.daemon)
    liar.data(stream, struct.pack(">?I", False, 2**31 - 1))
    sent = 0
    try:
        while sent < 4 * bound and not stream.ended and liar.goaway is None:
            size = min(16384, liar.may_send(stream))
            liar.data(stream, b"x" * size)
            sent += size
            liar.flush()
            if size == 0 or sent % (1 << 20) == 0:
                liar.pump(lambda: stream.ended or liar.may_send(stream), "leave to send on")
    except (AssertionError, ConnectionError):
        pass  # not given leave any more, or closed
    assert memory_kib(room.daemon) - before < bound >> 10, f"after {sent} bytes"
    liar.close()
    talk(room, 1)


def memory_kib(daemon):
    """The most that the daemon ever had resident."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def test_who_was_cut_does_not_keep_the_connection_by_asking_on(daemons):
    """Each new call would have been a reason not to close it."""
    room = daemons.room(limits={**FAST, "max_lag_messages": 100})
    sleeper, stream = member(room, "sleeper", window=0)
    anna = room.join("anna")
    for i in range(200):
        anna.say(str(i))
    assert sleeper.status(stream) == Code.RESOURCE_EXHAUSTED.value[0]
    with pytest.raises((AssertionError, ConnectionError)) as ending:
        for _ in range(50):  # so few that they are no flood
            sleeper.status(sleeper.open("/no/such"))
        sleeper.pump(lambda: False, "the connection's end")
    assert "not within" not in str(ending.value)
    sleeper.close()
    talk(room, 1)
