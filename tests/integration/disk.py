# SPDX-License-Identifier: MIT
"""Disks that a test can fill, make read-only, slow, or break, under the real daemon."""
import contextlib
import errno
import mmap
import os
import struct
import subprocess
import tempfile
import time

import pytest

import harness

LIBRARY = os.path.join(harness.BUILD, "tests", "integration", "slowdisk.so")
WORKS, SLOW, FAILS, FAILS_SYNC, HANGS = range(5)


class SlowDisk(harness.Waiter):
    """slowdisk.c from the other end: what it does to the files of that name changes at once."""

    def __init__(self, name="log.db"):
        super().__init__()
        self._file = tempfile.NamedTemporaryFile(prefix="chatroom-slowdisk-")
        self._file.truncate(mmap.PAGESIZE)
        self._memory = mmap.mmap(self._file.fileno(), mmap.PAGESIZE)
        # Only the daemon is to have it: env is the last program before it.
        self.launcher = ["env", f"SLOWDISK_CONTROL={self._file.name}", f"SLOWDISK_FILE={name}",
                         f"LD_PRELOAD={LIBRARY}"]

    def _set(self, mode, value=0):
        # The value first: whoever sees the mode needs it.
        struct.pack_into("I", self._memory, 4, value)
        struct.pack_into("I", self._memory, 0, mode)

    def works(self):
        self._set(WORKS)

    def slow(self, milliseconds):
        self._set(SLOW, milliseconds)

    def fails(self, error=errno.EIO):
        self._set(FAILS, error)

    def fails_to_sync(self, error=errno.EIO):
        self._set(FAILS_SYNC, error)

    def hangs(self):
        self._set(HANGS)

    @property
    def writes(self):
        return struct.unpack_from("I", self._memory, 8)[0]

    @property
    def syncs(self):
        return struct.unpack_from("I", self._memory, 12)[0]

    @property
    def hanging(self):
        return struct.unpack_from("I", self._memory, 16)[0]

    def wait_until_hanging(self):
        """Somebody writes and does not come back."""
        end = time.monotonic() + harness.DEADLINE
        while not self.hanging:
            assert time.monotonic() < end, "nobody writes"
            with self.changed:
                self.changed.wait(0.01)

    def close(self):
        self.works()
        self._file.close()


class Tmpfs:
    """A small file system with a folder for the state."""

    def __init__(self, kib):
        self.mountpoint = tempfile.mkdtemp(prefix="chatroom-disk-")
        self._mounted = False
        try:
            run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", self.mountpoint)
        except MountError as e:
            os.rmdir(self.mountpoint)
            pytest.skip(f"no file system can be mounted here: {e}")
        self._mounted = True
        self.state = os.path.join(self.mountpoint, "state")
        os.mkdir(self.state)

    def fill(self, leave=0):
        """Takes all room but so many bytes."""
        with open(os.path.join(self.mountpoint, "filler"), "ab", buffering=0) as f:
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * 4096)
            if leave:
                f.truncate(max(0, os.fstat(f.fileno()).st_size - leave))

    def make_room(self):
        os.unlink(os.path.join(self.mountpoint, "filler"))

    def read_only(self, yes=True):
        run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", self.mountpoint)

    def close(self):
        if self._mounted:
            run("umount", "--lazy", self.mountpoint)
            self._mounted = False
            os.rmdir(self.mountpoint)


class MountError(Exception):
    pass


def run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise MountError(done.stdout.strip())
