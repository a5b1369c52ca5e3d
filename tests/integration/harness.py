# SPDX-License-Identifier: MIT
"""A daemon of its own for each test: directory, configuration, notify socket, log, end.

Every daemon started here must end by itself with the status that the test expects, and without a
word from a sanitizer: `Daemon.stop` checks both.
"""
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from wire import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests"))
import sanitizers  # noqa: E402

BUILD = os.path.abspath(os.environ.get("CHATROOM_BUILD", os.path.join(ROOT, "build")))
CHATROOMD = os.path.join(BUILD, "service", "chatroomd")
SCALE = float(os.environ.get("CHATROOM_SCALE", "1"))
WORKERS = int(os.environ.get("CHATROOM_WORKERS", "0"))  # 0: as many as there are processors

DEADLINE = 30.0  # seconds that any condition may take to come true
DRAIN = 5.0  # seconds that a drain is bounded by
# What a time limit may overshoot on a busy machine, or under a sanitizer.
SLACK = 20

OPEN_TOKEN = "token1"  # admits any free name
ALICE_TOKEN = "alice-has-a-token-of-her-own"


def scaled(n, least=10):
    return max(least, int(n * SCALE))


class Waiter:
    """A lock with a condition: whoever changes what others wait for notifies."""

    def __init__(self):
        self.changed = threading.Condition()

    def wait_for(self, predicate, what, seconds=DEADLINE):
        with self.changed:
            if not self.changed.wait_for(predicate, seconds):
                raise AssertionError(
                    f"not within {seconds:g} s: {what() if callable(what) else what}")


class NotifySocket(Waiter):
    """The other end of sd_notify."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.messages = []  # (time, {"READY": "1", ...})
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            fields = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
            with self.changed:
                self.messages.append((time.monotonic(), fields))
                self.changed.notify_all()

    def seen(self, key, value, since=0):
        return any(fields.get(key) == value for _, fields in self.messages[since:])

    def close(self):
        # shutdown() wakes the reader, close() alone would not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def ini(sections):
    lines = []
    for name, keys in sections.items():
        lines.append(f"[{name}]")
        pairs = keys.items() if isinstance(keys, dict) else keys
        lines += [f"{key} = {value}" for key, value in pairs]
        lines.append("")
    return "\n".join(lines)


def configuration(server=None, limits=None, tokens=None, history=None):
    """What the tests start from, with a test's own changes."""
    if tokens is None:
        tokens = [("*", OPEN_TOKEN), ("*", "token2"), ("alice", ALICE_TOKEN)]
    return {
        "server": {"listen": "127.0.0.1:0", "allow": "127.0.0.0/8", "admin_group": "root",
                   "workers": WORKERS, **(server or {})},
        "limits": dict(limits or {}),
        **({"history": dict(history)} if history else {}),
        "tokens": tokens,
    }


@contextlib.contextmanager
def activation(sockets, names=True):
    """What starts a daemon that gets listening sockets, (name, socket), as systemd hands them over:
    a launcher and the descriptors to pass."""
    held = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100) for _, s in sockets]
    # A shell has the process id that LISTEN_PID must name before it becomes the daemon.
    script = f"export LISTEN_PID=$$ LISTEN_FDS={len(held)}"
    if names:
        script += f" LISTEN_FDNAMES={':'.join(name for name, _ in sockets)}"
    script += '; exec "$@" ' + " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(held))
    try:
        yield ["bash", "-c", script, "bash"], held
    finally:
        for fd in held:
            os.close(fd)


class Daemon(Waiter):
    def __init__(self, config=None, arguments=(), launcher=(), executable=CHATROOMD,
                 environment=None, pass_fds=(), state=None, wait=True):
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="chatroom-")
        self.config_path = os.path.join(self.directory, "chatroom.ini")
        self.write_config(config or configuration())
        # A state directory that is given is not removed: it may be another daemon's after this.
        self.state = state or os.path.join(self.directory, "state")
        os.makedirs(self.state, exist_ok=True)
        self.control = os.path.join(self.directory, "control.sock")
        self.notify = NotifySocket(os.path.join(self.directory, "notify"))
        self.log = []  # the lines of its standard error
        self.stopped = False
        self._reports = os.path.join(self.directory, "sanitizer")
        # Should the tests be killed, their daemons go with them.
        argv = ["setpriv", "--pdeathsig", "KILL", *sanitizers.prefix(BUILD), *launcher, executable,
                "--config", self.config_path,
                "--control", self.control,
                "--state", self.state, *arguments]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.notify.path,
                 **sanitizers.environment(self._reports), **(environment or {})})
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    # The configuration

    def write_config(self, config):
        text = config if isinstance(config, str) else ini(config)
        temporary = f"{self.config_path}.new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(temporary, self.config_path)

    def reload(self, config=None):
        """SIGHUP, and wait until the daemon says that it is ready again."""
        if config is not None:
            self.write_config(config)
        since = len(self.notify.messages)
        self.process.send_signal(signal.SIGHUP)
        self.notify.wait_for(lambda: self.notify.seen("READY", "1", since), "READY=1 after SIGHUP")
        assert self.notify.seen("RELOADING", "1", since)

    # What it says

    def _read_log(self):
        for line in self.process.stderr:
            with self.changed:
                self.log.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.log_ended = True
            self.changed.notify_all()

    log_ended = False

    def log_text(self):
        return "\n".join(self.log)

    def log_matches(self, pattern):
        with self.changed:
            return [m for m in (re.search(pattern, line) for line in self.log) if m]

    def wait_log(self, pattern):
        self.wait_for(lambda: self.log_matches(pattern), f"a log line like /{pattern}/")
        return self.log_matches(pattern)[0]

    def wait_ready(self):
        with self.notify.changed:
            self.notify.changed.wait_for(
                lambda: self.notify.seen("READY", "1") or self.log_ended, DEADLINE)
        if not self.notify.seen("READY", "1"):
            raise AssertionError(f"The daemon does not get ready:\n{self.log_text()}")

    def ports(self, n=1):
        """Of the first n sockets that it listens on."""
        line = r"Listening on \S+:(\d+)$"
        self.wait_for(lambda: len(self.log_matches(line)) >= n, f"{n} sockets that it listens on")
        return [int(m[1]) for m in self.log_matches(line)]

    @property
    def port(self):
        return self.ports()[0]

    def address(self, host="127.0.0.1"):
        return (host, self.port)

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    # Its end

    def exit_status(self, seconds=DEADLINE):
        status = self.process.wait(seconds)
        self._reader.join(DEADLINE)
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, expect=0, seconds=DEADLINE):
        """SIGTERM if it still runs. Checks how it ends; returns how long that took."""
        start = time.monotonic()
        try:
            if self.process.poll() is None:
                self.process.terminate()
            try:
                status = self.exit_status(seconds)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"Still running {seconds:g} s after SIGTERM") from None
            report = sanitizers.reports(self._reports)
            assert not report, report
            assert status == expect, f"exit status {status}, not {expect}"
        finally:
            self.close()
        return time.monotonic() - start

    def close(self):
        self.stopped = True
        self.kill()
        self._reader.join(DEADLINE)
        self.process.stderr.close()
        self.notify.close()
        shutil.rmtree(self.directory, ignore_errors=True)
