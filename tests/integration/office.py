# SPDX-License-Identifier: MIT
"""A room, and the operator who has the keys to it."""
import json
import os
import signal
import tempfile
import time

import pytest

import harness
from clients import refusal
from ctl import chatctl


def eventually(predicate, what):
    """Asks again and again: for what only chatctl can tell, which takes its time by itself."""
    end = time.monotonic() + harness.DEADLINE
    while not predicate():
        assert time.monotonic() < end, f"not within {harness.DEADLINE:g} s: {what}"


class Office:
    """A room, and who has the keys to it. The state outlives the daemon."""

    def __init__(self, daemons, state, **arguments):
        self._daemons, self._state, self._arguments = daemons, state, arguments
        self.start()

    def start(self):
        self.room = self._daemons.room(arguments=("--state", self._state), **self._arguments)
        self.daemon = self.room.daemon

    def crash(self):
        """The daemon dies at once."""
        self.daemon.process.send_signal(signal.SIGKILL)
        assert self.daemon.exit_status() == -signal.SIGKILL
        self.room.close()
        self.daemon.close()

    def restart(self):
        self.daemon.stop()
        self.room.close()
        self.start()

    @property
    def socket(self):
        return os.path.join(self.daemon.directory, "control.sock")

    def ctl(self, *arguments, status=0, **options):
        done = chatctl(*arguments, socket=self.socket, **options)
        assert done.status == status, done
        return done

    def json(self, *arguments, status=0):
        return json.loads(self.ctl(*arguments, "--json", status=status).out)

    def new_token(self, user, *options):
        """(secret, id)"""
        made = self.json("token", "add", user, *options)
        return made["secret"], made["token"]["id"]

    def token(self, token_id):
        return next(t for t in self.json("token", "list")["tokens"] if t["id"] == token_id)

    def sessions(self, name):
        """What `users` says of that user's sessions."""
        users = {user["name"]: user["sessions"] for user in self.json("users")["users"]}
        return users.get(name, [])

    def refused(self, name, token):
        return refusal(self.room.try_join(name, token))[0]


@pytest.fixture
def state():
    with tempfile.TemporaryDirectory(prefix="chatroom-state-") as directory:
        yield directory


@pytest.fixture
def office(daemons, state):
    return Office(daemons, state)
