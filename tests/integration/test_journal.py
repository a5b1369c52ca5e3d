# SPDX-License-Identifier: MIT
"""What journald gets: entries with fields, from a daemon whose standard error is journald's."""
import os
import re
import socket
import tempfile
import threading

import grpc
import pytest

from clients import Session, connect
from ctl import chatctl
from harness import ALICE_TOKEN, OPEN_TOKEN, ROOT, Waiter

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
Code = grpc.StatusCode


class Journal(Waiter):
    """In journald's place, for one daemon that sees its socket at the usual path."""

    def __init__(self):
        super().__init__()
        self.entries = []
        self._directory = tempfile.TemporaryDirectory(prefix="chatroom-journal-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(os.path.join(self._directory.name, "socket"))
        # journald says by device and inode which standard error is its own.
        self.launcher = [
            "unshare", "--mount", "sh", "-c",
            "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
            'mount --bind "$0" /run/systemd/journal && '
            'export JOURNAL_STREAM="$(stat -Lc %d:%i /proc/self/fd/2)" && exec "$@"',
            self._directory.name]
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            data = self._socket.recv(1 << 16)
            if not data:
                return
            with self.changed:
                self.entries.append(dict(line.split("=", 1)
                                         for line in data.decode().splitlines() if "=" in line))
                self.changed.notify_all()

    def find(self, pattern):
        with self.changed:
            return [e for e in self.entries if re.search(pattern, e["MESSAGE"])]

    def wait(self, pattern):
        self.wait_for(lambda: self.find(pattern), f"an entry like /{pattern}/")
        return self.find(pattern)[0]

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._directory.cleanup()


@pytest.fixture
def journal():
    j = Journal()
    yield j
    j.close()


def message_ids():
    """Those that the catalog explains."""
    with open(os.path.join(ROOT, "packaging", "systemd", "chatroom.catalog"),
              encoding="utf-8") as f:
        return set(re.findall(r"^-- ([0-9a-f]{32})$", f.read(), re.M))


def test_entries_have_fields(daemons, journal):
    daemon = daemons.start(launcher=journal.launcher)
    port = re.search(r":(\d+)$", journal.wait("^Listening on")["MESSAGE"])[1]
    with connect(f"127.0.0.1:{port}") as channel:
        alice, mallory = Session(channel), Session(channel)
        alice.send("alice", ALICE_TOKEN)
        mallory.send("mallory", "a guess that is wrong")
        assert mallory.end() == Code.UNAUTHENTICATED
        joined, refused = journal.wait("^alice @.* joined$"), journal.wait("^Refused ")
        kick = ("kick", "alice", "--reason", "be nice")
        assert chatctl(*kick, socket=daemon.control, env={"SUDO_USER": "carol"}).status == 0
        assert alice.end() == Code.ABORTED
    verb, left = journal.wait("^kick alice by"), journal.wait("^alice @.* left")
    assert (joined["CHATROOM_USER"], joined["CHATROOM_SESSION"]) == ("alice", "@1")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", joined["CHATROOM_ADDRESS"])
    assert re.fullmatch(r"[0-9a-f]{12}", joined["CHATROOM_TOKEN"])
    assert (joined["PRIORITY"], joined["SYSLOG_IDENTIFIER"]) == ("6", "chatroomd")
    assert "CHATROOM_USER" not in refused and refused["CHATROOM_REASON"].startswith("The token")
    assert (verb["CHATROOM_VERB"], verb["CHATROOM_USER"]) == ("kick", "alice")
    assert (verb["CHATROOM_UID"], verb["CHATROOM_SUDO_USER"]) == ("0", "carol")
    assert int(verb["CHATROOM_PID"]) > 0
    assert verb["CHATROOM_REASON"] == "be nice" and "be nice" in left["CHATROOM_REASON"]
    daemon.stop()
    kinds = [joined, refused, verb, left, journal.wait("is serving$"), journal.wait("has stopped$")]
    ids = [entry["MESSAGE_ID"] for entry in kinds]
    assert len(set(ids)) == len(ids) and set(ids) <= message_ids()
    assert daemon.log == []  # nothing went elsewhere
    everything = "\n".join(map(str, journal.entries))
    assert not any(token in everything for token in (ALICE_TOKEN, OPEN_TOKEN, "a guess"))
