# SPDX-License-Identifier: MIT
"""chatctl and the shells, run as people run them: by a script, or on a terminal."""
import codecs
import fcntl
import os
import re
import select
import struct
import subprocess
import tempfile
import termios
import time

import harness

CHATCTL = os.path.join(harness.BUILD, "ctl", "chatctl")


class Done:
    """How a run ended."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"exit status {self.status}, out {self.out!r}, err {self.err!r}"

    @property
    def rows(self):
        return [line.split("\t") for line in self.out.splitlines()]


def environment(reports, extra):
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC",
            **harness.sanitizers.environment(reports), **(extra or {})}


def chatctl(*arguments, socket=None, env=None, launcher=(), stdout=subprocess.PIPE):
    """Runs it to its end, without a terminal. No sanitizer may have a word to say."""
    with tempfile.TemporaryDirectory(prefix="chatctl-") as directory:
        os.chmod(directory, 0o777)
        reports = os.path.join(directory, "sanitizer")
        argv = [*harness.sanitizers.prefix(harness.BUILD), *launcher, CHATCTL]
        argv += ["--socket", socket] if socket else []
        done = subprocess.run([*argv, *arguments], stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=harness.DEADLINE, check=False,
                              env=environment(reports, env))
        report = harness.sanitizers.reports(reports)
        assert not report, report
    return Done(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())


class Terminal:
    """A program on a terminal of its own; what it shows is in `shown`, without the colours."""

    def __init__(self, argv, columns=80, env=None):
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._fd, theirs = os.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(["setsid", "--ctty", *argv], stdin=theirs, stdout=theirs,
                                         stderr=theirs, env=env)
        os.close(theirs)

    def _read(self, seconds):
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # nobody has the other end any more
            return False
        self.shown += re.sub(r"\x1b(\[[0-9;?>=]*[A-Za-z]|[=>])", "", self._decoder.decode(data))
        return bool(data)

    def type(self, text):
        os.write(self._fd, text.encode())

    def wait_for(self, pattern, since=0):
        """Waits until that is shown, after the first `since` characters; returns the match."""
        end = time.monotonic() + harness.DEADLINE
        while True:
            found = re.search(pattern, self.shown[since:])
            if found:
                return found
            assert time.monotonic() < end and self._read(end - time.monotonic()), \
                f"no /{pattern}/ in {self.shown[since:]!r}"

    def end(self):
        """Reads to the end and returns the exit status."""
        while self._read(harness.DEADLINE):
            pass
        return self.close()

    def close(self):
        os.close(self._fd)  # hangs up
        return self._process.wait(harness.DEADLINE)


def on_terminal(*arguments, socket, columns=80, env=None):
    """chatctl on a terminal of so many columns: (exit status, lines shown)."""
    with tempfile.TemporaryDirectory(prefix="chatctl-") as directory:
        reports = os.path.join(directory, "sanitizer")
        terminal = Terminal([*harness.sanitizers.prefix(harness.BUILD), CHATCTL, "--socket", socket,
                             *arguments], columns, environment(reports, env))
        status = terminal.end()
        report = harness.sanitizers.reports(reports)
        assert not report, report
    return status, terminal.shown.replace("\r\n", "\n").splitlines()
