# SPDX-License-Identifier: MIT
"""A client by another hand: JavaScript's gRPC library, which shares no line with the daemon's, and
the description as it is installed."""
import json
import os
import shutil
import subprocess
import threading

import grpc
import pytest

import harness
from harness import ALICE_TOKEN, OPEN_TOKEN, Waiter
from wire import PROTO

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
FOLDER = os.path.join(harness.ROOT, "build", "node")
SECONDS = 180
OK, INVALID_ARGUMENT, UNAVAILABLE, UNAUTHENTICATED = (code.value[0] for code in (
    grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED))


@pytest.fixture(scope="module", autouse=True)
def installed():
    """The libraries, brought by npm into the build directory, once."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not both installed")
    os.makedirs(FOLDER, exist_ok=True)
    for name in ("package.json", "client.js"):
        shutil.copy(os.path.join(SOURCE, name), FOLDER)
    if os.path.exists(os.path.join(FOLDER, "node_modules", "@grpc", "proto-loader")):
        return
    try:
        done = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
                               "--prefix", FOLDER], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
                              check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm does not bring @grpc/grpc-js within {SECONDS} s")
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines() or ["no word why"]
        pytest.skip(f"npm cannot bring @grpc/grpc-js: {lines[0]}")


class Node(Waiter):
    """client.js at work."""

    def __init__(self, target, token):
        super().__init__()
        self.lines = []
        self.process = subprocess.Popen(
            ["node", os.path.join(FOLDER, "client.js"), PROTO, target, token],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(json.loads(line))
                self.changed.notify_all()

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def parts(self, name):
        """All parts of that name that came, in order."""
        found = []
        for line in list(self.lines):
            part = line.get("response", {}).get(name)
            found += part if isinstance(part, list) else [part] if part else []
        return found

    def said(self, kind):
        return [line[kind] for line in list(self.lines) if kind in line]

    def wait_parts(self, name, n):
        self.wait_for(lambda: len(self.parts(name)) >= n, lambda: f"{n} {name}: {self.lines}")
        return self.parts(name)

    def wait_said(self, kind, n=1):
        self.wait_for(lambda: len(self.said(kind)) >= n, lambda: f"{n} {kind}: {self.lines}")
        return self.said(kind)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(harness.DEADLINE)
        self._thread.join(harness.DEADLINE)
        self.process.stdout.close()
        return status


@pytest.fixture
def nodes(house):
    started = []

    def start(token):
        started.append(Node(house.daemon.target, token))
        return started[-1]

    yield start
    for node in started:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def test_it_talks_and_is_heard(house, nodes):
    anna = house.connect("anna", start=0)
    ned = nodes(OPEN_TOKEN)
    ned.tell(hello={"user": "ned", "history": {"count": 0}, "presence": True})
    welcome = ned.wait_parts("welcome", 1)[0]
    assert (welcome["user"], welcome["room"], welcome["epoch"]) == \
        ("ned", "lobby", anna.welcome.epoch)
    for i in range(20):
        ned.tell(send={"clientId": f"n{i}", "text": f"Grüße, 日本, 👋 {i}"})
    acks = ned.wait_parts("acks", 20)
    assert [(ack["clientId"], int(ack["id"])) for ack in acks] == \
        [(f"n{i}", i + 1) for i in range(20)]
    anna.expect(*(("ned", f"Grüße, 日本, 👋 {i}") for i in range(20)))
    anna.say("hello Ned")
    messages = ned.wait_parts("messages", 21)
    assert [int(m["id"]) for m in messages] == list(range(1, 22))
    assert (messages[20]["user"], messages[20]["text"]) == ("anna", "hello Ned")
    ned.tell(ping={"number": "18446744073709551615"})
    assert ned.wait_parts("pongs", 1) == [{"number": "18446744073709551615"}]
    ned.wait_for(lambda: any("anna" in p["joined"] for p in ned.parts("presence")), "presence")
    ned.tell(end=True)
    assert ned.wait_said("status") == [{"code": OK, "details": ""}]
    assert ned.close() == 0


def test_it_goes_on_where_it_was(house, nodes):
    anna = house.connect("anna", start=0)
    for i in range(10):
        anna.say(str(i))
    ned = nodes(ALICE_TOKEN)
    ned.tell(hello={"resume": {"epoch": anna.welcome.epoch, "afterId": "4"}})
    assert [int(m["id"]) for m in ned.wait_parts("messages", 6)] == list(range(5, 11))
    assert ned.parts("gap") == []


def test_it_is_told_what_was_not_taken(house, nodes):
    ned = nodes(OPEN_TOKEN)
    ned.tell(hello={"user": "ned"})
    ned.tell(send={"clientId": "bad", "text": "\x1b[2J"})
    notice = ned.wait_parts("notices", 1)[0]
    assert (notice["clientId"], notice["code"]) == ("bad", INVALID_ARGUMENT)
    ned.tell(send={"clientId": "good", "text": "fine"})
    assert ned.wait_parts("acks", 1)[0]["clientId"] == "good"


def test_it_is_told_of_the_end(house, nodes):
    ned = nodes(OPEN_TOKEN)
    ned.tell(hello={"user": "ned"})
    ned.wait_parts("welcome", 1)
    house.daemon.process.terminate()
    assert ned.wait_said("status")[0]["code"] == UNAVAILABLE
    goodbye = ned.parts("goodbye")[0]
    assert goodbye["code"] == UNAVAILABLE and int(goodbye["retryAfterMs"]) > 0


def test_its_single_calls_are_answered(house, nodes):
    anna = house.connect("anna", start=0)
    ned = nodes(ALICE_TOKEN)
    ned.tell(call="Send", request={"clientId": "one", "text": "hello"})
    assert ned.wait_said("reply")[0]["id"] == "1"
    anna.expect(("alice", "hello"))
    ned.tell(call="ListMembers", request={})
    assert ned.wait_said("reply", 2)[1] == {"members": [{"user": "anna", "sessions": 1}]}


def test_it_is_not_let_in_without_a_token(house, nodes):
    ned = nodes("wrong")
    ned.tell(hello={"user": "ned"})
    assert ned.wait_said("status")[0]["code"] == UNAUTHENTICATED
    ned.tell(call="ListMembers", request={})
    assert ned.wait_said("error")[0]["code"] == UNAUTHENTICATED
