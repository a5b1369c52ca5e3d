# SPDX-License-Identifier: MIT
"""What the tests of chat have in common: a room that is played by v1_server.py, and chat in it."""
import socket

import pytest

from chat_program import Chat
from v1_server import V1Server


@pytest.fixture
def server():
    s = V1Server()
    yield s
    s.stop()


@pytest.fixture
def token(tmp_path):
    """A file with an open token."""
    path = tmp_path / "token"
    path.write_text("token1\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def alices_token(tmp_path):
    """A file with a token that is bound to alice."""
    path = tmp_path / "alices-token"
    path.write_text("alice-token\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def start(request):
    started = []

    def start(*arguments, kind=Chat, **more):
        started.append(kind(*arguments, **more))
        return started[-1]

    yield start
    for chat in started:
        chat.close()


@pytest.fixture
def chat(start, server, token):
    """Starts chat as alice in the server's room."""

    def chat(*arguments, **more):
        return start("--token-file", token, *arguments, f"alice@127.0.0.1:{server.port}", **more)

    return chat


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
