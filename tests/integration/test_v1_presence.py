# SPDX-License-Identifier: MIT
"""chatroom.v1: who is there."""
import time

from clients import Session as SeedSession
from harness import ALICE_TOKEN, OPEN_TOKEN, SLACK
from v1 import FAST


def present(session, *names):
    """Waits until exactly these are there, oneself aside."""
    def others():
        return session.present - {session.welcome.user}
    session.until(lambda: others() == set(names),
                  lambda: f"{sorted(names)} to be there; {sorted(others())} are")


def test_presence_is_told_to_those_who_want_it(house):
    quiet = house.connect("quiet")
    anna = house.connect("anna", presence=True)
    present(anna, "quiet")
    alice = house.listen(ALICE_TOKEN, presence=True)
    present(alice, "quiet", "anna")
    present(anna, "quiet", "alice")
    quiet.ping()
    assert quiet.presences == []


def test_presence_knows_the_members_of_both_protocols(house):
    anna = house.connect("anna", presence=True)
    session = SeedSession(house.channel())
    session.send("old", OPEN_TOKEN)
    present(anna, "old")


def test_who_joins_is_told_at_once_and_who_leaves_after_a_while(house):
    anna = house.connect("anna", presence=True)
    bert = house.connect("bert")
    start = time.monotonic()
    present(anna, "bert")
    assert time.monotonic() - start < 5
    left = time.monotonic()
    bert.half_close()
    bert.end()
    present(anna)
    assert 4.9 <= time.monotonic() - left <= 5 * SLACK


def test_who_comes_back_soon_was_never_gone(house):
    anna = house.connect("anna", presence=True)
    house.connect("dora")
    bert = house.connect("bert")
    present(anna, "bert", "dora")
    told = len(anna.presences)
    bert.half_close()
    bert.end()
    bert = house.connect("bert")
    house.streams[1].half_close()  # dora; behind her leaving, bert's would have been told
    present(anna, "bert")
    changes = anna.presences[told:]
    assert not any("bert" in [*change.joined, *change.left] for change in changes), changes
    bert.ping()


def test_another_session_of_one_who_is_there_is_not_told(house):
    anna = house.connect("anna", presence=True)
    phone = house.connect("", ALICE_TOKEN)
    present(anna, "alice")
    told = len(anna.presences)
    laptop = house.connect("", ALICE_TOKEN)
    phone.half_close()
    phone.end()
    dora = house.connect("dora")
    dora.half_close()
    dora.end()
    anna.until(lambda: any("dora" in change.left for change in anna.presences), "dora has left")
    assert not any("alice" in [*change.joined, *change.left] for change in anna.presences[told:])
    assert "alice" in anna.present
    laptop.ping()


def test_presence_is_coalesced_for_who_is_behind(houses):
    """Who cannot be told now gets one difference later, not every step."""
    house = houses(limits={**FAST, "max_lag_age_ms": 60000})
    watcher = house.raw("watcher", start=0, presence=True, window=1000).joined()
    talker = house.connect("talker", start=0)
    for _ in range(10):
        talker.say("x" * 1000)  # the window is shut now
    n = 40
    for i in range(n):
        house.connect(f"member{i}")
    told = len(watcher.presences)
    watcher.grant(2**20)
    watcher.wait(lambda: sum(len(p.joined) for p in watcher.presences) > n, "all members")
    there = [name for change in watcher.presences for name in change.joined]
    assert {f"member{i}" for i in range(n)} <= set(there)
    assert len(watcher.presences) - told < n / 4
    watcher.close()


def test_presence_is_off_above_two_hundred_members(houses):
    house = houses(limits={**FAST, "max_lag_age_ms": 60000})
    anna = house.connect("anna", presence=True)
    house.connect("bert")
    present(anna, "bert")
    crowd = [house.raw(f"member{i}", start=0, source=f"127.0.7.{1 + i}").joined()
             for i in range(205)]
    late = house.connect("late", presence=True)
    house.connect("later").say("one more thing")
    for session in (anna, late):
        session.until(lambda: any(m.text == "one more thing" for m in session.messages),
                      "the message")
        session.ping()
        assert "later" not in session.present
    assert "member0" not in late.present
    for raw in crowd:
        raw.close()
    present(anna, "bert", "late", "later")
    present(late, "anna", "bert", "later")
