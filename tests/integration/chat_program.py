# SPDX-License-Identifier: MIT
"""chat as a process, with pipes or on a terminal."""
import fcntl
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

import sanitizers  # noqa: E402

BUILD = os.path.abspath(os.environ.get("CHATROOM_BUILD", os.path.join(ROOT, "build")))
CHAT = [*sanitizers.prefix(BUILD), os.path.join(BUILD, "client", "chat")]

DEADLINE = 30.0  # seconds that any condition may take to come true
LINE = re.compile(r"^\d\d:\d\d <([^>]*)> (.*)$")


class Stream:
    """What comes out of a descriptor, as it comes."""

    def __init__(self, fd):
        self.bytes = b""
        self.ended = False
        self._fd = fd
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                got = os.read(self._fd, 65536)
            except OSError:  # a terminal whose other end is closed
                got = b""
            with self._changed:
                self.bytes += got
                self.ended = not got
                self._changed.notify_all()
            if not got:
                return

    @property
    def text(self):
        return self.bytes.decode(errors="backslashreplace")

    def wait_for(self, text):
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.text, DEADLINE), self.text

    def wait_end(self):
        self._thread.join(DEADLINE)
        assert self.ended, self.text


class Chat:
    """The program, with pipes."""

    def __init__(self, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, environment=None,
                 **more):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GRPC_")}
        self.directory = tempfile.TemporaryDirectory()
        self.reports = os.path.join(self.directory.name, "sanitizer")
        self.process = subprocess.Popen(
            [*CHAT, *arguments], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
            env={**inherited, **sanitizers.environment(self.reports), "TZ": "UTC",
                 "XDG_CONFIG_HOME": os.path.join(self.directory.name, "config"),
                 **(environment or {})},
            start_new_session=True, **more)
        self.out = Stream(self.process.stdout.fileno()) if self.process.stdout else None
        self.err = Stream(self.process.stderr.fileno())

    def type(self, data):
        self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        self.process.stdin.flush()

    def wait(self):
        status = self.process.wait(DEADLINE)
        self.err.wait_end()
        if self.out:
            self.out.wait_end()
        self.check()
        return status

    def check(self):
        report = sanitizers.reports(self.reports)
        assert not report, report

    def end(self):
        """Ends the input; the exit status."""
        self.process.stdin.close()
        return self.wait()

    @property
    def lines(self):
        return self.out.text.splitlines()

    @property
    def objects(self):
        """What --json printed."""
        return [json.loads(line) for line in self.lines]

    @property
    def said(self):
        """The (user, text) that were printed; a line of another form fails."""
        return [LINE.match(line).groups() for line in self.lines]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()
        for f in [self.process.stdin, self.process.stdout, self.process.stderr]:
            if f:
                try:
                    f.close()
                except BrokenPipeError:
                    pass


class TerminalChat(Chat):
    """The program on a terminal: input and output, and the one that it may ask on; stderr apart."""

    def __init__(self, *arguments, **more):
        self.master, self.slave = pty.openpty()
        super().__init__(*arguments, stdin=self.slave, stdout=self.slave,
                         preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **more)
        self.out = Stream(self.master)

    def type(self, data):
        os.write(self.master, data.encode())

    @property
    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait(self):
        status = self.process.wait(DEADLINE)
        self.echoes_after = self.echoes
        os.close(self.slave)
        self.slave = None
        self.err.wait_end()
        self.out.wait_end()
        self.check()
        return status

    def close(self):
        super().close()
        for fd in [self.slave, self.master]:
            if fd is not None:
                os.close(fd)
