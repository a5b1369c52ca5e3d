# SPDX-License-Identifier: MIT
"""chatroom.v1: who does not read as fast as others talk."""
import time

import grpc
import pytest

from harness import ALICE_TOKEN, BUILD, DRAIN, OPEN_TOKEN, SLACK, sanitizers, scaled
from http2 import Connection
from v1 import FAST, SERVICE, bearer, hello, pb, refused

Code = grpc.StatusCode


def test_a_session_that_is_far_behind_is_not_cut_and_gets_everything(houses):
    """Its own pace: 64 KiB, then nothing, then the rest, while the room has long gone past."""
    house = houses(limits={**FAST, "max_lag_messages": 64})
    epoch = house.connect("anna", start=0).welcome.epoch
    last = house.fill(scaled(100000, 3000), "message {} " + "x" * 40)
    slow = house.raw("slow", start=pb.Resume(epoch=epoch), window=65535)
    slow.wait(lambda: slow.received + len(slow.stream.data) == 65535, "64 KiB")
    talker = house.connect("talker", start=0)
    for i in range(scaled(300)):
        last = talker.say(f"meanwhile {i}").id
    slow.grant(2**30)
    slow.wait(lambda: slow.messages[-1].id >= last, "everything")
    assert [m.id for m in slow.messages] == list(range(1, last + 1))
    slow.close()
    talker.ping()


def test_who_does_not_read_at_all_is_cut_after_a_while(houses):
    age = 1.0
    house = houses(limits={**FAST, "max_lag_age_ms": int(age * 1000)})
    anna = house.connect("anna", start=0)
    sleeper = house.raw("sleeper", start=0, window=1000).joined()
    start = time.monotonic()
    for _ in range(50):
        anna.say("x" * 1000)
    assert sleeper.status() == Code.RESOURCE_EXHAUSTED.value[0]
    assert age <= time.monotonic() - start <= age * SLACK
    sleeper.close()
    anna.ping()
    assert house.comes_in("sleeper")


def test_who_has_nothing_to_read_is_not_cut(houses):
    """A closed window is no offence while there is nothing to say."""
    age, longer = 0.3, 1.2
    house = houses(limits={**FAST, "max_lag_age_ms": int(age * 1000),
                           "join_timeout_ms": int(longer * 1000)})
    anna = house.connect("anna", start=0)
    quiet = house.raw("quiet", start=0, window=1000).joined()
    quiet.window(0)
    start = time.monotonic()
    late = house.session()  # never says hello: a clock that the daemon goes by
    assert refused(late)[0] == Code.UNAUTHENTICATED
    assert time.monotonic() - start >= longer > 2 * age
    quiet.window(2**20)
    quiet.connection.flush()
    anna.say("at last")
    quiet.wait(lambda: quiet.messages, "a message")
    assert quiet.messages[0].text == "at last"
    quiet.close()


@pytest.mark.skipif(sanitizers.of(BUILD) != "none", reason="a sanitizer holds on to what is freed")
@pytest.mark.parametrize("ring", [20, 4096])
def test_many_who_do_not_read_hold_little_memory(houses, ring):
    """What was sent to them is held until they are cut: from the disk, or from the ring."""
    n, of_each, bound = 95, 150, 20 << 10
    house = houses(limits={**FAST, "max_lag_messages": ring, "max_lag_bytes": 4 << 20})
    talker = house.connect("talker", start=0)
    for last in [talker.send("x" * 4000) for _ in range(of_each + n)]:
        talker.ack(last)
    epoch = talker.welcome.epoch
    before = resident_kib(house.daemon)
    connection = Connection(house.daemon.address(), "127.0.9.1", window=0)
    for i in range(n):
        stream = connection.open(f"{SERVICE}/Connect", bearer(OPEN_TOKEN))
        start = pb.Resume(epoch=epoch, after_id=i)
        connection.send(stream, hello(f"sleeper{i}", start=start).SerializeToString())
        connection.flush()
    # Whoever comes after them has what they have.
    stub = house.stub()
    house.eventually(lambda: len(stub.ListMembers(
        pb.ListMembersRequest(), metadata=bearer(ALICE_TOKEN)).members) > n, "all are in")
    house.connect("late", start=pb.Resume(epoch=epoch)).read_to(of_each)
    assert resident_kib(house.daemon) - before < bound
    connection.close()


def resident_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def test_who_reads_slowly_delays_nobody(houses):
    house = houses(limits={**FAST, "max_lag_age_ms": 60000})
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    sleepers = [house.raw(f"sleeper{i}", start=0, window=1) for i in range(5)]
    for _ in range(scaled(200)):
        anna.say("x" * 1000)
        bert.receive()
    house.daemon.process.terminate()
    assert (anna.end(), bert.end()) == (Code.UNAVAILABLE, Code.UNAVAILABLE)
    assert house.daemon.stop() < DRAIN + 2
    for sleeper in sleepers:
        sleeper.close()
