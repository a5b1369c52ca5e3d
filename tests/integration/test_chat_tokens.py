# SPDX-License-Identifier: MIT
"""Where chat takes its token from, what it remembers, and where it sends none."""
import os
import stat

import grpc
import pytest

from chat_fixtures import (alices_token, chat, server, start, token)  # noqa: F401
from chat_program import Chat, TerminalChat


@pytest.fixture
def config(tmp_path):
    return tmp_path / "config"


@pytest.fixture
def at(start, server, config):
    """Starts chat without a token, at the server; on a terminal unless told otherwise."""
    def at(*arguments, user="alice", host="127.0.0.1", kind=TerminalChat, environment=None):
        return start(*arguments, f"{user}@{host}:{server.port}", kind=kind,
                     environment={"XDG_CONFIG_HOME": str(config), "TERM": "dumb",
                                  **(environment or {})})

    return at


def login(c, answer, token="token1"):
    c.out.wait_for("Token of ")
    c.type(f"{token}\n")
    c.out.wait_for("Remember this token for ")
    c.type(f"{answer}\n")
    c.err.wait_for("in the room")


def leave(c):
    c.type("/quit\n")
    assert c.wait() == 0


def tokens(config):
    return sorted(config.glob("chatroom/tokens/*"))


@pytest.mark.parametrize("answer", ["y", "Y", "yes"])
def test_a_token_that_was_typed_is_remembered_if_one_likes(at, server, config, answer):
    c = at()
    login(c, answer)
    server.wait_joined()
    leave(c)
    [path] = tokens(config)
    assert path.name == f"alice@127.0.0.1:{server.port}"
    assert path.read_text() == "token1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    c = at()
    c.err.wait_for("in the room")
    leave(c)
    assert "Token of" not in c.out.text and "Remember" not in c.out.text


@pytest.mark.parametrize("answer", ["", "n", "no", "yesterday"])
def test_and_not_otherwise(at, config, answer):
    c = at()
    login(c, answer)
    leave(c)
    assert not tokens(config)


def test_a_remembered_token_is_used_without_a_terminal_too(at, server, config):
    c = at()
    login(c, "y")
    leave(c)
    c = at(kind=Chat)
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("alice", "hello")]


def test_it_is_for_one_user_at_one_host_and_port(at, server, config):
    c = at()
    login(c, "y")
    leave(c)
    for other in [{"user": "bob"}, {"host": "localhost"}]:
        c = at(**other)
        c.out.wait_for("Token of ")
        c.type("\x03")
        assert c.wait() == 130


def test_a_wrong_token_is_not_offered_to_be_remembered(at, config):
    c = at()
    c.out.wait_for("Token of ")
    c.type("wrong\n")
    assert c.wait() == 5
    assert "Remember" not in c.out.text and not tokens(config)


def test_a_remembered_token_that_is_refused_says_how_to_forget_it(at, server, config):
    c = at()
    login(c, "y")
    leave(c)
    server.tokens.clear()
    c = at()
    assert c.wait() == 5
    assert f"chat --forget alice@127.0.0.1:{server.port}" in c.err.text
    c = at("--forget")
    assert c.wait() == 0
    assert not tokens(config)
    c = at("--forget")
    assert c.wait() == 1
    assert "no token is remembered" in c.err.text


def test_a_remembered_token_that_others_can_read_is_refused(at, config):
    c = at()
    login(c, "y")
    leave(c)
    tokens(config)[0].chmod(0o644)
    c = at()
    assert c.wait() == 1
    assert "can be read by others" in c.err.text


def test_a_file_that_is_named_goes_before_what_is_remembered(at, server, config, token):
    c = at()
    login(c, "y", "token2")
    leave(c)
    server.tokens = {"token1": "*"}
    c = at("--token-file", token)
    c.err.wait_for("in the room")
    leave(c)
    assert "Remember" not in c.out.text


def test_names_are_made_fit_for_files(at, config):
    c = at(user="../../é.x")
    login(c, "y")
    leave(c)
    [path] = tokens(config)
    assert path.name.startswith("%2E%2E%2F%2E%2E%2F%C3%A9%2Ex@127.0.0.1:")


def test_without_the_variable_it_is_below_the_home_directory(at, tmp_path):
    c = at(environment={"XDG_CONFIG_HOME": "", "HOME": str(tmp_path / "home")})
    (tmp_path / "home").mkdir()
    login(c, "y")
    leave(c)
    assert len(tokens(tmp_path / "home" / ".config")) == 1


def test_a_place_that_cannot_be_written_to_is_told_of(at, config):
    config.write_text("not a folder")
    c = at()
    login(c, "y")
    c.err.wait_for("the token is not remembered: cannot ")
    leave(c)


def test_ctrl_c_at_the_question_ends_it(at, config):
    c = at()
    c.out.wait_for("Token of ")
    c.type("token1\n")
    c.out.wait_for("Remember this token for ")
    c.type("\x03")
    assert c.wait() == 130
    assert not tokens(config)


def test_a_token_of_characters_that_no_header_holds(start, tmp_path):
    path = tmp_path / "token"
    path.write_bytes("tökén\n".encode())
    path.chmod(0o600)
    c = start("--token-file", str(path), "host")
    assert c.wait() == 1
    assert "characters that no token has" in c.err.text


# Networks. 0.0.0.0 is this machine to connect(), and a stranger to everybody else.


def test_a_token_is_not_sent_in_clear_to_a_public_address(start, server, token):
    for arguments in [[], ["send"], ["tail"], ["who"]]:
        c = start(*arguments, "--token-file", token, f"alice@0.0.0.0:{server.port}",
                  *(["x"] if arguments == ["send"] else []))
        assert c.wait() == 1
        assert "0.0.0.0: neither this machine nor on the tailnet" in c.err.text
        assert "--insecure-network" in c.err.text
    assert not server.hellos


def test_unless_one_says_so(start, server, token):
    c = start("--insecure-network", "--token-file", token, f"alice@0.0.0.0:{server.port}")
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("alice", "hello")]


@pytest.mark.parametrize("answer, hellos", [("y", 1), ("n", 0), ("", 0)])
def test_on_a_terminal_it_asks(start, server, token, answer, hellos):
    c = start("--token-file", token, f"alice@0.0.0.0:{server.port}", kind=TerminalChat)
    c.out.wait_for("Send it? [y/N]")
    c.type(f"{answer}\n")
    if hellos:
        c.err.wait_for("in the room")
        c.type("/quit\n")
    assert c.wait() == (0 if hellos else 1)
    assert len(server.hellos) == hellos


def test_who_said_so_is_not_asked_again_when_the_connection_is_lost(start, server, token):
    c = start("--token-file", token, f"alice@0.0.0.0:{server.port}", kind=TerminalChat)
    c.out.wait_for("Send it? [y/N]")
    c.type("y\n")
    c.err.wait_for("in the room")
    server.end(grpc.StatusCode.UNAVAILABLE, "restarting")
    c.err.wait_for("back in the room")
    c.type("/quit\n")
    assert c.wait() == 0
    assert c.out.text.count("Send it?") == 1


def test_a_name_is_tried_at_all_its_addresses(start, server, token):
    c = start("--token-file", token, f"alice@localhost:{server.port}")
    c.type("hello\n")
    assert c.end() == 0
    assert server.heard == [("alice", "hello")]


def test_what_is_remembered_is_nobodys_business(at, config):
    before = os.umask(0)
    try:
        c = at()
        login(c, "y")
        leave(c)
    finally:
        os.umask(before)
    assert stat.S_IMODE(tokens(config)[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700
