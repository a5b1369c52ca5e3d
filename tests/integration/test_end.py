# SPDX-License-Identifier: MIT
"""How the daemon ends, and what its clients are told."""
import os
import signal
import time

import grpc
import pytest

import http2
from harness import DRAIN, OPEN_TOKEN, scaled
from test_hostile import FAST, member
from test_many import crowd, said, until_all_hear
from wire import encode

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_session_with_unavailable(daemons, sig):
    room = daemons.room()
    members = [room.join(f"member{i}") for i in range(5)]
    room.daemon.process.send_signal(sig)
    assert {session.end() for session in members} == {UNAVAILABLE}
    assert room.daemon.exit_status() == 0
    assert room.daemon.notify.seen("STOPPING", "1")
    room.daemon.stop()


def test_who_did_not_join_yet_is_told_too(daemons):
    room = daemons.room(limits={"join_timeout_ms": 60000})
    session = room.session()
    room.join("anna")
    # The stream is known to the daemon when a later one on the same connection is.
    room.join("bert", channel=room.channels[-1])
    room.daemon.process.terminate()
    assert session.end() == UNAVAILABLE
    assert room.daemon.stop() < DRAIN


def test_nothing_that_was_said_before_the_signal_is_lost(daemons):
    room = daemons.room(limits=FAST)
    anna, bert = room.join("anna"), room.join("bert")
    n = scaled(2000)
    for i in range(n):
        anna.say(str(i))
    room.settle(anna)
    room.daemon.process.terminate()
    assert bert.end() == UNAVAILABLE
    assert bert.rest() == [("anna", str(i)) for i in range(n)]


def test_nobody_joins_while_it_ends(daemons):
    room = daemons.room()
    sleeper, _ = member(room, "sleeper", window=0)
    room.join("anna").say("something that the sleeper does not read")
    room.daemon.process.terminate()
    room.daemon.notify.wait_for(lambda: room.daemon.notify.seen("STOPPING", "1"), "STOPPING=1")
    late = room.try_join("late")
    assert late.end() == UNAVAILABLE  # by the daemon, or because nothing listens any more
    sleeper.close()


def test_it_ends_in_time_with_many_clients(daemons):
    room = daemons.room(limits={"max_connections_per_address": 10000})
    everybody, members = crowd(room.daemon, scaled(300))
    until_all_hear(room, everybody, members, room.join("speaker"))
    room.daemon.process.terminate()
    everybody.pump(lambda: all(stream.ended for _, stream in members), "all calls end")
    assert {stream.status for _, stream in members} == {UNAVAILABLE.value[0]}
    assert room.daemon.stop() < DRAIN
    everybody.close()


@pytest.mark.parametrize("how", ["closed stream window", "full socket"])
def test_it_ends_in_time_although_a_client_never_reads(daemons, how):
    room = daemons.room(limits={**FAST, "max_text": 8192})
    if how == "full socket":
        sleeper, _ = member(room, "sleeper", receive_buffer=4096)
    else:
        sleeper, _ = member(room, "sleeper", window=0)
    anna, bert = room.join("anna"), room.join("bert")
    for i in range(800):  # 6.4 MB: more than the kernel takes
        anna.say("x" * 8000)
        bert.receive()
    room.daemon.process.terminate()
    assert anna.end() == UNAVAILABLE
    assert bert.end() == UNAVAILABLE
    assert room.daemon.stop() < DRAIN + 2
    sleeper.close()


def test_a_second_signal_does_no_harm(daemons):
    room = daemons.room()
    anna = room.join("anna")
    for _ in range(3):
        room.daemon.process.terminate()
    assert anna.end() == UNAVAILABLE


def test_it_ends_with_nobody_connected(daemons):
    assert daemons.start().stop() < DRAIN


def test_clients_that_connect_while_it_ends_do_not_hold_it_up(daemons):
    room = daemons.room()
    room.join("anna")
    connections = []
    room.daemon.process.terminate()
    end = time.monotonic() + DRAIN
    while room.daemon.process.poll() is None and time.monotonic() < end:
        try:
            connections.append(http2.Connection(room.daemon.address()))
            stream = connections[-1].open()
            connections[-1].send(stream, encode("late", OPEN_TOKEN))
            connections[-1].flush()
        except OSError:
            break
    assert room.daemon.exit_status() == 0
    for connection in connections:
        connection.close()


def test_restarts_leave_nothing_behind(daemons):
    """The same directory and control socket, over and over."""
    for _ in range(3):
        daemon = daemons.start()
        path = os.path.join(daemon.directory, "control.sock")
        daemon.process.terminate()
        assert daemon.exit_status() == 0
        assert not os.path.exists(path)
        daemon.stop()
