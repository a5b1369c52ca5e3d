# SPDX-License-Identifier: MIT
"""The checks of the crash test notice what they are there for: planted losses and the like."""
import copy
import os
import sqlite3
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from checker import Checker  # noqa: E402
from log_check import check  # noqa: E402

N = 10


def journal():
    """All is well: ann sends, ben and lea read, old says something by the first protocol."""
    events = [["join", reader, "epoch"] for reader in ("ann", "ben", "lea")]
    for i in range(1, N + 1):
        if i % 5 == 0:
            user, client_id, text = "old-0", "", f"old says {i}"
            events.append(["said", user, text])
        else:
            user, client_id, text = "ann", f"c{i}", f"ann says {i}"
            events.append(["send", user, client_id, text])
        events += [["got", reader, i, 1000 + i, user, text, client_id]
                   for reader in ("ann", "ben", "lea")]
        if client_id:
            events.append(["ack", user, client_id, i])
            events.append(["heard", "old-0", "old-0", user, text])
    events.append(["left", "old-0"])
    return events


def verdict(events, head=N):
    checker = Checker()
    for event in events:
        checker.take(event)
    problems = checker.finish(head)
    assert bool(problems) == bool(sum(checker.counts.values()))
    return checker.counts


def index(events, *start):
    return next(i for i, event in enumerate(events) if event[:len(start)] == list(start))


def drop(*start):
    def plant(events):
        del events[index(events, *start)]
    return plant


def again(*start):
    def plant(events):
        events.append(events[index(events, *start)])
    return plant


def twist(one, other):
    def plant(events):
        i, j = index(events, *one), index(events, *other)
        events[i], events[j] = events[j], events[i]
    return plant


def change(field, value, *start):
    def plant(events):
        events[index(events, *start)][field] = value
    return plant


def add(*events_):
    def plant(events):
        events.extend(copy.deepcopy(event) for event in events_)
    return plant


PLANTED = {
    "one reader misses one": (drop("got", "ben", 4), "losses"),
    "one reader misses the last": (drop("got", "ben", N), "losses"),
    "all readers miss one": (lambda e: [drop("got", r, 4)(e) for r in ("ann", "ben", "lea")],
                             "losses"),
    "all readers miss the last": (lambda e: [drop("got", r, N)(e) for r in ("ann", "ben", "lea")],
                                  "losses"),
    "a reader is told of a gap": (add(["gap", "lea", 3, 4]), "losses"),
    "a reader got nothing at all": (add(["join", "dan", "epoch"]), "losses"),
    "acknowledged, and another message has the id": (change(3, 6, "ack", "ann", "c4"), "losses"),
    "acknowledged, and never seen": (add(["send", "ann", "x", "t"], ["ack", "ann", "x", 77]),
                                     "losses"),
    "one by the first protocol is missing": (add(["said", "old-0", "too"]), "losses"),
    "a listener by the first protocol misses one": (drop("heard", "old-0", "old-0", "ann",
                                                         "ann says 4"), "losses"),
    "a reader got one twice": (again("got", "lea", 4), "duplicates"),
    "acknowledged twice, as two": (add(["ack", "ann", "c4", 5]), "duplicates"),
    "one message has two ids": (add(*(["got", r, N + 1, 2000, "ann", "ann says 4", "c4"]
                                      for r in ("ann", "ben", "lea"))), "duplicates"),
    "a listener by the first protocol heard one twice": (
        again("heard", "old-0", "old-0", "ann", f"ann says {N - 1}"), "duplicates"),
    "a reader got two the wrong way round": (
        twist(("got", "lea", 4), ("got", "lea", 3)), "disorder"),
    "a listener by the first protocol heard two the wrong way round": (
        twist(("heard", "old-0", "old-0", "ann", "ann says 3"),
              ("heard", "old-0", "old-0", "ann", "ann says 4")), "disorder"),
    "a sender's messages are the wrong way round": (
        twist(("send", "ann", "c3"), ("send", "ann", "c4")), "disorder"),
    "the time goes back": (lambda e: [change(3, 1, "got", r, 6)(e)
                                      for r in ("ann", "ben", "lea")], "disorder"),
    "nobody sent it": (drop("send", "ann", "c4"), "inventions"),
    "nobody said it": (drop("said", "old-0", "old says 5"), "inventions"),
    "another text": (lambda e: [change(5, "?", "got", r, 4)(e) for r in ("ann", "ben", "lea")],
                     "inventions"),
    "another text for one": (change(5, "?", "got", "lea", 4), "others"),
    "another time for one": (change(3, 1, "got", "lea", 4), "others"),
    "another epoch": (change(2, "new", "join", "lea"), "others"),
    "somebody was told nonsense": (add(["wrong", "ann", "a notice"]), "others"),
}


def test_a_good_journal_is_good():
    assert verdict(journal()) == {}


def test_a_good_journal_is_good_although_a_session_by_the_first_protocol_was_cut():
    """What it said is there up to some message; what it heard is a piece of the log."""
    events = [event for event in journal() if event[0] not in ("left", "heard")]
    events += [["said", "old-0", "lost 1"], ["said", "old-0", "lost 2"]]
    events += [["heard", "old-7", "old-7", "ann", f"ann says {i}"] for i in (3, 4)]
    assert verdict(events) == {}


def test_a_good_journal_is_good_although_an_ack_came_twice():
    events = journal()
    again("ack", "ann", "c4")(events)
    assert verdict(events) == {}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_noticed(name):
    plant, kind = PLANTED[name]
    events = journal()
    plant(events)
    head = max([event[2] for event in events if event[0] == "got"] + [N])
    assert verdict(events, head)[kind] > 0


def log(tmp_path, events):
    """The log.db that such a journal would have come from, as far as the check looks at it."""
    with sqlite3.connect(tmp_path / "log.db") as db:
        db.execute("CREATE TABLE log (next_id INTEGER)")
        db.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, time_ms, user, text, client_id)")
        db.execute("INSERT INTO log VALUES (?)", [N + 1])
        db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)",
                       [event[2:] for event in events if event[:2] == ["got", "ben"]])
    db.close()


def test_a_good_log_is_good(tmp_path):
    log(tmp_path, journal())
    assert check(str(tmp_path), journal()) == []


@pytest.mark.parametrize("statement", [
    "DELETE FROM messages WHERE id = 4", f"DELETE FROM messages WHERE id = {N}",
    "UPDATE messages SET text = '?' WHERE id = 4", "UPDATE messages SET user = 'x' WHERE id = 5",
    "UPDATE messages SET client_id = 'x' WHERE id = 4",
    f"INSERT INTO messages VALUES ({N + 1}, 2000, 'ann', 'ann says 4', 'c4')",
    f"INSERT INTO messages VALUES ({N + 1}, 2000, 'eve', 'never sent', 'c4')",
    f"UPDATE log SET next_id = {N}", f"UPDATE messages SET id = {N + 5} WHERE id = 4",
    "UPDATE messages SET id = 100 - id WHERE id IN (3, 4)"])
def test_a_log_that_is_not_what_was_acknowledged_is_noticed(tmp_path, statement):
    log(tmp_path, journal())
    with sqlite3.connect(tmp_path / "log.db") as db:
        db.execute(statement)
    db.close()
    assert check(str(tmp_path), journal()) != []
