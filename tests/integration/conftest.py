# SPDX-License-Identifier: MIT
import os
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from clients import Room  # noqa: E402
from harness import Daemon, configuration, sanitizers  # noqa: E402
from v1 import House  # noqa: E402


class Daemons:
    """Starts daemons for one test, and sees to it that each ends well."""

    def __init__(self):
        self.all = []
        self.rooms = []

    def start(self, server=None, limits=None, tokens=None, history=None, **arguments):
        daemon = Daemon.__new__(Daemon)
        self.all.append(daemon)  # first: its log is wanted above all if it does not start
        daemon.__init__(configuration(server, limits, tokens, history), **arguments)
        return daemon

    def room(self, **arguments):
        self.rooms.append(Room(self.start(**arguments)))
        return self.rooms[-1]

    def stop(self):
        problems = []
        for room in self.rooms:
            room.close()
        for daemon in self.all:
            try:
                if not getattr(daemon, "stopped", True):
                    daemon.stop()
            except AssertionError as e:
                problems.append(str(e))
        assert not problems, "\n".join(problems)


@pytest.fixture(autouse=True)
def no_reports(monkeypatch):
    """From whatever program of ours a test runs. (A Daemon looks after its own.)"""
    with tempfile.TemporaryDirectory(prefix="chatroom-reports-") as directory:
        prefix = os.path.join(directory, "sanitizer")
        for name, value in sanitizers.environment(prefix).items():
            monkeypatch.setenv(name, value)
        yield
        report = sanitizers.reports(prefix)
    assert not report, report


@pytest.fixture
def daemons():
    d = Daemons()
    yield d
    d.stop()


@pytest.fixture
def room(daemons):
    """A room with the limits that a real one starts with."""
    return daemons.room()


@pytest.fixture
def houses(daemons):
    """Makes houses: houses(limits={...}, history={...}) has its first daemon already."""
    made = []

    def make(start=True, **arguments):
        made.append(House(daemons, **arguments))
        if start:
            made[-1].start()
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(houses):
    return houses()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    fixture = getattr(item, "funcargs", {}).get("daemons")
    if report.failed and fixture:
        for daemon in fixture.all:
            report.sections.append(("log of chatroomd", "\n".join(getattr(daemon, "log", []))))
