# SPDX-License-Identifier: MIT
"""grpcurl, which people have at hand: by reflection alone. It takes minutes to build, so only
`tests/run release` does that (CHATROOM_FETCH=1); others use it if it is there."""
import json
import os
import shutil
import subprocess

import pytest

import harness
from harness import ALICE_TOKEN

MODULE = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
FOLDER = os.path.join(harness.ROOT, "build", "go")
SECONDS = 600


@pytest.fixture(scope="module")
def program():
    path = shutil.which("grpcurl") or os.path.join(FOLDER, "grpcurl")
    if os.path.exists(path):
        return path
    if os.environ.get("CHATROOM_FETCH") != "1":
        pytest.skip("grpcurl is not installed; `tests/run release` builds it")
    if not shutil.which("go"):
        pytest.skip("neither grpcurl nor go is installed")
    try:
        done = subprocess.run(
            ["go", "install", MODULE], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
            env={**os.environ, "GOBIN": FOLDER, "GOFLAGS": "-modcacherw",
                 "GOCACHE": os.path.join(FOLDER, "cache"),
                 "GOMODCACHE": os.path.join(FOLDER, "modules")})
    except subprocess.TimeoutExpired:
        pytest.skip(f"go does not build grpcurl within {SECONDS} s")
    if done.returncode != 0:
        pytest.skip(f"go cannot build grpcurl: {done.stdout.strip().splitlines()[-1]}")
    return path


def grpcurl(program, house, *arguments, data=None):
    """(exit status, output)"""
    options = ["-plaintext", "-max-time", "30"]
    options += ["-H", f"authorization: Bearer {ALICE_TOKEN}"]
    options += [] if data is None else ["-d", json.dumps(data)]
    done = subprocess.run([program, *options, house.daemon.target, *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=2 * harness.DEADLINE,
                          check=False)
    return done.returncode, done.stdout


def test_it_lists_and_describes(program, house):
    status, output = grpcurl(program, house, "list")
    assert status == 0, output
    assert {"chat.Chat", "chatroom.v1.ChatroomService", "grpc.health.v1.Health"} <= \
        set(output.split())
    status, output = grpcurl(program, house, "list", "chatroom.v1.ChatroomService")
    assert output.split() == [f"chatroom.v1.ChatroomService.{name}" for name in
                              ("Connect", "ListMembers", "Send", "Subscribe")]
    status, output = grpcurl(program, house, "describe", "chatroom.v1.Message")
    assert status == 0 and "string client_id = 5;" in output, output


def test_it_calls(program, house):
    anna = house.connect("anna", start=0)
    status, output = grpcurl(program, house, "chatroom.v1.ChatroomService/Send",
                             data={"clientId": "one", "text": "hello"})
    assert status == 0, output
    assert json.loads(output)["id"] == "1"
    anna.expect(("alice", "hello"))
    status, output = grpcurl(program, house, "grpc.health.v1.Health/Check")
    assert json.loads(output) == {"status": "SERVING"}, output
