# SPDX-License-Identifier: MIT
"""`make run`, but for make: a room to try, which also notices a daemon that does not relay."""
import os
import pty
import re
import subprocess
import tempfile
import threading

import pytest

from harness import BUILD, DEADLINE, ROOT, sanitizers

DEMO = [*sanitizers.prefix(BUILD), os.path.join(ROOT, "tests", "demo")]

# In chatroomd's place: takes all that is said, passes on what those of HEARD say alone.
DEAF_DAEMON = '''#!{python}
import asyncio, os, signal, sys, time
import grpc
sys.path.insert(0, {tests!r})
from v1 import pb

HEARD = {heard!r}
members = []
ids = iter(range(1, 1000000))

async def connect(requests, context):
    inbox = asyncio.Queue()

    async def read():
        user = None
        async for request in requests:
            if request.WhichOneof("event") == "hello":
                user = request.hello.user
                inbox.put_nowait(pb.ConnectResponse(welcome=pb.Welcome(
                    user=user, room="lobby", epoch="e", max_text=4096, max_unacknowledged=64)))
                members.append(inbox)  # behind its welcome, which has to come first
                continue
            said = pb.Message(id=next(ids), user=user, text=request.send.text,
                              client_id=request.send.client_id, time_ms=int(time.time() * 1000))
            if user in HEARD:
                for member in members:
                    member.put_nowait(pb.ConnectResponse(messages=[said]))
            inbox.put_nowait(pb.ConnectResponse(
                acks=[pb.Ack(client_id=said.client_id, id=said.id)]))
        inbox.put_nowait(None)

    reader = asyncio.ensure_future(read())
    while True:
        response = await inbox.get()
        if response is None:
            return
        await context.write(response)

async def main():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
        "chatroom.v1.ChatroomService", {{"Connect": grpc.stream_stream_rpc_method_handler(
            connect, pb.ConnectRequest.FromString, pb.ConnectResponse.SerializeToString)}})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"Listening on 127.0.0.1:{{port}}", file=sys.stderr, flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(None)

asyncio.run(main())
'''


def demo(build=BUILD, environment=None, **arguments):
    return subprocess.run([*DEMO, build], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=3 * DEADLINE, check=False,
                          env={**os.environ, **(environment or {})}, **arguments)


def with_deaf_daemon(heard, lines):
    with tempfile.TemporaryDirectory(prefix="chatroom-") as directory:
        os.mkdir(os.path.join(directory, "service"))
        os.symlink(os.path.join(BUILD, "client"), os.path.join(directory, "client"))
        path = os.path.join(directory, "service", "chatroomd")
        with open(path, "w", encoding="utf-8") as f:
            f.write(DEAF_DAEMON.format(python="/usr/bin/python3", heard=heard,
                                       tests=os.path.dirname(os.path.abspath(__file__))))
        os.chmod(path, 0o755)
        return demo(directory, {"CHATROOM_DEMO_PATIENCE": "2"}, input=lines)


def said(output):
    return [re.fullmatch(r"\d\d:\d\d <(\S+)> (.*)", line).groups() for line in output.splitlines()]


def test_lines_from_a_pipe_are_answered():
    done = demo(input="hello\nworld\n\n//me waves\nno newline at the end")
    assert done.returncode == 0, done.stderr
    assert said(done.stdout) == [("echo", text) for text in
                                 ("hello", "world", "/me waves", "no newline at the end")]


def test_many_lines_are_all_answered_in_order():
    lines = [f"line {i}" for i in range(300)]
    done = demo(input="\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert said(done.stdout) == [("echo", line) for line in lines]


def test_no_lines_at_all_are_fine():
    done = demo(input="")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_line_that_cannot_be_sent_is_a_failure():
    done = demo(input="/no-such-command\n")
    assert done.returncode != 0
    assert "no-such-command" in done.stderr


@pytest.mark.parametrize("lines", ["", "hello\n"])
def test_a_daemon_that_relays_nothing_is_noticed(lines):
    done = with_deaf_daemon([], lines)
    assert done.returncode != 0
    assert "does not relay" in done.stderr


@pytest.mark.parametrize("heard", [["host", "echo"], ["host", "you"]])
def test_a_daemon_that_relays_for_some_only_is_noticed(heard):
    done = with_deaf_daemon(heard, "hello\n")
    assert done.returncode != 0
    assert "does not relay" in done.stderr


def test_the_deaf_daemon_is_no_worse_than_that():
    """When it hears everybody, the demonstration works: the tests above test what they say."""
    done = with_deaf_daemon(["host", "echo", "you"], "hello\n")
    assert done.returncode == 0, done.stderr
    assert said(done.stdout) == [("echo", "hello")]


def test_a_daemon_that_does_not_start_is_noticed():
    with tempfile.TemporaryDirectory(prefix="chatroom-") as directory:
        os.mkdir(os.path.join(directory, "service"))
        os.symlink("/bin/false", os.path.join(directory, "service", "chatroomd"))
        done = demo(directory, input="")
    assert done.returncode != 0
    assert "did not start" in done.stderr


def test_on_a_terminal_one_talks():
    master, slave = pty.openpty()
    with subprocess.Popen([*DEMO, BUILD], stdin=slave, stdout=slave, stderr=slave,
                          start_new_session=True,
                          env={**os.environ, "NO_COLOR": "1"}) as process:
        os.close(slave)
        output = b""
        done = threading.Timer(DEADLINE, process.kill)
        done.start()
        typed = [b"hello\n", b"\x04"]
        waiting_for = [b"echo, who answers", b"<echo> hello"]
        try:
            while True:
                try:
                    data = os.read(master, 4096)
                except OSError:  # the other side is closed
                    break
                output += data
                if waiting_for and waiting_for[0] in output:
                    waiting_for.pop(0)
                    os.write(master, typed.pop(0))
        finally:
            done.cancel()
            os.close(master)
    assert process.returncode == 0, output.decode(errors="replace")
    assert not waiting_for, output.decode(errors="replace")
