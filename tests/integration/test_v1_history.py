# SPDX-License-Identifier: MIT
"""chatroom.v1: what was said before, and going on where one was."""
import os
import shutil
import sqlite3

import pytest

from clients import Session as SeedSession
from harness import ALICE_TOKEN, OPEN_TOKEN, configuration, scaled
from v1 import BERTA_TOKEN, FAST, TOKENS, pb, resume

DAY_MS = 24 * 60 * 60 * 1000
SMALL_RING = {**FAST, "max_lag_messages": 64}


def said(house, n, name="filler"):
    """n messages are in the room: (epoch, last id)."""
    session = house.connect(name, start=0)
    last = house.fill(n, user="somebody")
    session.read_to(last)
    session.half_close()
    session.end()
    return session.welcome.epoch, last


def at(epoch, after_id):
    return pb.Resume(epoch=epoch, after_id=after_id)


def ids(session):
    return [m.id for m in session.history()]


# History

@pytest.mark.parametrize("count", [0, 1, 10, 64, 100, 300, 1000000, 2**32 - 1])
def test_as_much_of_the_history_comes_as_one_asks_for(houses, count):
    """From the ring, and from behind it."""
    house = houses(limits=SMALL_RING)
    _, last = said(house, 300)
    for session in (house.connect("anna", start=count), house.listen(ALICE_TOKEN, start=count)):
        house.connect(f"x{session.welcome.session}").say("next")
        last += 1
        heard = session.read_to(last)
        # The second one's history has what was said for the first.
        shown = min(count, session.welcome.head)
        assert [m.id for m in heard] == list(range(session.welcome.head - shown + 1, last + 1))
        assert session.gaps == []


@pytest.mark.parametrize("replay", [None, 0, 7])
def test_who_does_not_ask_is_shown_what_the_server_likes(houses, replay):
    house = houses(history={} if replay is None else {"replay": replay})
    shown = 50 if replay is None else replay
    said(house, 80)
    for session in (house.connect("anna"), house.listen(ALICE_TOKEN)):
        house.connect(f"x{session.welcome.session}").say("next")
        first = session.receive().id
        assert first == session.welcome.head - shown + 1


def test_the_history_is_what_was_said(house):
    anna = house.connect("anna", start=0)
    acks = [anna.say(f"text {i}", f"client-{i}") for i in range(5)]
    old = SeedSession(house.channel())
    old.send("old", OPEN_TOKEN)
    old.say("Grüße, 日本, 👋")
    anna.read_to(6)
    bert = house.connect("bert", start=100)
    heard = bert.history()
    assert heard == anna.messages
    assert [(m.id, m.time_ms, m.client_id) for m in heard[:5]] == \
        [(ack.id, ack.time_ms, ack.client_id) for ack in acks]
    assert (heard[5].user, heard[5].text, heard[5].client_id) == ("old", "Grüße, 日本, 👋", "")


def test_a_member_by_the_first_protocol_is_shown_none(house):
    _, last = said(house, 20)
    listener = house.listen(ALICE_TOKEN, start=0)
    old = SeedSession(house.channel())
    old.send("old", OPEN_TOKEN)
    old.say("I am in")
    listener.expect(("old", "I am in"))
    house.connect("anna", start=0).say("hello")
    old.expect(("anna", "hello"))


# Resume

@pytest.mark.parametrize("behind", [0, 1, 5, 63, 64, 65, 200, 299, 300])
def test_a_session_goes_on_where_it_was(houses, behind):
    """However far behind: nothing, in the ring, at its edge, in the store, from the beginning."""
    house = houses(limits=SMALL_RING)
    epoch, last = said(house, 300)
    session = house.connect("anna", start=at(epoch, last - behind))
    listener = house.listen(ALICE_TOKEN, start=at(epoch, last - behind))
    new = house.connect("bert", start=0).say("live").id
    for stream in (session, listener):
        assert [m.id for m in stream.read_to(new)] == list(range(last - behind + 1, new + 1))
        assert stream.gaps == []


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("behind", [1, 100, 300])
def test_a_session_goes_on_after_a_restart(houses, how, behind):
    house = houses(limits=SMALL_RING)
    epoch, last = said(house, 300)
    house.stop() if how == "stop" else house.kill()
    house.start()
    session = house.connect("anna", start=at(epoch, last - behind))
    assert (session.welcome.epoch, session.welcome.head) == (epoch, last)
    new = session.say("live").id
    assert new == last + 1
    heard = session.read_to(new)
    assert [m.id for m in heard] == list(range(last - behind + 1, new + 1))
    assert session.gaps == []


def test_what_many_said_is_the_same_after_a_restart(house):
    sessions = [house.connect(f"user{i}", start=0) for i in range(3)]
    for i in range(scaled(100)):
        for session in sessions:
            session.send(f"{i} ä\t\n")
    heard = sessions[0].read_to(3 * scaled(100))
    house.kill()
    house.start()
    session = house.connect("reader", start=at(sessions[0].welcome.epoch, 0))
    assert session.history() == heard


def test_a_session_goes_on_while_others_talk(houses):
    """Where the past ends and the present begins nothing is missing and nothing is there twice."""
    house = houses(limits=SMALL_RING)
    epoch, last = said(house, 1000)
    talker = house.connect("talker", start=0)
    resumed = []
    for i in range(scaled(300, 60)):
        talker.send(f"meanwhile {i}")
        if i % 10 == 0 and len(resumed) < 20:
            resumed.append(house.try_connect(f"user{i}", start=at(epoch, last - 5 * i)))
    end = talker.say("end").id
    for i, session in enumerate(resumed):
        assert [m.id for m in session.read_to(end)] == list(range(last - 50 * i + 1, end + 1))
        assert session.gaps == []


@pytest.mark.parametrize("limits", [FAST, SMALL_RING])
def test_an_epoch_of_another_log_is_a_gap(houses, limits):
    house = houses(limits=limits)
    epoch, last = said(house, 100)
    for after_id in (0, 1, 50, last, last + 1000):
        session = house.connect("anna", start=at("another", after_id))
        assert session.welcome.epoch == epoch
        session.say("next")
        last += 1
        assert [m.id for m in session.read_to(last)] == list(range(last - 50, last + 1))
        assert len(session.gaps) == 1
        session.half_close()
        session.end()


@pytest.mark.parametrize("beyond", [1, 2, 1000, 2**63, None])
def test_an_id_that_was_never_given_is_a_gap(house, beyond):
    epoch, last = said(house, 100)
    after = 2**64 - 1 if beyond is None else last + beyond
    session = house.connect("anna", start=at(epoch, after))
    new = session.say("next").id
    assert new == last + 1
    assert [m.id for m in session.read_to(new)] == list(range(last - 49, new + 1))
    assert len(session.gaps) == 1


def trimmed(houses, restart=False, **keep):
    """A house whose oldest messages are gone: (house, epoch)."""
    house = houses(limits=SMALL_RING, history=keep)
    house.fill(300, "message {} " + "x" * 100)
    if restart:
        house.restart()
    house.eventually(lambda: house.welcome().first > 100, "the oldest messages to go")
    return house, house.welcome().epoch


@pytest.mark.parametrize("keep", [{"keep_messages": 100}, {"keep_bytes": 10000}])
@pytest.mark.parametrize("restart", [False, True])
def test_what_is_not_kept_any_more_is_a_gap(houses, keep, restart):
    house, epoch = trimmed(houses, restart, **keep)
    session = house.connect("anna", start=at(epoch, 10))
    first, last = session.welcome.first, session.say("next").id
    assert [m.id for m in session.read_to(last)] == list(range(first, last + 1))
    assert [(gap.from_id, gap.to_id) for gap in session.gaps] == [(11, first - 1)]
    assert last == 301


def test_what_is_not_kept_is_no_gap_for_who_does_not_need_it(houses):
    house, epoch = trimmed(houses, keep_messages=100)
    first = house.welcome().first
    session = house.connect("anna", start=at(epoch, first - 1))
    assert ids(session)[0] == first
    assert session.gaps == []


def test_the_whole_history_is_what_is_kept(houses):
    house, _ = trimmed(houses, keep_messages=100)
    session = house.connect("anna", start=1000)
    assert ids(session)[0] == session.welcome.first
    assert session.gaps == []


def test_ids_go_on_though_nothing_of_old_is_kept(houses):
    house, epoch = trimmed(houses, restart=True, keep_messages=1)
    house.eventually(lambda: house.welcome().first == 300, "all but one to go")
    house.restart()
    anna = house.connect("anna", start=0)
    assert (anna.welcome.epoch, anna.welcome.head, anna.welcome.first) == (epoch, 300, 300)
    assert anna.say("next").id == 301


def test_what_is_too_old_goes(houses):
    house = houses(limits=SMALL_RING, history={"keep_days": 30})
    epoch, last = said(house, 100)
    house.stop()
    in_the_log(house, f"UPDATE messages SET time_ms = time_ms - {31 * DAY_MS} WHERE id <= 40")
    house.start()
    house.eventually(lambda: house.welcome().first == 41, "the oldest messages to go")
    session = house.connect("anna", start=at(epoch, 0))
    assert [m.id for m in session.read_to(last)] == list(range(41, last + 1))
    assert [(gap.from_id, gap.to_id) for gap in session.gaps] == [(1, 40)]


def test_who_reads_slower_than_it_is_kept_is_told_what_is_missing(houses):
    """In the middle of reading on, not at the start."""
    house = houses(limits=SMALL_RING)
    epoch = house.welcome().epoch
    last = house.fill(3000, "message {} " + "x" * 100)
    slow = house.raw("slow", start=at(epoch, 0), window=65535)
    slow.wait(lambda: slow.received + len(slow.stream.data) == 65535, "64 KiB")
    house.daemon.reload(configuration(limits=SMALL_RING, tokens=TOKENS,
                                      history={"keep_messages": 100}))
    house.eventually(lambda: house.welcome().first == last - 99, "all but a hundred to go")
    slow.grant(2**30)
    slow.wait(lambda: slow.messages and slow.messages[-1].id == last, "everything")
    assert len(slow.gaps) == 1
    gap = slow.gaps[0]
    assert [m.id for m in slow.messages] == \
        [*range(1, gap.from_id), *range(gap.to_id + 1, last + 1)]
    assert 1 < gap.from_id <= gap.to_id < last
    slow.close()


# What was sent before, and is sent again long after

def in_the_log(house, statement):
    """Changes the log of a daemon that is not running."""
    with sqlite3.connect(os.path.join(house.state, "log.db")) as db:
        assert db.execute(statement).rowcount > 0
    db.close()


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_said_is_remembered_although_it_is_not_kept(houses, restart):
    house = houses(limits=SMALL_RING, history={"keep_messages": 1})
    anna = house.connect("anna", start=0)
    first = anna.say("once", "one")
    anna.half_close()
    anna.end()
    last = house.fill(200)
    house.eventually(lambda: house.welcome().first > first.id, "it to go")
    if restart:
        house.restart()
    anna = house.connect("anna", start=0)
    assert anna.say("once", "one") == first
    assert anna.say("next", "two").id == last + 1


@pytest.mark.parametrize("hours, same", [(23, True), (25, False)])
def test_a_client_id_is_remembered_for_a_day(houses, hours, same):
    house = houses()
    anna = house.connect("anna", start=0)
    first = anna.say("once", "one")
    house.stop()
    in_the_log(house, f"UPDATE keys SET time_ms = time_ms - {hours * DAY_MS // 24}")
    house.start()
    channel = house.channel()

    def answer():
        anna = house.connect("anna", start=0, channel=channel)
        ack = anna.say("once", "one")
        anna.half_close()
        anna.end()
        return ack.id

    if same:
        assert answer() == first.id
    else:
        house.eventually(lambda: answer() > first.id, "it to be forgotten")


# Without a history, and with another

def test_without_a_history_the_room_works_and_forgets(houses):
    house = houses(history={"enabled": "no"})
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    first = anna.say("once", "one")
    assert anna.say("next", "two").id == first.id + 1
    assert anna.say("once", "one") == first
    assert [m.text for m in bert.read_to(2)] == ["once", "next"]
    back = house.connect("carla", start=resume(anna, after_id=1, secret=""))
    back.expect(("anna", "next"))
    assert not [name for name in os.listdir(house.state) if name.startswith("log.db")]
    house.restart()
    after = house.connect("anna", start=resume(anna))
    assert after.welcome.epoch != anna.welcome.epoch
    assert len(after.gaps) == 1 or after.welcome.head == 0
    assert after.say("a new beginning").id == 1


def test_a_log_that_is_gone_is_another_epoch(house):
    anna = house.connect("anna", start=0)
    anna.say("before")
    house.stop()
    for name in os.listdir(house.state):
        if name.startswith("log.db"):
            os.unlink(os.path.join(house.state, name))
    house.start()
    back = house.connect("anna", start=resume(anna))
    assert back.welcome.epoch != anna.welcome.epoch
    assert (back.welcome.head, len(back.gaps)) == (0, 1)
    assert back.say("after").id == 1


def test_a_log_moves_to_another_daemon(houses, tmp_path):
    """A copy of the directory of a daemon that has ended is a whole room."""
    first = houses()
    anna = first.connect("anna", start=0)
    ack = anna.say("once", "one")
    first.stop()
    shutil.copytree(first.state, tmp_path / "state")
    second = houses(start=False, state=str(tmp_path / "state"))
    second.start()
    back = second.connect("anna", start=resume(anna, after_id=0))
    assert back.welcome.epoch == anna.welcome.epoch
    back.expect(("anna", "once"))
    assert back.say("once", "one") == ack


@pytest.mark.parametrize("sync", ["normal", "full"])
def test_both_ways_to_sync_work(houses, sync):
    house = houses(history={"sync": sync})
    anna = house.connect("anna", start=0)
    acks = [anna.say(str(i)) for i in range(20)]
    house.kill()
    house.start()
    back = house.connect("anna", start=resume(anna, after_id=0))
    assert [m.id for m in back.read_to(20)] == [ack.id for ack in acks]


def test_times_do_not_go_back_over_a_restart(house):
    anna = house.connect("anna", start=0)
    before = anna.say("before").time_ms
    house.restart()
    assert house.connect("anna", start=0).say("after").time_ms >= before


def test_the_keys_of_the_history_are_checked(daemons):
    for history in ({"sync": "sometimes"}, {"enabled": "perhaps"}, {"replay": -1},
                    {"keep_messages": "many"}, {"no_such_key": 1}):
        daemon = daemons.start(history=history, wait=False)
        assert daemon.exit_status() != 0
        assert next(iter(history)) in daemon.log_text()
        daemon.stop(expect=daemon.process.returncode)


def test_a_reload_keeps_the_room(houses):
    house = houses(history={"replay": 10})
    anna = house.connect("anna", start=0)
    first = anna.say("once", "one")
    house.daemon.reload(configuration(limits=FAST, tokens=TOKENS, history={"replay": 3}))
    assert anna.say("once", "one") == first
    last = [anna.say(str(i)) for i in range(9)][-1]
    assert len(house.connect("", BERTA_TOKEN).read_to(last.id)) == 3
