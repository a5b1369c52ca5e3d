# SPDX-License-Identifier: MIT
"""Daemons that do not start, die, hang and are restarted: the sockets hold, and everybody who
connected meanwhile is served."""
import contextlib
import os
import shutil
import signal
import sqlite3
import time

import http2
from harness import DEADLINE
from machine import DROP_IN, PORT, wait_for
from wire import Message, encode

ADDRESS = ("127.0.0.1", PORT)


def connections(n):
    """As many as that, from several addresses, each with a message to join with."""
    made = []
    for i in range(n):
        connection = http2.Connection(ADDRESS, source=f"127.0.1.{i % 10 + 1}")
        stream = connection.open()
        connection.send(stream, encode(f"visitor{i}", "token1"))
        connection.flush()
        made.append((connection, stream))
    return made


def all_served(made):
    """Each is in the room: the first one hears all others, who speak until then."""
    first, stream = made[0]
    missing = {f"visitor{i}" for i in range(1, len(made))}
    end = time.monotonic() + DEADLINE
    while missing:
        assert time.monotonic() < end, f"not in the room: {sorted(missing)}"
        for name in missing:
            connection, other = made[int(name.removeprefix("visitor"))]
            connection.send(other, encode("", "here"))
            connection.flush()
        with contextlib.suppress(AssertionError):  # those who were not in yet speak again
            first.pump(lambda: missing <= heard(stream), "all of them", seconds=1)
        assert not first.closed
        missing -= heard(stream)
    for connection, other in made:
        assert other.status is None and not connection.closed
        connection.close()


def heard(stream):
    return {Message.FromString(data).user for data in http2.grpc_messages(stream.data)}


def test_a_wrong_configuration_is_clear_and_heals_by_mending_the_file_alone(machine):
    machine.systemctl("stop", "chatroom.service")
    machine.write(DROP_IN, "[limits]\nmax_text = many\n[tokens]\n* = token1\n")
    since = machine.now()
    waiting = connections(20)
    wait_for(lambda: len(machine.says("50-test.ini:2: max_text = many", since)) >= 3,
             "three attempts to start")
    assert machine.sockets_listen()
    status = machine.try_run("systemctl", "status", "chatroom.service")[1]
    assert "50-test.ini:2: max_text = many: expected a whole number" in status
    machine.configure()
    all_served(waiting)
    assert machine.sockets_listen() and machine.state() == "active"


def test_a_start_that_fails_does_not_hold_up_a_stop(machine):
    machine.systemctl("stop", "chatroom.service")
    machine.write(DROP_IN, "[limits]\nmax_text = many\n")
    since = machine.now()
    waiting = connections(1)
    machine.wait_says("max_text = many", since)
    machine.systemctl("stop", "chatroom.socket")
    assert machine.state() in ("failed", "inactive")
    machine.configure()
    machine.systemctl("start", "chatroom.socket")
    waiting[0][0].close()


def test_a_file_that_the_daemon_may_not_read_is_named(machine):
    machine.systemctl("stop", "chatroom.service")
    machine.run("chown", "root:root", DROP_IN)
    since = machine.now()
    waiting = connections(2)
    machine.wait_says("50-test.ini: Permission denied", since)
    machine.run("chown", "root:chatroom", DROP_IN)
    all_served(waiting)


def test_a_killed_daemon_comes_back_and_whoever_connects_meanwhile_is_served(machine):
    connections(1)[0][0].close()
    machine.wait_state("active")
    restarts = int(machine.show("chatroom.service", "NRestarts"))
    process = machine.daemon()
    os.kill(process, signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{process}"), "the daemon's end")
    made = connections(100)
    all_served(made)
    assert int(machine.show("chatroom.service", "NRestarts")) == restarts + 1
    assert machine.sockets_listen()


def test_a_killed_daemon_goes_on_with_the_same_log(machine, house, tmp_path):
    """It knows that the power did not fail, though its sandbox hides the boot's id."""
    def log():  # from a copy: the daemon keeps its own to itself
        for name in ("log.db", "log.db-wal"):
            shutil.copy(machine.path(f"/var/lib/chatroom/{name}"), tmp_path / name)
        with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as database:
            return database.execute("SELECT epoch, unsynced_boot FROM log").fetchone()

    room = house.room()
    room.join("alice").say("before the end")
    room.witness.expect(("alice", "before the end"))
    epoch, boot = log()
    assert boot == machine.read("/proc/sys/kernel/random/boot_id").strip().replace("-", "")
    os.kill(machine.daemon(), signal.SIGKILL)
    room = house.room()
    room.join("alice").say("after it")
    room.witness.expect(("alice", "after it"))
    assert log() == (epoch, boot)


def test_whoever_connects_during_a_restart_is_served(machine):
    # Somebody who does not read what is owed to him holds the old daemon's end up.
    lazy = http2.Connection(ADDRESS, window=0)
    stream = lazy.open()
    lazy.send(stream, encode("lazy", "token1"))
    lazy.flush()
    speaker, other = connections(1)[0]
    wait_for(lambda: machine.show("chatroom.service", "StatusText").startswith("2 sessions"),
             "two sessions")
    speaker.send(other, encode("", "take this"))
    speaker.flush()
    old = machine.show("chatroom.service", "MainPID")
    machine.systemctl("restart", "--no-block", "chatroom.service")
    wait_for(lambda: machine.state() == "deactivating", "the old daemon's last moments")
    made = connections(100)
    assert machine.show("chatroom.service", "MainPID") == old
    all_served(made)
    assert machine.show("chatroom.service", "MainPID") != old
    for connection in (lazy, speaker):
        connection.close()


def test_a_hanging_daemon_is_replaced(machine):
    directory = "/run/systemd/system/chatroom.service.d"
    machine.run("mkdir", "-p", directory)
    machine.write(f"{directory}/watchdog.conf", "[Service]\nWatchdogSec=2\n", 0o644)
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "chatroom.service")
    since = machine.now()
    process = machine.daemon()
    os.kill(process, signal.SIGSTOP)
    machine.wait_says("Watchdog timeout", since)
    made = connections(3)
    all_served(made)
    assert machine.says("Failed with result 'watchdog'", since)
    machine.run("rm", "-r", directory)
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "chatroom.service")


def test_crashes_in_a_row_do_not_close_the_port(machine):
    for _ in range(8):
        process = machine.daemon()
        if process:
            os.kill(process, signal.SIGKILL)
        wait_for(lambda before=process: machine.state() == "active"
                 and machine.daemon() not in (None, before), "a new daemon")
    assert machine.sockets_listen()


def test_the_sockets_can_be_restarted_over_and_over(machine):
    for _ in range(30):
        machine.systemctl("restart", "chatroom.socket")
    assert machine.sockets_listen()
    all_served(connections(2))
