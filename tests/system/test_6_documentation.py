# SPDX-License-Identifier: MIT
"""What README.md and chatroomd(8) tell an administrator to type, typed in their order on a machine
that has never seen the package."""
import contextlib
import fnmatch
import glob
import os
import re

import pytest

from clients import Session, connect, refusal
from ctl import Terminal
from machine import DROP_IN, PORT
from wire import ROOT

PORT_ELSEWHERE = 7000
PERSON = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env",
          "HOME=/var/tmp/alice"]


def readme():
    """The commands of its section, in their order; notes behind them are left out."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        section = re.search(r"(?ms)^## Install it\n(.*?)^## ", f.read())[1]
    return re.findall(r"(?m)^    (\S.*?)(?: {2,}#.*)?$", section)


def manual(section):
    """The commands of a part of chatroomd(8), and what else is shown there."""
    with open(os.path.join(ROOT, "packaging/man/chatroomd.8"), encoding="utf-8") as f:
        part = re.search(rf"(?ms)^\.Ss {section}\n(.*?)^\.S[sh] ", f.read())[1]
    return [line.removeprefix(".Dl ") for line in re.findall(
        r"(?m)^(?:\.Dl .*|(?:sudo|systemctl) .*|\[\w+\]|\w+ ?= ?.*)$", part)]


class Administrator:
    """Root needs no sudo, which a plain Debian does not have either."""

    def __init__(self, machine):
        self.machine = machine

    def types(self, command):
        return self.machine.run("sh", "-c", re.sub(r"\bsudo ", "", command))

    def types_all(self, commands):
        return [self.types(command) for command in commands]


@pytest.fixture(scope="module")
def admin(machine):
    return Administrator(machine)


@pytest.fixture(scope="module")
def shared():
    return {}


@contextlib.contextmanager
def person(machine, command):
    """Somebody with a terminal and no privilege at all, who types that."""
    terminal = Terminal(["nsenter", f"--target={machine.leader}", "--all", "--", "env", "-i",
                         "LANG=C.UTF-8", "TERM=dumb", "PATH=/usr/bin:/bin", *PERSON,
                         *command.split()])
    try:
        yield terminal
    finally:
        with contextlib.suppress(OSError):
            terminal.close()


def test_the_walk_through_of_the_readme(machine, admin, shared):
    machine.run("mkdir", "-m", "0700", "/var/tmp/alice")
    machine.run("chown", "nobody:nogroup", "/var/tmp/alice")
    make, install, add, start, talk, users, kick, revoke, reload, check, stop, log = readme()
    assert make == "make deb"
    package = install.split()[-1]
    assert fnmatch.fnmatch(os.path.basename(machine.packages[0]),
                                re.sub("_amd64", "_*", os.path.basename(package)))
    admin.types(install.replace("apt ", "apt-get --yes --no-install-recommends ").replace(
        package, machine.packages[0]))
    made = admin.types(add)
    secret = re.search(r"(?m)^\S{30,}$", made)[0]
    assert talk in made  # as README.md says
    admin.types(start)
    machine.wait_state("active")

    with person(machine, talk) as alice:
        alice.wait_for("Token of alice")
        alice.type(f"{secret}\r")
        alice.wait_for("Remember this token")
        alice.type("y\r")
        alice.wait_for("in the room")
        alice.type("is anybody there?\r")
        assert "alice" in admin.types(users)
        since = len(alice.shown)
        admin.types(kick)
        reason = re.search("'(.*)'", kick)[1]
        alice.wait_for(re.escape(reason), since)
        assert alice.end() == 6
    with person(machine, talk) as alice:  # her token was remembered, and has the last messages
        alice.wait_for("<alice> is anybody there[?]")
        admin.types(revoke)
        alice.wait_for("not admitted")
        assert alice.end() == 5
    admin.types(reload)
    assert admin.types(check) == "Nothing is wrong\n"
    told = admin.types(log)
    assert "joined" in told and "kick" in told and "anybody there" not in told
    admin.types(stop)
    assert machine.state("chatroom.socket") == "inactive"
    machine.systemctl("start", "chatroom.socket")
    machine.run("rm", "-r", "/var/tmp/alice")
    shared["secret"] = admin.types("chatctl token add alice 2>/dev/null").strip()


def admitted(machine, shared):
    """Whether the token that was made before lets her in."""
    with connect(machine.target) as channel:
        session = Session(channel)
        session.send("alice", shared["secret"])
        session.half_close()
        return session.end().name == "OK"


def test_the_manual_on_the_first_users(machine, admin, shared):
    machine.run("useradd", "carol")
    admin.types_all(manual("The first users"))
    output = machine.run("runuser", "-u", "carol", "--", "chatctl", "token", "list")
    assert "alice" in output
    machine.run("userdel", "carol")


def test_the_manual_on_where_to_listen(machine, admin, shared):
    """The address is on none of the machine's networks: it may come up later."""
    section, key, *commands = manual("Where to listen")
    path = re.search(r"/etc/chatroom/chatroom.ini.d/\S+\.ini", open(
        os.path.join(ROOT, "packaging/man/chatroomd.8"), encoding="utf-8").read())[0]
    machine.write(path, f"{section}\n{key}\n")
    admin.types_all(commands)
    assert key.split()[-1] in machine.show("chatroom.socket", "Listen")
    machine.write(path, f"[server]\nlisten = 127.0.0.1:{PORT_ELSEWHERE}\n")
    admin.types_all(commands)
    machine.target = f"127.0.0.1:{PORT_ELSEWHERE}"
    assert admitted(machine, shared)
    machine.target = f"127.0.0.1:{PORT}"
    machine.run("rm", path)
    admin.types_all(commands)
    assert admitted(machine, shared)


def test_the_manual_on_what_holds(admin):
    firewall, show = manual("Who can connect")
    assert firewall.startswith("sudo ufw ") and f" port {PORT} " in firewall
    output = admin.types(show)
    assert f"Listen=[::]:{PORT} (Stream)" in output and "100.64.0.0/10" in output


def test_the_manual_on_more_than_the_defaults(machine):
    directory = "/etc/systemd/system/chatroom.service.d"
    machine.run("mkdir", "-p", directory)
    lines = manual("More than the defaults")
    machine.write(f"{directory}/override.conf", "\n".join(lines) + "\n", 0o644)
    machine.systemctl("daemon-reload")
    assert int(machine.show("chatroom.service", "LimitNOFILE")) == 262144
    assert int(machine.show("chatroom.service", "MemoryMax")) == 8 << 30
    machine.run("rm", "-r", directory)
    machine.systemctl("daemon-reload")


def test_the_manual_on_backup_and_restoring(machine, admin, shared):
    admin.types_all(manual("Backup"))
    copy = machine.path("/root/chatroom.tar.gz")
    assert os.path.exists(copy) and admitted(machine, shared)
    later = admin.types("chatctl token add bob 2>/dev/null").strip()

    machine.systemctl("stop", "chatroom.socket")
    with open(machine.path("/var/lib/chatroom/state.db"), "r+b") as f:
        f.write(os.urandom(8192))
    machine.systemctl("start", "chatroom.socket")
    since = machine.now()
    status = machine.try_run("systemctl", "start", "chatroom")[0]
    assert status != 0 and machine.says("state.db is damaged", since)
    assert "state.db is damaged" in machine.try_run("systemctl", "status", "chatroom")[1]

    admin.types_all(manual("Restoring"))
    assert admitted(machine, shared)
    with connect(machine.target) as channel:  # made after the copy
        session = Session(channel)
        session.send("bob", later)
        assert refusal(session)[0].name == "UNAUTHENTICATED"

    # Without a copy.
    stop, remove, _, start = manual("Restoring")
    admin.types_all([stop, remove, start])
    assert not admitted(machine, shared)
    assert machine.sockets_listen()


def test_the_manual_on_moving_to_another_machine(machine, admin, shared):
    """Everything is put back onto an installation that knows nothing."""
    machine.apt("purge", "chatroom")
    assert not os.path.exists(machine.path("/var/lib/chatroom"))
    assert not os.path.exists(machine.path(DROP_IN))
    machine.apt("--no-install-recommends", "install", machine.packages[0])
    admin.types_all(manual("Moving"))
    assert admitted(machine, shared)
    log = b""
    for path in glob.glob(machine.path("/var/lib/chatroom/log.db*")):
        with open(path, "rb") as f:
            log += f.read()
    assert b"is anybody there?" in log
    machine.run("rm", "/root/chatroom.tar.gz")


def test_the_manual_on_removing(machine):
    machine.apt("purge", "chatroom")
    for name in ("chatroom", "chatroom-admin"):
        machine.run("getent", "group", name)
    machine.run("id", "chatroom")
    for path in ("/etc/chatroom", "/var/lib/chatroom"):
        assert not os.path.exists(machine.path(path))
