# SPDX-License-Identifier: MIT
"""One machine for all tests here, which are the story of its life: they run in their order, and
each leaves the room as it found it, open to OPEN_TOKEN."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from machine import House, Machine  # noqa: E402

REFUSED = os.environ.get("BOOT_REFUSED") or (
    None if "BOOT_LEADER" in os.environ else "run them with: tests/run system")


def pytest_collection_modifyitems(items):
    if REFUSED:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"no booted systemd: {REFUSED}"))


@pytest.fixture(scope="session")
def machine():
    return Machine()


@pytest.fixture(autouse=True)
def as_it_was(request):
    """One test's failure shall not be another's."""
    yield
    if getattr(request.node, "failed", False) and "machine" in request.fixturenames:
        machine = request.getfixturevalue("machine")
        if os.path.exists(machine.path("/lib/systemd/system/chatroom.socket")):
            machine.configure()
            machine.run("rm", "-rf", "/run/systemd/system/chatroom.service.d",
                        "/run/systemd/system/chatroom.socket.d")
            machine.systemctl("daemon-reload")
            machine.systemctl("stop", "chatroom.socket")
            machine.systemctl("start", "chatroom.socket")


@pytest.fixture
def house(machine):
    h = House(machine)
    yield h
    h.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed
    machine = getattr(item, "funcargs", {}).get("machine")
    if report.failed and machine:
        report.sections.append(
            ("journal", machine.try_run("journalctl", "--boot", "--lines=40", "--no-pager")[1]))
