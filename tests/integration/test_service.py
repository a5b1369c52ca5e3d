# SPDX-License-Identifier: MIT
"""The daemon and its surroundings: the service manager, the journal, the limit of open files."""
import json
import socket

import pytest

import harness
from ctl import chatctl
from harness import ALICE_TOKEN, OPEN_TOKEN, SLACK
from http2 import Connection
from test_many import source
from wire import encode


# The service manager

def notes(daemon, key):
    """What it has told the service manager of that key: (time, value)."""
    with daemon.notify.changed:
        return [(at, fields[key]) for at, fields in daemon.notify.messages if key in fields]


def test_the_watchdog_is_fed_in_time(daemons):
    limit = 1.0
    daemon = daemons.start(environment={"WATCHDOG_USEC": str(int(limit * 1e6))})
    daemon.notify.wait_for(lambda: len(notes(daemon, "WATCHDOG")) >= 5, "food")
    times = [at for at, _ in notes(daemon, "WATCHDOG")]
    assert max(b - a for a, b in zip(times, times[1:])) <= limit * SLACK


def test_without_a_watchdog_nobody_is_fed(daemons):
    daemon = daemons.start()
    daemon.notify.wait_for(lambda: len(notes(daemon, "STATUS")) >= 2, "two looks at the clock")
    assert not notes(daemon, "WATCHDOG")


def test_the_service_manager_is_told_how_it_is(daemons):
    room = daemons.room()
    room.join("alice", ALICE_TOKEN)
    room.join("alice", ALICE_TOKEN)
    notify = room.daemon.notify
    notify.wait_for(lambda: any(text.startswith("3 sessions of 2 users on ")
                                for _, text in notes(room.daemon, "STATUS")), "three of two users")
    room.daemon.process.terminate()
    notify.wait_for(lambda: notify.seen("STATUS", "Draining 3 sessions"), "the end")


# Open files

def with_files(n):
    return ["prlimit", f"--nofile={n}:{n}", "--"]


@pytest.mark.parametrize("files, connections", [(1000, 744), (512, 256), (300, 150)])
def test_there_are_no_more_connections_than_open_files(daemons, files, connections):
    """And some are left for the rest: without one even the watchdog cannot be fed."""
    daemon = daemons.start(launcher=with_files(files))
    daemon.wait_log(f"max_connections is 10000, but with at most {files} open files it can only be "
                    f"{connections}$")
    status = json.loads(chatctl("status", "--json", socket=daemon.control).out)
    assert status["max_connections"] == connections


def test_when_files_run_out_it_goes_on_as_soon_as_there_are_some(daemons):
    """Here they are so few that what the daemon keeps for itself does not do."""
    room = daemons.room(launcher=with_files(48), limits={"join_timeout_ms": 1000})
    pile = []
    for i in range(40):  # who say nothing, and are closed in the end
        pile.append(socket.socket())
        pile[-1].bind((source(i), 0))
        pile[-1].connect(room.daemon.address())
    room.daemon.wait_log("Cannot accept connections for now: Too many open files")
    connection = Connection(room.daemon.address())
    stream = connection.open()
    connection.send(stream, encode("patient", OPEN_TOKEN))
    connection.half_close(stream)
    assert connection.status(stream) == 0
    connection.close()
    room.join("anna")
    # It has tried ten times a second, and did not say so each time.
    assert len(room.daemon.log_matches("Cannot accept connections for now")) <= 5
    for s in pile:
        s.close()
