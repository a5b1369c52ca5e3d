# SPDX-License-Identifier: MIT
"""chat send, chat tail, chat who: what scripts use."""
import signal
import time

import grpc
import pytest

from chat_fixtures import (alices_token, chat, server, start, token)  # noqa: F401
from chat_program import TerminalChat
from v1_server import pb

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
HOUR_MS = 3600 * 1000


@pytest.fixture
def run(start, server, token):
    """Starts a command at the server; what follows the target is `behind`."""
    def run(command, *options, behind=(), file=token, **more):
        return start(command, "--token-file", file, *options, f"alice@127.0.0.1:{server.port}",
                     *behind, **more)

    return run


# send


@pytest.mark.parametrize("words, text", [
    (["hello"], "hello"),
    (["hello,", "world"], "hello, world"),
    (["--", "-5", "degrees"], "-5 degrees"),
    (["the", "option", "--json"], "the option --json"),
    (["/quit"], "/quit"),
    (["-", "-"], "- -"),
    (["first\nsecond\tcolumn"], "first\nsecond\tcolumn"),
    (["Grüße 👩\u200d💻"], "Grüße 👩\u200d💻"),
])
def test_a_text_is_one_message(run, server, words, text):
    c = run("send", behind=words)
    assert c.wait() == 0
    assert server.heard == [("alice", text)]
    assert server.left == ["alice"]
    assert c.out.bytes == b"" and c.err.bytes == b""


@pytest.mark.parametrize("behind", [[], ["-"]])
def test_each_line_of_the_input_is_a_message_whatever_it_begins_with(run, server, behind):
    c = run("send", behind=behind)
    c.type("/quit\n//etc\n\none more\r\nlast")
    assert c.end() == 0
    assert server.heard == [("alice", t) for t in ["/quit", "//etc", "one more", "last"]]


def test_lines_are_sent_as_they_come(run, server):
    c = run("send", behind=["-"])
    for i in range(3):
        c.type(f"{i}\n")
        server.wait_heard(("alice", f"{i}"))
    assert c.end() == 0


def test_nothing_of_the_room_is_printed(run, server):
    server.say("bob", "old")
    c = run("send", behind=["-"])
    server.wait_joined()
    server.say("bob", "new")
    c.type("hello\n")
    assert c.end() == 0
    assert c.out.bytes == b""


def test_a_restart_in_the_middle_loses_nothing_and_says_nothing_twice(run, server):
    c = run("send", behind=["-"])
    c.type("0\n")
    server.wait_heard(("alice", "0"))
    for i in range(1, 100):
        c.type(f"{i}\n")
        if i % 25 == 0:
            server.restart()
    assert c.end() == 0
    assert server.heard == [("alice", f"{i}") for i in range(100)]
    assert all(len(ids) == 1 for ids in server.ids.values())


def test_it_fails_when_something_was_not_taken(run, server):
    server.notices = [(grpc.StatusCode.INVALID_ARGUMENT, "Not here.")]
    c = run("send", behind=["hello"])
    assert c.wait() == 1
    assert c.err.text == "chat: not taken: Not here. (INVALID_ARGUMENT)\n"


def test_it_fails_when_it_is_not_acknowledged(run, server):
    server.mute = True
    c = run("send", "--no-reconnect", behind=["hello"])
    server.wait_for(lambda: server.outgoing)
    server.end(UNAVAILABLE, "gone")
    assert c.wait() == 4
    assert "1 message was not acknowledged" in c.err.text


@pytest.mark.parametrize("wrong, why", [
    ("x" * 4097, "longer than 4096 bytes"), ("a\x1bb", "control characters")])
def test_it_fails_when_something_cannot_be_sent(run, server, wrong, why):
    c = run("send", behind=[wrong])
    assert c.wait() == 1
    assert why in c.err.text
    c = run("send", behind=["-"])
    c.type(f"one\n{wrong}\ntwo\n")
    assert c.end() == 1
    assert "line 2 " in c.err.text and why in c.err.text
    assert server.heard == [("alice", "one"), ("alice", "two")]


def test_the_length_of_a_text_is_the_servers(run, server):
    server.max_text = 10
    c = run("send", behind=["-"])
    c.type("0123456789\n01234567890\n")
    assert c.end() == 1
    assert "longer than 10 bytes" in c.err.text
    assert server.heard == [("alice", "0123456789")]


def test_json_tells_what_became_of_each(run, server):
    c = run("send", "--json", behind=["hello"])
    assert c.wait() == 0
    sent = [o for o in c.objects if o["type"] == "sent"]
    assert [(o["id"], o["text"], o["client_id"]) for o in sent] == \
        [(1, "hello", server.outgoing[0][1])]


def test_who_types_is_asked_to_say_so(run):
    c = run("send", kind=TerminalChat)
    assert c.wait() == 2
    assert "nothing to send" in c.err.text


# tail


def lines(c):
    return [text for _, text in c.said]


@pytest.mark.parametrize("file", ["open", "bound"])
def test_the_last_messages(run, server, token, alices_token, file):
    for i in range(60):
        server.say("bob", f"{i}")
    c = run("tail", file=token if file == "open" else alices_token)
    assert c.wait() == 0
    assert lines(c) == [f"{i}" for i in range(10, 60)]
    kind = pb.Hello if file == "open" else pb.SubscribeRequest
    assert isinstance(server.hellos[-1][1], kind)
    assert c.err.bytes == b""


@pytest.mark.parametrize("n, expected", [(0, []), (1, ["8"]), (3, ["6", "7", "8"]),
                                         (100, [str(i) for i in range(9)])])
def test_the_last_so_many_messages(run, server, n, expected):
    for i in range(9):
        server.say("bob", f"{i}")
    c = run("tail", "-n", f"{n}")
    assert c.wait() == 0
    assert lines(c) == expected


def test_a_room_without_messages(run, server):
    for arguments in ([], ["--since", "5"], ["--since", "1h"]):
        c = run("tail", *arguments)
        assert c.wait() == 0
        assert c.out.bytes == b""


def test_a_room_whose_messages_are_all_forgotten(run, server):
    server.say("bob", "old")
    server.trim(2)
    for arguments in ([], ["--since", "0"], ["--since", "1h"]):
        c = run("tail", *arguments)
        assert c.wait() == 0
        assert c.out.bytes == b""


@pytest.mark.parametrize("file", ["open", "bound"])
@pytest.mark.parametrize("since, expected", [("0", "0123456789"), ("7", "789"), ("9", "9"),
                                             ("10", ""), ("99", "")])
def test_what_came_behind_an_id(run, server, token, alices_token, file, since, expected):
    for i in range(10):
        server.say("bob", f"{i}")
    c = run("tail", "--since", since, file=token if file == "open" else alices_token)
    assert c.wait() == 0
    assert "".join(lines(c)) == expected


def test_what_is_not_kept_any_more_is_told_of(run, server):
    for i in range(10):
        server.say("bob", f"{i}")
    server.trim(6)
    c = run("tail", "--since", "2")
    assert c.wait() == 0
    assert lines(c) == ["5", "6", "7", "8", "9"]
    assert c.err.text == "-- 3 messages missed\n"


@pytest.mark.parametrize("ages, expected", [
    ([], 0),
    ([3, 2], 0),
    ([0.5, 0.1], 2),
    ([3] * 5000 + [0.5] * 3, 3),
    ([3] * 10 + [0.5] * 5000, 5000),
    ([0.5] * 5000, 5000),
])
def test_what_came_since_a_time(run, server, ages, expected):
    now = int(time.time() * 1000)
    for i, age in enumerate(ages):
        server.say("bob", f"{i}", time_ms=now - int(age * HOUR_MS))
    c = run("tail", "--json", "--since", "1h")
    assert c.wait() == 0
    texts = [o["text"] for o in c.objects if o["type"] == "message"]
    assert texts == [f"{i}" for i in range(len(ages) - expected, len(ages))]
    assert [o["type"] for o in c.objects].count("welcome") == 1


def test_a_time_before_what_is_kept(run, server):
    for i in range(600):
        server.say("bob", f"{i}", time_ms=1000 + i)
    server.trim(301)
    c = run("tail", "--json", "--since", "1970-01-01")
    assert c.wait() == 0
    texts = [o["text"] for o in c.objects if o["type"] == "message"]
    assert texts == [f"{i}" for i in range(300, 600)]
    assert "gap" not in {o["type"] for o in c.objects}


def test_following(run, server):
    server.say("bob", "old")
    c = run("tail", "-f", "-n", "1")
    c.out.wait_for("old")
    server.say("bob", "new")
    c.out.wait_for("new")
    server.restart()
    server.wait_hellos(2)
    server.say("bob", "newer")
    c.out.wait_for("newer")
    c.process.send_signal(signal.SIGTERM)
    assert c.wait() == 128 + signal.SIGTERM
    assert lines(c) == ["old", "new", "newer"]


def test_following_from_a_time_on(run, server):
    now = int(time.time() * 1000)
    for age in [3, 2, 0.5]:
        server.say("bob", f"{age}", time_ms=now - int(age * HOUR_MS))
    c = run("tail", "--follow", "--since", "1h")
    c.out.wait_for("<bob> 0.5")
    server.say("bob", "now")
    c.out.wait_for("now")
    c.process.send_signal(signal.SIGINT)
    assert c.wait() == 130
    assert [t.split()[-1] for t in c.lines] == ["0.5", "now"]


def test_following_until_nobody_reads_it(run, server):
    c = run("tail", "-f")
    server.wait_joined()
    c.process.stdout.close()
    server.say("bob", "hello")
    assert c.process.wait(30) in (128 + signal.SIGPIPE, 0)


def test_a_restart_while_reading(run, server, alices_token):
    for i in range(20):
        server.say("bob", f"{i}" + "x" * 3000)
    c = run("tail", "-f", file=alices_token)
    c.out.wait_for("19x")
    server.restart()
    server.wait_hellos(2)
    assert isinstance(server.hellos[1][1], pb.SubscribeRequest)
    assert server.hellos[1][1].resume.after_id == 20
    c.process.send_signal(signal.SIGTERM)
    c.wait()


def test_tail_does_not_read_the_input(run, server):
    server.say("bob", "hello")
    c = run("tail")
    c.type("not to be sent\n")
    assert c.wait() == 0
    assert server.heard == [("bob", "hello")]


def test_tail_with_a_wrong_token(start, server, tmp_path):
    path = tmp_path / "wrong"
    path.write_text("wrong")
    path.chmod(0o600)
    c = start("tail", "--token-file", str(path), f"127.0.0.1:{server.port}")
    assert c.wait() == 5
    assert "unknown token" in c.err.text


# who


def test_who_is_there_and_how_often(run, start, server, token, alices_token):
    for name in ["bob", "carol", "carol"]:
        start("--token-file", token, f"{name}@127.0.0.1:{server.port}")
    server.wait_joined(3)
    c = run("who", file=alices_token)
    assert c.wait() == 0
    assert c.out.text == "bob\t1\ncarol\t2\n"
    c = run("who", "--json", file=alices_token)
    assert c.wait() == 0
    assert c.objects == [{"type": "member", "user": "bob", "sessions": 1},
                         {"type": "member", "user": "carol", "sessions": 2}]


def test_nobody_is_there(run, alices_token):
    c = run("who", file=alices_token)
    assert c.wait() == 0
    assert c.out.bytes == b"" and c.err.bytes == b""


def test_who_needs_a_token_that_has_a_name(run):
    c = run("who")
    assert c.wait() == 5
    assert "bound to no name" in c.err.text


# The command line


@pytest.mark.parametrize("arguments, why", [
    (["send"], "no HOST"),
    (["tail"], "no HOST"),
    (["who"], "no HOST"),
    (["tail", "a", "b"], "one HOST"),
    (["who", "a", "b"], "one HOST"),
    (["send", "a", ""], "TEXT is empty"),
    (["--since", "5", "a"], "--since does not belong"),
    (["--follow", "a"], "--follow does not belong"),
    (["send", "-n", "5", "a", "b"], "-n does not belong"),
    (["tail", "--linger", "5", "a"], "--linger does not belong"),
    (["who", "--no-reconnect", "a"], "--no-reconnect does not belong"),
    (["tail", "--forget", "a"], "--forget does not belong"),
    (["tail", "-n", "5", "--since", "5", "a"], "not both"),
    (["tail", "-n", "x", "a"], "not a number"),
    (["tail", "-n", "5s", "a"], "not a number"),
    (["tail", "-n", "-1", "a"], "not a number"),
    (["tail", "--since", "yesterday", "a"], "neither an id nor a time"),
    (["tail", "--since", "", "a"], "neither an id nor a time"),
])
def test_wrong_usage(start, arguments, why):
    c = start(*arguments)
    assert c.wait() == 2
    assert why in c.err.text and "chat --help" in c.err.text
    assert c.out.bytes == b""


@pytest.mark.parametrize("target", ["who:1", "alice@who"])
def test_a_host_that_is_called_like_a_command(start, token, target):
    c = start("--connect-timeout", "1ms", "--token-file", token, target)
    assert c.wait() == 3
    assert "cannot connect to who:" in c.err.text


def test_options_may_stand_before_the_command(start, server, token):
    server.say("bob", "hello")
    c = start("--token-file", token, "--json", "tail", f"alice@127.0.0.1:{server.port}", "-n", "1")
    assert c.wait() == 0
    assert c.objects[-1]["text"] == "hello"
