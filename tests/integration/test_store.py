# SPDX-License-Identifier: MIT
"""What becomes of messages when the disk is full, read-only, slow, stuck, broken, or damaged.

Throughout: members read, senders are told UNAVAILABLE, nothing that was acknowledged is lost, and
when the disk works again so does the room, without a restart.
"""
import errno
import hashlib
import os
import signal
import sqlite3
import time

import grpc
import pytest

from clients import Session as SeedSession
from disk import SlowDisk, Tmpfs
from harness import ALICE_TOKEN, DRAIN, OPEN_TOKEN, scaled
from v1 import BERTA_TOKEN, FAST, bearer, new_id, pb, resume

Code = grpc.StatusCode
UNAVAILABLE = Code.UNAVAILABLE.value[0]


@pytest.fixture
def disk():
    d = SlowDisk()
    yield d
    d.close()


@pytest.fixture
def tmpfs():
    t = Tmpfs(2048)
    yield t
    t.close()


def sent(session, text, client_id=None):
    """The answer to a message: an Ack or a Notice."""
    return session.answer(session.send(text, client_id))


def until_acknowledged(house, session, text, client_id):
    """Sends the same message until the disk takes it."""
    answers = []

    def acknowledged():
        answers.append(sent(session, text, client_id))
        assert isinstance(answers[-1], pb.Ack) or answers[-1].code == UNAVAILABLE, answers[-1]
        return isinstance(answers[-1], pb.Ack)

    house.eventually(acknowledged, "an ack")
    return answers[-1]


def reads(house, after, expected):
    """Somebody who comes now is given all this: [(id, text)]."""
    for session in (house.connect(f"reader{new_id()}"[:32], start=after),
                    house.listen(BERTA_TOKEN, start=after)):
        heard = session.read_to(expected[-1][0])
        assert [(m.id, m.text) for m in heard] == expected
        session.cancel()


# What a full disk has no room for, though a little be left in what the log has already.
LONG = "x" * 4000


def failing(house, anna, ids):
    """The disk does not take anything: everybody is told so, and goes on reading."""
    bert = house.connect(f"bert{new_id()}", start=0)
    for i in range(3):
        notice = sent(anna, f"refused {i} {LONG}", f"refused-{len(ids)}-{i}")
        assert isinstance(notice, pb.Notice) and notice.code == UNAVAILABLE, notice
    with pytest.raises(grpc.RpcError) as e:
        house.stub().Send(pb.SendRequest(client_id=new_id(), text=LONG), timeout=30,
                          metadata=bearer(ALICE_TOKEN))
    assert e.value.code() == Code.UNAVAILABLE
    old = SeedSession(house.channel())
    old.send("old", OPEN_TOKEN)
    old.say(LONG)
    assert old.end() == Code.UNAVAILABLE
    reads(house, pb.Resume(epoch=anna.welcome.epoch), ids)
    assert bert.messages == []
    bert.ping()
    bert.cancel()


def recovers(house, anna, ids):
    """It does again, and the daemon is the same."""
    head = ids[-1][0]
    ack = until_acknowledged(house, anna, f"refused 0 {LONG}", f"refused-{len(ids)}-0")
    assert ack.id == head + 1  # what was refused took no id
    ids.append((ack.id, f"refused 0 {LONG}"))
    ids.append((anna.say("and on").id, "and on"))
    assert ids[-1][0] == head + 2
    reads(house, pb.Resume(epoch=anna.welcome.epoch), ids)


def durable(house, anna, ids):
    """All of it is there after the worst."""
    house.kill()
    house.start()
    reads(house, pb.Resume(epoch=anna.welcome.epoch), ids)
    again = house.connect("anna", start=0)
    assert again.welcome.epoch == anna.welcome.epoch
    assert again.say("after all").id == ids[-1][0] + 1


# Full

def until_full(anna, ids):
    """Ten refusals one after the other: there is no hidden room left."""
    refused = 0
    for _ in range(2000):
        answer = sent(anna, LONG)
        if isinstance(answer, pb.Notice):
            assert answer.code == UNAVAILABLE, answer
            refused += 1
        else:
            ids.append((answer.id, LONG))
            refused = 0
        if refused == 10:
            return
    raise AssertionError("the disk does not get full")


def test_a_full_disk_stops_senders_only_and_recovers(houses, tmpfs):
    house = houses(state=tmpfs.state)
    anna = house.connect("anna", start=0)
    ids = [(anna.say(f"text {i}").id, f"text {i}") for i in range(100)]
    tmpfs.fill(leave=65536)
    until_full(anna, ids)
    tmpfs.fill()
    until_full(anna, ids)
    failing(house, anna, ids)
    tmpfs.make_room()
    recovers(house, anna, ids)
    durable(house, anna, ids)


def test_a_full_disk_does_not_stop_the_start(houses, tmpfs):
    house = houses(state=tmpfs.state)
    anna = house.connect("anna", start=0)
    ids = [(anna.say(f"text {i}").id, f"text {i}") for i in range(100)]
    house.stop()
    tmpfs.fill()
    house.start()
    again = house.connect("anna", start=0)
    assert again.welcome.epoch == anna.welcome.epoch
    until_full(again, ids)
    failing(house, again, ids)
    tmpfs.make_room()
    recovers(house, again, ids)


def test_a_full_disk_does_not_stop_the_first_start(houses, tmpfs):
    tmpfs.fill()
    house = houses(state=tmpfs.state)
    anna = house.connect("anna", start=0)
    notice = sent(anna, LONG, "one")
    assert notice.code == UNAVAILABLE, notice
    anna.ping()


# Read-only

def test_a_read_only_disk_stops_senders_only(houses, tmpfs):
    house = houses(state=tmpfs.state)
    anna = house.connect("anna", start=0)
    ids = [(anna.say(f"text {i}").id, f"text {i}") for i in range(100)]
    house.stop()
    tmpfs.read_only()
    house.start()
    again = house.connect("anna", start=0)
    assert again.welcome.epoch == anna.welcome.epoch
    failing(house, again, ids)
    house.stop()
    tmpfs.read_only(False)
    house.start()
    anna = house.connect("anna", start=0)
    ids.append((anna.say("and on").id, "and on"))
    assert ids[-1][0] == 101
    reads(house, pb.Resume(epoch=anna.welcome.epoch), ids)


def test_a_read_only_disk_is_read_after_a_crash_too(houses, tmpfs):
    """What was committed is in the -wal file then."""
    house = houses(state=tmpfs.state)
    anna = house.connect("anna", start=0)
    ids = [(anna.say(f"text {i}").id, f"text {i}") for i in range(100)]
    house.kill()
    tmpfs.read_only()
    house.start()
    again = house.connect("anna", start=0)
    assert again.welcome.epoch == anna.welcome.epoch
    reads(house, pb.Resume(epoch=anna.welcome.epoch), ids)
    assert sent(again, "refused").code == UNAVAILABLE
    house.stop()
    tmpfs.read_only(False)


# Failing

@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_stops_senders_only_and_recovers(houses, disk, error):
    house = houses(launcher=disk.launcher)
    anna = house.connect("anna", start=0)
    ids = [(anna.say(f"text {i}").id, f"text {i}") for i in range(50)]
    for _ in range(3):
        disk.fails(error)
        failing(house, anna, ids)
        disk.works()
        recovers(house, anna, ids)
    durable(house, anna, ids)


def test_a_disk_that_fails_to_sync_stops_senders_only_and_recovers(houses, disk):
    house = houses(launcher=disk.launcher, history={"sync": "full"})
    anna = house.connect("anna", start=0)
    ids = [(anna.say(f"text {i}").id, f"text {i}") for i in range(50)]
    disk.fails_to_sync()
    notice = sent(anna, "refused 0", "refused-0")
    assert isinstance(notice, pb.Notice) and notice.code == UNAVAILABLE, notice
    disk.works()
    ack = until_acknowledged(house, anna, "refused 0", "refused-0")
    ids.append((ack.id, "refused 0"))
    assert ack.id == 51
    durable(house, anna, ids)


def test_sync_full_syncs_each_group_and_normal_does_not(houses, disk):
    for sync in ("full", "normal"):
        house = houses(launcher=disk.launcher, history={"sync": sync})
        anna = house.connect("anna", start=0)
        anna.say("first")
        before = disk.syncs
        for i in range(10):
            anna.say(str(i))
        if sync == "full":
            assert disk.syncs - before >= 10
        else:
            assert disk.syncs - before <= 2
        house.stop()


def test_a_disk_that_comes_and_goes_loses_and_doubles_nothing(houses, disk):
    """Failures at any moment under load; every message is sent until it is acknowledged."""
    house = houses(launcher=disk.launcher)
    listener = house.listen(ALICE_TOKEN, start=0)
    senders = [house.connect(f"sender{i}", start=0) for i in range(3)]
    n = scaled(60, 20)
    wanted = {(s.welcome.user, f"{s.welcome.user}-{i}") for s in senders for i in range(n)}
    acks = {}
    for i in range(n):
        (disk.fails if i % 4 == 1 else disk.works)()
        for sender in senders:
            sender.send(f"text {i}", f"{sender.welcome.user}-{i}")
    disk.works()
    for sender in senders:
        for i in range(n):
            client_id = f"{sender.welcome.user}-{i}"
            sender.answer(client_id)
            acks[client_id] = until_acknowledged(house, sender, f"text {i}", client_id)
    heard = listener.read_to(len(wanted))
    assert {(m.user, m.client_id) for m in heard} == wanted
    assert len(heard) == len(wanted)
    assert all(acks[m.client_id].id == m.id for m in heard)
    house.kill()
    house.start()
    assert house.connect("reader", start=pb.Resume(epoch=listener.welcome.epoch)).history() == heard


# Slow and stuck

def test_a_slow_disk_delays_acks_and_nothing_else(houses, disk):
    house = houses(launcher=disk.launcher)
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    delay = 0.2
    disk.slow(int(delay * 1000))
    start = time.monotonic()
    ids = [anna.send(f"text {i}") for i in range(60)]
    bert.ping()
    house.connect("carla").ping()
    acks = [until_acknowledged(house, anna, f"text {i}", client_id) if isinstance(
        anna.answer(client_id), pb.Notice) else anna.answer(client_id)
        for i, client_id in enumerate(ids)]
    assert time.monotonic() - start >= delay
    assert sorted(ack.id for ack in acks) == list(range(1, 61))
    assert len(bert.read_to(60)) == 60


def test_while_the_disk_hangs_nothing_is_acknowledged_and_all_else_goes_on(houses, disk):
    house = houses(launcher=disk.launcher)
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    first = anna.say("before")
    bert.receive()
    disk.hangs()
    anna.send("while it hangs", "one")
    disk.wait_until_hanging()
    bert.ping()
    carla = house.connect("carla", start=10)
    carla.expect(("anna", "before"))
    anna.ping()
    members = house.stub().ListMembers(pb.ListMembersRequest(), timeout=30,
                                       metadata=bearer(ALICE_TOKEN)).members
    assert [m.user for m in members] == ["anna", "bert", "carla"]
    assert not [a for a in anna.acks if a.client_id == "one"]
    assert len(bert.messages) == 1
    disk.works()
    ack = anna.answer("one")
    if isinstance(ack, pb.Notice):
        ack = until_acknowledged(house, anna, "while it hangs", "one")
    assert ack.id == first.id + 1
    bert.expect(("anna", "while it hangs"))


def test_the_same_again_while_the_first_is_on_its_way_is_the_same_message(houses, disk):
    """The connection breaks with the message half way to the disk; its sender comes back."""
    house = houses(launcher=disk.launcher)
    raw = house.raw("anna", start=0).joined()
    bert = house.connect("bert", start=0)
    disk.hangs()
    raw.send("once", "one")
    raw.connection.flush()
    disk.wait_until_hanging()
    raw.abort()
    back = house.connect("anna", start=resume(raw, after_id=0))
    back.send("once", "one")
    back.send("once", "one")
    back.ping()
    disk.works()
    back.until(lambda: len(back.answers("one")) == 2, "two answers")
    ack = until_acknowledged(house, back, "once", "one")
    assert ack.id == 1
    assert back.say("next", "two").id == 2
    assert [m.text for m in bert.read_to(2)] == ["once", "next"]
    assert [m.text for m in back.read_to(2)] == ["once", "next"]


def test_no_more_than_is_promised_waits_for_the_disk(houses, disk):
    """64 messages that are not acknowledged; then flow control stops the sender."""
    house = houses(launcher=disk.launcher)
    raw = house.raw("anna", start=0).joined()
    bert = house.connect("bert", start=0)
    disk.hangs()
    size, unacknowledged = 4000, raw.welcome.max_unacknowledged
    n = 0
    raw.send("x" * size, f"id-{n}")
    raw.connection.flush()
    disk.wait_until_hanging()
    while raw.connection.may_send(raw.stream) > 2 * size:
        n += 1
        assert n < 100 * unacknowledged, f"{n} messages of {size} bytes taken in"
        raw.send("x" * size, f"id-{n}")
        raw.connection.flush()
        if n > unacknowledged:
            raw.connection.socket.settimeout(0.2)
            try:
                raw.connection.receive()
            except TimeoutError:
                pass  # no leave to send came: the loop says whether there is some left
    bert.ping()
    disk.works()
    raw.wait(lambda: raw.acked == n + 1, "all answers")
    assert raw.notices == []
    heard = bert.read_to(n + 1)
    assert [m.client_id for m in heard] == [f"id-{i}" for i in range(n + 1)]
    raw.close()


def test_the_end_comes_although_the_disk_hangs(houses, disk):
    house = houses(launcher=disk.launcher)
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    anna.say("before")
    disk.hangs()
    anna.send("while it hangs", "one")
    disk.wait_until_hanging()
    start = time.monotonic()
    house.daemon.process.terminate()
    assert bert.end() == Code.UNAVAILABLE
    # However it ends: within what the unit grants it.
    status = house.daemon.exit_status()
    assert time.monotonic() - start < 3 * DRAIN
    disk.works()
    house.daemon.stop(expect=status)
    house.start()
    back = house.connect("anna", start=resume(anna, after_id=0))
    ack = back.say("while it hangs", "one")
    assert ack.id == 2
    assert [m.text for m in back.read_to(2)] == ["before", "while it hangs"]


# What is in the file

def files(house):
    return sorted(name for name in os.listdir(house.state) if name.startswith("log.db"))


def header(path):
    with open(path, "r+b") as f:
        f.write(b"\xde\xad\xbe\xef" * 25)


def text(path):
    with open(path, "wb") as f:
        f.write(b"This is no database.\n" * 1000)


def one_byte(path):
    os.truncate(path, 1)


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("damage", [header, text, one_byte])
def test_a_log_that_is_damaged_is_set_aside(houses, damage, how):
    """Never deleted; with what belongs to it; and the room begins anew."""
    house = houses()
    anna = house.connect("anna", start=0)
    for i in range(100):
        anna.say(f"text {i}")
    house.stop() if how == "stop" else house.kill()
    before = files(house)
    damage(os.path.join(house.state, "log.db"))
    with open(os.path.join(house.state, "log.db"), "rb") as f:
        damaged = hashlib.sha256(f.read()).digest()
    house.start()
    again = house.connect("anna", start=resume(anna))
    if again.welcome.epoch == anna.welcome.epoch:
        # Then it was not damaged after all: the -wal file had everything.
        assert how == "kill"
        everything = house.connect("bert", start=resume(anna, after_id=0))
        assert [m.text for m in everything.history()] == [f"text {i}" for i in range(100)]
        return
    assert (again.welcome.head, len(again.gaps)) == (0, 1)
    assert again.say("a new beginning").id == 1
    aside = [name for name in files(house)
             if name not in ("log.db", "log.db-wal", "log.db-shm")]
    assert len([n for n in aside if not n.endswith(("-wal", "-shm"))]) == 1
    kept = next(n for n in aside if not n.endswith(("-wal", "-shm")))
    with open(os.path.join(house.state, kept), "rb") as f:
        assert hashlib.sha256(f.read()).digest() == damaged
    assert any(c.isdigit() for c in kept)  # its date
    if "log.db-wal" in before:
        assert any(n.endswith("-wal") for n in aside)
    house.daemon.wait_log("log.db")
    house.restart()
    last = house.connect("anna", start=resume(again, after_id=0))
    assert last.welcome.epoch == again.welcome.epoch
    last.expect(("anna", "a new beginning"))


def test_two_damaged_logs_are_both_kept(houses):
    house = houses()
    for _ in range(2):
        house.connect("anna").say("hello")
        house.stop()
        text(os.path.join(house.state, "log.db"))
        house.start()
    aside = [n for n in files(house) if n not in ("log.db", "log.db-wal", "log.db-shm")]
    assert len(aside) >= 2, aside


@pytest.mark.parametrize("statement", [
    "DELETE FROM messages WHERE id = 40", "DELETE FROM messages WHERE id > 90",
    "UPDATE log SET next_id = 50", "DELETE FROM log", "DROP TABLE keys"])
def test_a_log_that_makes_no_sense_does_not_stop_the_start(houses, statement):
    """A file that SQLite is content with, and we cannot be: ids are dense."""
    house = houses()
    anna = house.connect("anna", start=0)
    for i in range(100):
        anna.say(f"text {i}")
    house.stop()
    with sqlite3.connect(os.path.join(house.state, "log.db")) as db:
        db.execute(statement)
    db.close()
    house.start()
    again = house.connect("anna", start=resume(anna, after_id=0))
    if again.welcome.epoch == anna.welcome.epoch:
        # What is there is told, and what is not is a gap.
        heard = again.history()
        missing = {id_ for gap in again.gaps for id_ in range(gap.from_id, gap.to_id + 1)}
        assert {m.id for m in heard} | missing == set(range(1, again.welcome.head + 1))
        assert again.welcome.head == 100
    else:
        assert house.daemon.log_matches("log.db")
    assert again.say("and on").id == again.welcome.head + 1


def written(house):
    """Somebody says more than stays in memory, and the daemon ends: (anna, the log's path)."""
    anna = house.connect("anna", start=0)
    for _ in range(300):
        anna.send("x" * 1000)
    anna.read_to(300)
    house.stop()
    return anna, os.path.join(house.state, "log.db")


@pytest.mark.parametrize("where", ["in the middle", "at the end", "everywhere"])
def test_damaged_pages_end_nothing(houses, where):
    """Found when somebody reads them, not before: there is no check at the start."""
    house = houses(limits={**FAST, "max_lag_messages": 64})
    anna, path = written(house)
    size = os.path.getsize(path)
    first, last = {"in the middle": (size // 3, size * 2 // 3), "at the end": (size * 2 // 3, size),
                   "everywhere": (4096, size)}[where]
    with open(path, "r+b") as f:
        f.seek(first)
        f.write(b"\xde\xad\xbe\xef" * ((last - first) // 4))
    house.start()
    reader = house.try_connect("reader", start=pb.Resume(epoch=anna.welcome.epoch))
    reader.wait_for(lambda: reader.code or reader.gaps or len(reader.messages) > 250,
                    "something that the reader is told")
    house.connect("dora", start=0).ping()
    assert house.daemon.process.poll() is None
    # It is set aside now, or when it is read at the next start; or it can be lived with.
    house.restart()
    house.connect("dora", start=0).ping()


def test_damage_that_is_found_while_writing_ends_the_daemon_and_the_next_begins_anew(houses):
    """Where a sender's client_ids are looked up: nobody looks there before somebody says something.
    """
    house = houses()
    anna = house.connect("anna", start=0)
    anna.say("before")
    house.stop()
    path = os.path.join(house.state, "log.db")
    with sqlite3.connect(path) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index'").fetchone()[0]
    db.close()
    with open(path, "r+b") as f:
        f.seek((page - 1) * size)
        f.write(b"\xde\xad\xbe\xef" * (size // 4))
    with open(path, "rb") as f:
        damaged = f.read()
    house.start()
    again = house.connect("anna", start=resume(anna, after_id=0))
    again.expect(("anna", "before"))
    again.send("not taken", "one")
    assert again.end() == Code.UNAVAILABLE
    assert not again.acks and again.goodbye.retry_after_ms > 0
    assert house.daemon.exit_status() == 1  # and a service manager starts it again
    house.daemon.wait_log("damaged")
    house.daemon.stop(expect=1)
    house.start()
    back = house.connect("anna", start=resume(again))
    assert (back.welcome.head, len(back.gaps)) == (0, 1)
    assert back.say("not taken", "one").id == 1
    aside = [name for name in files(house) if name.startswith("log.db.damaged-")]
    with open(os.path.join(house.state, aside[0]), "rb") as f:
        assert f.read() == damaged


def test_what_cannot_be_read_is_logged_a_few_times_only(houses):
    """However often somebody comes back for it."""
    house = houses(limits={**FAST, "max_lag_messages": 64})
    anna, path = written(house)
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.seek(size // 3)
        f.write(b"\xde\xad\xbe\xef" * (size // 12))
    house.start()
    for _ in range(20):
        reader = house.try_connect("reader", start=pb.Resume(epoch=anna.welcome.epoch))
        assert reader.end() == Code.UNAVAILABLE
    house.daemon.wait_log("Cannot read the log of messages")
    assert len(house.daemon.log_matches("Cannot read the log of messages")) <= 4


@pytest.mark.parametrize("history", [{}, {"sync": "full"}])
def test_a_newer_log_is_left_alone(houses, history):
    house = houses(history=history)
    house.connect("anna").say("hello")
    house.stop()
    path = os.path.join(house.state, "log.db")
    with sqlite3.connect(path) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute(f"PRAGMA user_version = {version + 1000}")
    db.close()
    before = snapshot(house.state)
    daemon = house.start(wait=False)
    status = daemon.exit_status()
    assert status != 0
    assert not daemon.notify.seen("READY", "1")
    assert daemon.log_matches("log.db")
    daemon.stop(expect=status)
    assert {name: data for name, data in snapshot(house.state).items()
            if name.startswith("log.db")} == before


def snapshot(folder):
    """What is in the log's files."""
    result = {}
    for name in os.listdir(folder):
        if name.startswith("log.db"):
            with open(os.path.join(folder, name), "rb") as f:
                result[name] = f.read()
    return result


@pytest.mark.parametrize("sync, same", [("normal", False), ("full", True)])
def test_a_crash_in_another_boot_is_another_epoch_unless_everything_was_synced(houses, sync, same):
    """With the power, messages might have gone that somebody had seen."""
    house = houses(history={"sync": sync})
    anna = house.connect("anna", start=0)
    anna.say("before")
    house.kill()
    with sqlite3.connect(os.path.join(house.state, "log.db")) as db:
        db.execute("UPDATE log SET unsynced_boot = 'another boot' WHERE unsynced_boot <> ''")
    db.close()
    house.start()
    back = house.connect("anna", start=resume(anna, after_id=0))
    assert (back.welcome.epoch == anna.welcome.epoch) == same
    # The messages are shown all the same.
    assert [m.text for m in back.history()] == ["before"]


def test_a_clean_end_in_another_boot_is_the_same_epoch(houses):
    house = houses()
    anna = house.connect("anna", start=0)
    anna.say("before")
    house.stop()
    with sqlite3.connect(os.path.join(house.state, "log.db")) as db:
        assert db.execute("SELECT unsynced_boot FROM log").fetchall() == [("",)]
    db.close()
    house.start()
    assert house.connect("anna", start=0).welcome.epoch == anna.welcome.epoch


def test_the_log_is_for_the_daemon_alone(houses):
    house = houses()
    house.connect("anna").say("hello")
    for name in files(house):
        assert os.stat(os.path.join(house.state, name)).st_mode & 0o077 == 0, name


def test_a_second_daemon_does_not_take_the_same_log(houses):
    """Two writers of one order would be none."""
    house = houses()
    anna = house.connect("anna", start=0)
    anna.say("one")
    second = house._daemons.start(state=house.state, tokens=house.arguments["tokens"], wait=False)
    second.wait_for(lambda: second.log_ended or second.notify.seen("READY", "1"),
                    "it ends, or is ready")
    if second.process.poll() is None:
        second.process.send_signal(signal.SIGTERM)
    second.stop(expect=second.exit_status())
    assert anna.say("two").id == 2
    assert not second.notify.seen("READY", "1")
