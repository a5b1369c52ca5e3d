# SPDX-License-Identifier: MIT
"""chat as people and scripts use it: the real program, on pipes and on a terminal, in a room that
is played by v1_server.py, which was written from the protocol's text. Lost connections are in
test_chat_reconnect.py, commands in test_chat_commands.py, tokens in test_chat_tokens.py; what it
does with the daemon is in test_chat_daemon.py."""
import json
import os
import re
import signal
import socket
import time

import grpc
import pytest

from chat_fixtures import (alices_token, chat, closed_port, server, start,  # noqa: F401
                           token)
from chat_program import DEADLINE, LINE, Chat, Stream, TerminalChat
from v1_server import V1Server, field, raw_message

HOSTILE = b"\x1b[2J\x1b]0;owned\x07a\x00b\rc\x9b31m\xc2\x9b1m\xff\xe2\x80\xaed\x7f"


# Pipes


def test_each_line_is_a_message_and_the_end_of_the_input_leaves(chat, server):
    c = chat()
    c.type("one\n\ntwo words\r\nthree, without a newline")
    assert c.end() == 0
    assert server.heard == [("alice", "one"), ("alice", "two words"),
                            ("alice", "three, without a newline")]
    assert server.left == ["alice"]
    assert c.out.bytes == b"" and c.err.bytes == b""


def test_what_others_say_is_printed_as_it_comes_a_line_each(chat, server):
    c = chat()
    server.wait_joined()
    server.say("bob", "hello, alice")
    c.out.wait_for("hello, alice\n")
    server.say("bob", "first\nsecond")
    c.out.wait_for("second\n")
    assert c.end() == 0
    assert c.said == [("bob", "hello, alice"), ("bob", "first␊second")]
    assert c.err.bytes == b""


def test_what_stands_before_the_servers_ok_is_printed(chat, server):
    c = chat()
    server.wait_joined()
    for i in range(500):
        server.say("bob", f"{i}")
    c.type("bye\n")
    assert c.end() == 0
    assert c.said == [("bob", f"{i}") for i in range(500)]


def test_many_lines_arrive_all_and_in_order(chat, server):
    c = chat()
    lines = [f"line {i}" for i in range(3000)]
    c.type("\n".join(lines))
    assert c.end() == 0
    assert [text for _, text in server.heard] == lines


def test_lingering_prints_answers_that_come_after_the_end_of_the_input(chat, server):
    c = chat("--linger", "10m")
    c.type("hello\n")
    c.process.stdin.close()
    server.wait_heard(("alice", "hello"))
    server.say("echo", "hello yourself")
    c.out.wait_for("<echo> hello yourself\n")
    assert server.left == []
    c.process.send_signal(signal.SIGTERM)
    assert c.wait() == 128 + signal.SIGTERM
    assert server.left == ["alice"]


def test_lingering_ends(chat, server):
    c = chat("--linger", "300ms")
    c.type("hello\n")
    begin = time.monotonic()
    assert c.end() == 0
    assert time.monotonic() - begin >= 0.3


def test_json_is_exact_and_a_line_each_as_they_come(chat, server):
    c = chat("--json")
    server.wait_joined()
    texts = ['say "hi"\\\n\ttab', "Grüße 👩\u200d💻 \u202e", "a\x00b\x1b[2J\x7f\x9b", ""]
    for text in texts:
        c.out.wait_for(f'"id":{server.say("bob", text)},')
    assert c.end() == 0
    objects = [o for o in c.objects if o["type"] == "message"]
    assert [o["text"] for o in objects] == texts
    assert [o["id"] for o in objects] == [1, 2, 3, 4]
    assert {o["user"] for o in objects} == {"bob"}
    assert all(abs(o["time"] / 1000 - time.time()) < 3600 for o in objects)
    assert re.fullmatch(rb"[\n -~]*", c.out.bytes), "JSON is printed in ASCII"


def test_a_program_can_answer_line_by_line(chat, server):
    c = chat("--json")
    server.wait_joined()
    for i in range(5):
        server.say("bob", f"question {i}")
        c.out.wait_for(f"question {i}")
        c.type(f"answer {i}\n")
        server.wait_heard(("alice", f"answer {i}"))
    assert c.end() == 0


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_hostile_bytes_reach_the_output_as_text(chat, server, json_option):
    c = chat(*json_option)
    server.wait_joined()
    server.say_raw(raw_message(1, b"bob\x1b[1m\n", HOSTILE))
    c.out.wait_for("d")
    assert c.end() == 0
    c.out.bytes.decode()  # valid UTF-8
    printed = c.lines[-1]
    assert c.out.text.count("owned") == 1 and "owned" in printed
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)
    if json_option:
        assert json.loads(printed)["user"] == "bob\x1b[1m\n"
    else:
        assert "␛[2J␛]0;owned␇a␀b␍c\ufffd31m<U+009B>1m\ufffd<U+202E>d␡" in printed


def test_bytes_that_are_no_message_end_the_session(chat, server):
    c = chat()
    server.wait_joined()
    server.say_raw(b"\x0a\xff\xff")
    assert c.wait() == 4
    assert "not a chat message" in c.err.text


def test_unknown_fields_from_a_newer_server_are_ignored(chat, server):
    c = chat()
    server.wait_joined()
    server.say_raw(raw_message(1, b"bob", b"hello") + field(99, b"new"))
    c.out.wait_for("hello\n")
    assert c.end() == 0
    assert c.said == [("bob", "hello")]


@pytest.mark.parametrize("wrong, why", [
    (b"x" * 4097, "longer than 4096 bytes"),
    (b"x" * 100000, "longer than 4096 bytes"),
    (b"\xff\xfe", "not UTF-8"),
    (b"a\x1b[2J", "control characters"),
    (b"a\x00b", "control characters"),
    (b"a\xc2\x85b", "control characters"),
    (b"/unknown secret", "no command /unknown"),
    (b"/quit now", "/quit takes nothing"),
], ids=["long", "very-long", "not-utf8", "escape", "nul", "c1", "unknown", "argument"])
def test_a_line_that_cannot_be_sent_is_told_of_and_the_others_are_sent(chat, server, wrong, why):
    c = chat()
    c.type(b"before\n" + wrong + b"\nafter\n")
    assert c.end() == 1
    assert [text for _, text in server.heard] == ["before", "after"]
    assert "line 2" in c.err.text and why in c.err.text
    assert "secret" not in c.err.text


def test_the_longest_text_is_sent(chat, server):
    c = chat()
    c.type("x" * 4096 + "\n//" + "y" * 4095 + "\r\n" + "z" * 4096)
    assert c.end() == 0
    assert [text for _, text in server.heard] == ["x" * 4096, "/" + "y" * 4095, "z" * 4096]


def test_two_slashes_send_one_and_quit_leaves(chat, server):
    c = chat()
    c.type("//etc/passwd\n/quit\nnot sent any more\n")
    assert c.wait() == 0
    assert server.heard == [("alice", "/etc/passwd")]
    assert server.left == ["alice"]


def test_nobody_reading_the_output_ends_it_without_a_word(chat, server):
    reader, writer = os.pipe()
    c = chat(stdout=writer)
    os.close(writer)
    server.wait_joined()
    c.type("hello\n")
    server.wait_heard(("alice", "hello"))
    os.close(reader)
    assert c.wait() == 128 + signal.SIGPIPE
    assert c.err.bytes == b""
    assert server.left == ["alice"]


def test_an_output_that_is_not_read_does_not_keep_from_leaving(chat, server):
    reader, writer = os.pipe()
    c = chat(stdout=writer)
    os.close(writer)
    server.wait_joined()
    for _ in range(200):
        server.say("bob", "x" * 4000)
    c.type("still here\n")
    server.wait_heard(("alice", "still here"))
    c.process.send_signal(signal.SIGINT)
    assert c.wait() == 130
    os.close(reader)


def test_an_output_that_is_read_late_gets_everything(chat, server):
    reader, writer = os.pipe()
    c = chat(stdout=writer)
    os.close(writer)
    server.wait_joined()
    for i in range(200):
        server.say("bob", f"{i:04000}")
    c.type("done\n")
    server.wait_heard(("alice", "done"))
    c.process.stdin.close()
    out = Stream(reader)
    assert c.wait() == 0
    out.wait_end()
    os.close(reader)
    assert [int(LINE.match(line)[2]) for line in out.text.splitlines()] == list(range(200))


def test_a_full_disk_is_an_error(chat, server):
    with open("/dev/full", "wb") as full:
        c = chat(stdout=full)
    server.wait_joined()
    server.say("bob", "hello")
    assert c.wait() == 1
    assert "No space left" in c.err.text


# How sessions end


@pytest.mark.parametrize("code, status", [
    (grpc.StatusCode.UNAUTHENTICATED, 5),
    (grpc.StatusCode.PERMISSION_DENIED, 5),
    (grpc.StatusCode.ABORTED, 6),
    (grpc.StatusCode.INVALID_ARGUMENT, 4),
    (grpc.StatusCode.ALREADY_EXISTS, 4),
])
def test_the_server_ends_the_session_and_says_why(chat, server, code, status):
    c = chat()
    server.wait_joined()
    server.end(code, "because\x1b[2J of this")
    assert c.wait() == status
    assert c.err.bytes.count(b"\n") == 1
    assert "because␛[2J of this" in c.err.text and code.name in c.err.text


def test_an_end_that_nobody_asked_for_is_no_success(chat, server):
    c = chat()
    server.wait_joined()
    server.end()
    assert c.wait() == 4
    assert "ended" in c.err.text


def test_a_wrong_token_is_refused(start, server, tmp_path):
    path = tmp_path / "wrong"
    path.write_text("wrong")
    path.chmod(0o600)
    c = start("--token-file", str(path), f"alice@127.0.0.1:{server.port}")
    assert c.wait() == 5
    assert c.err.text == "chat: not admitted: unknown token (UNAUTHENTICATED)\n"
    assert server.heard == []


def test_a_server_of_something_else(start, token):
    server = grpc.server(None, options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    c = start("--token-file", token, f"127.0.0.1:{port}")
    assert c.wait() == 4
    assert "not a chatroom" in c.err.text
    server.stop(None).wait()


# No session at all


def test_nothing_listens(start, token):
    c = start("--token-file", token, f"127.0.0.1:{closed_port()}")
    assert c.wait() == 3
    assert c.err.text.startswith("chat: cannot connect to 127.0.0.1:")
    assert "nothing listens there" in c.err.text
    assert c.err.text.count("\n") == 1


def test_an_unknown_host(start, token):
    c = start("--token-file", token, "host.invalid")
    assert c.wait() == 3
    assert "cannot connect to host.invalid:50051: no host of that name" in c.err.text


def test_an_ipv6_address(start, token):
    try:
        server = V1Server("[::1]:0")
    except RuntimeError:
        pytest.skip("no IPv6 on this machine")
    c = start("--token-file", token, f"alice@[::1]:{server.port}")
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("alice", "hello")]
    server.stop()


def test_nobody_answers(start, token):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        c = start("--connect-timeout", "200ms", "--token-file", token,
                  f"127.0.0.1:{listener.getsockname()[1]}")
        assert c.wait() == 3
    assert "does not answer" in c.err.text and "allow" in c.err.text and "tailscale" in c.err.text


def test_the_other_end_hangs_up(start, token):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        c = start("--token-file", token, f"127.0.0.1:{listener.getsockname()[1]}")
        listener.accept()[0].close()
        assert c.wait() == 3
    assert "hung up" in c.err.text and "allow" in c.err.text


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"HTTP/1.1 400 No\r\n\r\n"],
                         ids=["ssh", "http"])
def test_something_else_answers(start, token, greeting):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        c = start("--token-file", token, f"127.0.0.1:{listener.getsockname()[1]}")
        connection, _ = listener.accept()
        connection.sendall(greeting)
        assert c.wait() == 3
        connection.close()
    assert c.err.text.startswith("chat: cannot connect to")
    assert c.err.text.endswith("not a chatroom. Is this its port?\n")


def test_grpc_is_not_heard_unless_asked_for(chat, server):
    c = chat(environment={"GRPC_TRACE": "no-such-thing"})
    assert c.end() == 0
    assert c.err.bytes == b""
    c = chat(environment={"GRPC_TRACE": "no-such-thing", "GRPC_VERBOSITY": "ERROR"})
    assert c.end() == 0
    assert "no-such-thing" in c.err.text


def test_a_proxy_for_the_web_is_not_used(chat, server):
    c = chat(environment={"http_proxy": f"http://127.0.0.1:{closed_port()}"})
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("alice", "hello")]


@pytest.mark.parametrize("arguments, why", [
    ([], "no HOST"),
    (["a", "b"], "one HOST"),
    (["--token", "token1", "host"], "--token-file"),
    (["--tokens", "host"], "no option"),
    (["--token-file"], "needs a value"),
    (["--linger", "soon", "host"], "not a time"),
    (["--connect-timeout", "0", "host"], "longer than 0"),
    (["host:0"], "not a port"),
    (["::1"], "brackets"),
    (["@host"], "user"),
])
def test_wrong_usage(start, arguments, why):
    c = start(*arguments)
    assert c.wait() == 2
    assert why in c.err.text and "chat --help" in c.err.text
    assert c.out.bytes == b""


def test_help_and_version(start):
    c = start("--help")
    assert c.wait() == 0
    for word in ["--token-file", "CHAT_TOKEN_FILE", "--json", "--linger", "/quit", "Exit status",
                 "cannot connect", "kicked", "chat send", "chat tail", "chat who", "--since",
                 "--forget", "--insecure-network", "--no-reconnect"]:
        assert word in c.out.text
    assert max(len(line) for line in c.lines) <= 80
    c = start("--version")
    assert c.wait() == 0
    assert re.fullmatch(r"chat \d+\.\d+\.\d+\n", c.out.text)


# Tokens


def test_the_token_file_may_be_named_by_the_environment(start, server, token):
    c = start(f"alice@127.0.0.1:{server.port}", environment={"CHAT_TOKEN_FILE": token})
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("alice", "hello")]


def test_who_says_no_name_is_who_is_logged_in(start, server, token):
    c = start("--token-file", token, f"127.0.0.1:{server.port}", environment={"USER": "carol"})
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("carol", "hello")]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_token_file_that_others_can_read_is_refused(start, server, token, mode):
    os.chmod(token, mode)
    c = start("--token-file", token, f"alice@127.0.0.1:{server.port}")
    assert c.wait() == 1
    assert "can be read by others" in c.err.text and "chmod 600" in c.err.text
    assert not server.members


@pytest.mark.parametrize("content, why", [
    ("", "holds no token"), ("\n", "holds no token"), ("one\ntwo\n", "more than one line"),
    ("a\x00b", "more than one line"), ("x" * 5000, "too long")],
    ids=["empty", "newline", "two-lines", "nul", "long"])
def test_a_file_that_holds_no_token(start, tmp_path, content, why):
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    c = start("--token-file", str(path), "alice@127.0.0.1:1")
    assert c.wait() == 1
    assert why in c.err.text


def test_a_token_file_that_is_not_there(start, tmp_path):
    c = start("--token-file", str(tmp_path / "none"), "host")
    assert c.wait() == 1
    assert "cannot open" in c.err.text
    c = start("--token-file", str(tmp_path), "host")
    assert c.wait() == 1
    assert "is a directory" in c.err.text


def test_without_a_terminal_there_is_nobody_to_ask(start):
    c = start("host")
    assert c.wait() == 2
    assert "--token-file" in c.err.text


# Terminals


@pytest.fixture
def terminal(start, server):
    """chat on a terminal; the token is typed when it is asked for."""

    def terminal(*arguments, **more):
        c = start(*arguments, f"alice@127.0.0.1:{server.port}", kind=TerminalChat, **more)
        c.out.wait_for("Token of alice at 127.0.0.1: ")
        assert not c.echoes
        return c

    return terminal


def test_the_token_is_typed_unseen(terminal, server):
    c = terminal()
    c.type("token2\n")
    c.out.wait_for("Remember this token for alice@127.0.0.1:")
    assert c.echoes
    c.type("\n")
    c.err.wait_for("in the room at 127.0.0.1:")
    server.wait_joined()
    c.type("hello\n")
    server.wait_heard(("alice", "hello"))
    c.type("\x04")  # Ctrl-D
    assert c.wait() == 0
    assert "token2" not in c.out.text and "token2" not in c.err.text
    assert "as alice" in c.err.text


@pytest.mark.parametrize("key, status", [("\x03", 130), ("\x04", 1), ("\n", 1)])
def test_a_prompt_that_is_not_answered_leaves_the_terminal_as_it_was(terminal, key, status):
    c = terminal()
    c.type(key)
    assert c.wait() == status
    assert c.echoes_after


def test_a_signal_at_the_prompt_leaves_the_terminal_as_it_was(terminal):
    c = terminal()
    c.process.send_signal(signal.SIGTERM)
    assert c.wait() == 128 + signal.SIGTERM
    assert c.echoes_after


@pytest.fixture
def talking(chat, server):
    """chat on a terminal, in the room."""
    c = chat(kind=TerminalChat, environment={"TERM": "dumb"})
    server.wait_joined()
    c.err.wait_for("as alice")
    return c


def test_commands_on_a_terminal(talking, server):
    talking.type("/msg bob my password\n")
    talking.err.wait_for("no command /msg")
    talking.type("/help\n")
    talking.err.wait_for("//TEXT")
    talking.type("//slash\n")
    server.wait_heard(("alice", "/slash"))
    talking.type("/quit\n")
    assert talking.wait() == 0
    assert server.heard == [("alice", "/slash")]
    assert "password" not in talking.err.text


def test_what_a_terminal_may_have_cut_off_is_not_sent(talking, server):
    """The kernel drops what is beyond 4095 bytes of a line, without a word."""
    talking.type("x" * 4094 + "\n")
    server.wait_heard(("alice", "x" * 4094))
    talking.type("y" * 5000 + "\n")
    talking.err.wait_for("not sent: terminals cut longer lines off")
    talking.type("after\n")
    server.wait_heard(("alice", "after"))
    assert [text[0] for _, text in server.heard] == ["x", "a"]


def test_on_a_terminal_the_lines_of_a_message_stand_below_each_other(talking, server):
    server.say("bob", "first\n12:00 <carol> second")
    talking.out.wait_for("second")
    talking.type("/quit\n")
    assert talking.wait() == 0
    lines = talking.out.text.replace("\r", "").splitlines()
    at = next(i for i, line in enumerate(lines) if "first" in line)
    assert LINE.match(lines[at]).groups() == ("bob", "first")
    assert lines[at + 1] == "      12:00 <carol> second"


def test_hostile_bytes_do_nothing_to_a_terminal(talking, server):
    server.say_raw(raw_message(1, b"bob", HOSTILE))
    talking.out.wait_for("d␡")
    talking.type("/quit\n")
    assert talking.wait() == 0
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", talking.out.bytes)


@pytest.mark.parametrize("environment, coloured", [
    ({"TERM": "xterm"}, True),
    ({"TERM": "dumb"}, False),
    ({"TERM": "xterm", "NO_COLOR": "1"}, False),
])
def test_names_have_colours_on_a_terminal_that_has_them(chat, server, environment, coloured):
    c = chat(kind=TerminalChat, environment={"NO_COLOR": "", **environment})
    server.wait_joined()
    server.say("bob", "hello")
    c.out.wait_for("hello")
    c.type("/quit\n")
    assert c.wait() == 0
    assert bool(re.search(r"<\x1b\[3[1-6]mbob\x1b\[0m> hello", c.out.text)) == coloured
    assert ("\x1b" in c.out.text) == coloured


def test_who_leaves_waits_for_the_servers_word_and_is_told(talking, server):
    server.confirming.clear()
    talking.type("/quit\n")
    talking.err.wait_for("waiting for the server to confirm")
    assert talking.process.poll() is None
    server.say("bob", "still here?")
    talking.out.wait_for("still here?")
    server.confirming.set()
    assert talking.wait() == 0


def test_who_does_not_want_to_wait_for_it_need_not(talking, server):
    server.confirming.clear()
    talking.type("/quit\n")
    talking.err.wait_for("waiting for the server to confirm")
    talking.type("\x03")
    assert talking.wait() == 130
    server.confirming.set()


def test_ctrl_c_takes_leave(talking, server):
    talking.type("\x03")
    assert talking.wait() == 130
    assert server.left == ["alice"]
    assert "chat:" not in talking.err.text


def test_ctrl_c_while_connecting(start, token):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        c = start("--token-file", token, f"alice@127.0.0.1:{listener.getsockname()[1]}",
                  kind=TerminalChat)
        connection, _ = listener.accept()
        c.type("\x03")
        assert c.wait() == 130
        connection.close()
    assert c.err.bytes == b""


def test_a_refusal_on_a_terminal(terminal):
    c = terminal()
    c.type("wrong\n")
    assert c.wait() == 5
    assert "not admitted" in c.err.text
