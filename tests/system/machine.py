# SPDX-License-Identifier: MIT
"""The booted container, as boot.sh hands it over: its commands, its units, its journal, its files,
and what a process in one of its namespaces can do."""
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from clients import Room
from harness import DEADLINE, OPEN_TOKEN, ini

LIBC = ctypes.CDLL(None, use_errno=True)
INI = "/etc/chatroom/chatroom.ini"
DROP_IN = "/etc/chatroom/chatroom.ini.d/50-test.ini"
PORT = 50051


def wait_for(predicate, what, seconds=DEADLINE):
    """Until it is true; returns what it says."""
    end = time.monotonic() + seconds
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(
                f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(0.05)


class Machine:
    def __init__(self):
        self.leader = int(os.environ["BOOT_LEADER"])
        self.root = os.environ["BOOT_ROOT"]
        self.packages = os.environ["BOOT_DEBS"].split()
        self.target = f"127.0.0.1:{PORT}"

    # Commands

    def start(self, *argv, **options):
        """A command in the container that goes on."""
        return subprocess.Popen(
            ["nsenter", f"--target={self.leader}", "--all", "--", "env", "-i", "LANG=C.UTF-8",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "TERM=dumb",
             "HOME=/root", *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            **options)

    def try_run(self, *argv, seconds=120):
        """(status, output)."""
        process = self.start(*argv)
        try:
            output, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
        return process.returncode, output

    def run(self, *argv, seconds=120):
        status, output = self.try_run(*argv, seconds=seconds)
        assert status == 0, f"{' '.join(argv)}: status {status}\n{output}"
        return output

    def systemctl(self, *argv):
        return self.run("systemctl", *argv)

    def apt(self, *argv):
        return self.run("apt-get", "--yes", "-o", "Dpkg::Use-Pty=0", *argv)

    def install_version(self, version, changes=()):
        """A package that says it is an older one; see of_version()."""
        path = "/srv/packages/older.deb"
        with open(self.path(path), "wb") as f:
            f.write(of_version(self.path(self.packages[0]), version, dict(changes)))
        self.apt("--no-install-recommends", "install", path)

    # Units

    def show(self, unit, name):
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()

    def state(self, unit="chatroom.service"):
        return self.show(unit, "ActiveState")

    def wait_state(self, state, unit="chatroom.service"):
        wait_for(lambda: self.state(unit) == state,
                 lambda: f"{unit} {state}\n{self.try_run('systemctl', 'status', unit)[1]}")

    def sockets_listen(self):
        return all(self.show(unit, "SubState") in ("listening", "running")
                   for unit in ("chatroom.socket", "chatroom-control.socket"))

    def daemon(self):
        """The daemon's process, by its number here."""
        inside = self.show("chatroom.service", "MainPID")
        return self.process(int(inside)) if inside != "0" else None

    def process(self, inside):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as f:
                numbers = next(line.split()[1:] for line in f if line.startswith("NSpid:"))
                if len(numbers) == 2 and int(numbers[-1]) == inside:
                    return int(pid)
        return None

    # Files and the journal

    def path(self, path):
        return f"/proc/{self.leader}/root{path}"

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as f:
            return f.read()

    def write(self, path, text, mode=0o640):
        """As an administrator would: a file that was there keeps its owner."""
        name = self.path(path)
        new = not os.path.exists(name)
        with open(name, "w", encoding="utf-8") as f:
            f.write(text)
        if new:
            os.chmod(name, mode)

    def configure(self, server=None, limits=None, tokens=(("*", OPEN_TOKEN),)):
        """What the tests add to the configuration as installed."""
        self.write(DROP_IN, ini({"server": server or {}, "limits": limits or {},
                                 "tokens": list(tokens)}))

    def now(self):
        """A moment to look at the journal since."""
        self.run("journalctl", "--sync")
        return time.time()

    def journal(self, *argv, since=0.0):
        """Its records, as dictionaries."""
        self.run("journalctl", "--sync")
        output = self.run("journalctl", "--quiet", "--boot", "--output=json", "--all", *argv)
        records = [json.loads(line) for line in output.splitlines()]
        return [r for r in records if int(r["__REALTIME_TIMESTAMP"]) > since * 1e6]

    def says(self, text, since=0.0, unit="chatroom"):
        return [record for record in self.journal(f"--unit={unit}", since=since)
                if text in record["MESSAGE"]]

    def wait_says(self, text, since=0.0):
        return wait_for(lambda: self.says(text, since),
                        lambda: f"{text!r} in the journal:\n" + "\n".join(
                            r["MESSAGE"] for r in self.journal("--unit=chatroom", since=since)))

    # In its namespaces

    def inside(self, pid, function, user=None):
        """What function returns in a process that has the network and the files of that one, and
        is nobody in particular or that user."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                result = self._enter(pid, function, user)
            except BaseException as e:  # whatever it is, the parent is to know
                result = repr(e)
            os.write(writer, json.dumps(result).encode())
            os._exit(0)
        os.close(writer)
        with open(reader, encoding="utf-8") as f:
            text = f.read()
        os.waitpid(child, 0)
        return json.loads(text)

    @staticmethod
    def _enter(pid, function, user):
        signal.alarm(int(DEADLINE))
        for name in ("net", "mnt"):
            fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            if LIBC.setns(fd, 0) != 0:
                raise OSError(ctypes.get_errno(), f"setns {name}")
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        return function()


class House:
    """The machine's room, and clients in it."""

    def __init__(self, machine):
        self.machine = machine
        self.rooms = []

    def room(self):
        """With somebody in it already. Whoever a test before this left there is gone."""
        if not self.rooms and self.machine.state() == "active":
            wait_for(lambda: "@" not in self.machine.try_run("chatctl", "users")[1],
                     "an empty room")
        self.rooms.append(Room(self.machine))
        return self.rooms[-1]

    def close(self):
        for room in self.rooms:
            room.close()


def of_version(deb, version, changes):
    """A copy of the package that says it is another version, and whose files are changed by a
    function each; its bytes."""
    directory = tempfile.mkdtemp(prefix="chatroom-version-")
    try:
        tree = os.path.join(directory, "tree")
        subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
        changes = {"/DEBIAN/control": lambda text: re.sub("(?m)^Version:.*", f"Version: {version}",
                                                          text), **changes}
        for path, change in changes.items():
            with open(tree + path, "r+", encoding="utf-8") as f:
                text = change(f.read())
                f.seek(0)
                f.truncate()
                f.write(text)
        result = os.path.join(directory, f"chatroom_{version}.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, result], check=True,
                       stdout=subprocess.DEVNULL)
        with open(result, "rb") as f:
            return f.read()
    finally:
        shutil.rmtree(directory)
