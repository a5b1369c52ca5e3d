# SPDX-License-Identifier: MIT
"""chat and the daemon: what the two do together that neither does alone."""
import re
import signal

import pytest

from chat_fixtures import start, token  # noqa: F401
from harness import ALICE_TOKEN
from v1 import FAST


@pytest.fixture
def at(start, token):
    """Starts chat as somebody at a daemon."""
    return lambda daemon, name="dora", command=(), options=(), behind=(), **more: start(
        *command, "--token-file", token, *options, f"{name}@{daemon.target}", *behind, **more)


def test_with_the_daemon_everything_arrives_however_fast_it_comes(daemons, at):
    room = daemons.room(limits={"rate_burst": 5, "rate_per_second": 50})
    witness = room.witness
    c = at(room.daemon)
    c.type("".join(f"line {i}\n" for i in range(50)))
    c.process.stdin.close()
    witness.expect(*[("dora", f"line {i}") for i in range(50)])
    assert c.wait() == 0
    assert c.err.bytes == b""


def test_two_people_talk_at_the_daemon(daemons, at):
    room = daemons.room()
    witness = room.witness
    a, b = at(room.daemon), at(room.daemon, "bob")
    a.type("I am in\n")
    witness.expect(("dora", "I am in"))
    b.type("me too\n")
    a.out.wait_for("<bob> me too\n")
    a.type("goodbye\n")
    b.out.wait_for("<dora> goodbye\n")
    assert a.end() == 0
    assert b.end() == 0


def test_the_daemon_goes_down(daemons, at):
    room = daemons.room()
    witness = room.witness
    c = at(room.daemon, options=["--no-reconnect"])
    c.type("hello\n")
    witness.expect(("dora", "hello"))
    room.daemon.stop()
    assert c.wait() == 4
    assert "UNAVAILABLE" in c.err.text


def test_the_daemon_does_not_take_the_token(daemons, at):
    daemon = daemons.start(tokens={"alice": "another-token"})
    c = at(daemon)
    assert c.wait() == 5
    assert "not admitted" in c.err.text


def test_the_daemon_does_not_allow_the_address(daemons, at):
    daemon = daemons.start(server={"allow": "10.0.0.0/8"})
    c = at(daemon)
    assert c.wait() == 3
    assert "hung up" in c.err.text and "allow" in c.err.text


# Restarts


class Lasting:
    """A house whose daemons listen on one port, one after the other."""

    def __init__(self, house):
        self.house = house
        self.port = house.daemon.port
        self.target = f"127.0.0.1:{self.port}"

    def restart(self, kill=False, **arguments):
        if kill:
            self.house.kill()
        else:
            self.house.stop()
        self.house.start(server={"listen": self.target}, **arguments)


@pytest.fixture
def lasting(house):
    return Lasting(house)


def texts(session):
    return [(m.user, m.text) for m in session.messages]


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_restarts_in_the_middle_lose_nothing_and_say_nothing_twice(lasting, at, kill):
    reader = at(lasting, "bob", options=["--json"])
    reader.out.wait_for("welcome")
    c = at(lasting, command=["send"], behind=["-"])
    for i in range(300):
        c.type(f"{i}\n")
        if i in (100, 200):
            reader.out.wait_for(f'"text":"{i - 50}"')
            lasting.restart(kill)
    assert c.end() == 0
    reader.out.wait_for('"text":"299"')
    assert reader.end() == 0
    said = [o for o in reader.objects if o["type"] == "message"]
    assert [o["text"] for o in said] == [f"{i}" for i in range(300)]
    assert [o["id"] for o in said] == list(range(1, 301))
    assert "gap" not in {o["type"] for o in reader.objects}


def test_what_is_not_kept_any_more_is_told_of(houses, at):
    small_ring = {**FAST, "max_lag_messages": 64, "max_lag_bytes": 4096}
    lasting = Lasting(houses(limits=small_ring, history={"keep_messages": 100}))
    reader = at(lasting, "bob", options=["--json"])
    reader.out.wait_for("welcome")
    lasting.house.fill(5)
    reader.out.wait_for("message 4")
    reader.process.send_signal(signal.SIGSTOP)
    lasting.restart(kill=True)
    last = lasting.house.fill(300)
    lasting.house.eventually(lambda: lasting.house.welcome().first > 100, "the oldest to go")
    reader.process.send_signal(signal.SIGCONT)
    reader.out.wait_for(f'"id":{last},')
    assert reader.end() == 0
    seen = [o["id"] for o in reader.objects if o["type"] == "message"]
    [gap] = [o for o in reader.objects if o["type"] == "gap"]
    assert (gap["from"], gap["missed"]) == (6, last - len(seen))
    assert seen == [1, 2, 3, 4, 5, *range(gap["to"] + 1, last + 1)]


# Commands


def test_what_was_said_is_read_by_id_and_by_time(lasting, at, tmp_path):
    lasting.house.fill(700)
    path = tmp_path / "alice"
    path.write_text(ALICE_TOKEN)
    path.chmod(0o600)
    for name, options in [("dora", []), ("alice", ["--token-file", str(path)])]:
        c = at(lasting, name, command=["tail"], options=options)
        assert c.wait() == 0
        assert [t for _, t in c.said] == [f"message {i}" for i in range(650, 700)]
        c = at(lasting, name, command=["tail"], options=[*options, "--since", "690"])
        assert c.wait() == 0
        assert [t for _, t in c.said] == [f"message {i}" for i in range(690, 700)]
        c = at(lasting, name, command=["tail"], options=[*options, "--since", "1h"])
        assert c.wait() == 0
        assert [t for _, t in c.said] == [f"message {i}" for i in range(700)]


def test_who_is_there(lasting, at, tmp_path):
    path = tmp_path / "alice"
    path.write_text(ALICE_TOKEN)
    path.chmod(0o600)
    bob = at(lasting, "bob", options=["--json"])
    bob.out.wait_for("welcome")
    c = at(lasting, "alice", command=["who"], options=["--token-file", str(path)])
    assert c.wait() == 0
    assert c.out.text == "bob\t1\n"
    c = at(lasting, "dora", command=["who"])
    assert c.wait() == 5
    assert bob.end() == 0


def test_a_text_of_several_lines(lasting, at):
    c = at(lasting, command=["send"], behind=["first\nsecond"])
    assert c.wait() == 0
    c = at(lasting, command=["tail"])
    assert c.wait() == 0
    assert c.said == [("dora", "first␊second")]


def test_limits_are_the_daemons(houses, at):
    house = houses(limits={**FAST, "max_text": 10})
    c = at(house.daemon, command=["send"], behind=["-"])
    c.type("0123456789\n01234567890\n")
    assert c.end() == 1
    assert re.search(r"line 2 not sent: longer than 10 bytes", c.err.text)
