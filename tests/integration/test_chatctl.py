# SPDX-License-Identifier: MIT
"""What chatctl makes of answers, refusals and silence: the real program against the fake of
fake_admin.py, which plays the daemon's part by its contract. The two real ones are together in
test_operator.py."""
import concurrent.futures
import grp
import json
import os
import re
import socket as sockets
import tempfile
import time
import unicodedata

import grpc
import pytest

import harness
from ctl import chatctl, on_terminal
from fake_admin import HOUR_MS, FakeAdmin, pb
from fake_bus import FakeBus

GONE = "0123456789ab"  # a token's id
OTHER = "ba9876543210"


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="chatroom-") as path:
        os.chmod(path, 0o755)
        yield path


@pytest.fixture
def admin(directory):
    fake = FakeAdmin(os.path.join(directory, "control.sock"))
    yield fake
    fake.stop()


def now_ms():
    return time.time_ns() // 1000000


def two_users():
    return [pb.User(name="alice", sessions=[
                pb.Session(id=3, address="100.64.0.7:40000",
                           joined_ms=now_ms() - 2 * HOUR_MS - 5000, token_id=GONE,
                           protocol="seed", messages=12, lag=0),
                pb.Session(id=17, address="[fd7a:115c:a1e0::7]:40001",
                           joined_ms=now_ms() - 49 * HOUR_MS, token_id=GONE, protocol="v1")]),
            pb.User(name="Zoë", sessions=[
                pb.Session(id=9, address="127.0.0.1:5", joined_ms=now_ms() - 90500,
                           token_id=OTHER, protocol="seed", messages=1, lag=4096)])]


# users

def test_users_for_a_script_are_fields_separated_by_tabs(admin):
    admin.set("ListUsers", users=two_users())
    done = chatctl("users", socket=admin.path)
    assert done.status == 0 and done.err == ""
    assert done.rows == [
        ["alice", "@3", "100.64.0.7:40000", "2h ago", "seed", "12", "0", GONE],
        ["alice", "@17", "[fd7a:115c:a1e0::7]:40001", "2d ago", "v1", "0", "0", GONE],
        ["Zoë", "@9", "127.0.0.1:5", "90s ago", "seed", "1", "4096", OTHER]]


def test_users_as_json_have_every_field(admin):
    users = two_users()
    admin.set("ListUsers", users=users)
    done = chatctl("--json", "users", socket=admin.path)
    assert done.status == 0 and done.err == ""
    assert json.loads(done.out) == {"users": [
        {"name": user.name, "sessions": [
            {"id": s.id, "address": s.address, "joined_ms": s.joined_ms, "token_id": s.token_id,
             "protocol": s.protocol, "messages": s.messages, "lag": s.lag}
            for s in user.sessions]} for user in users]}


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_table_on_a_terminal_has_titles_and_fits(admin, columns):
    users = two_users()
    users[1].name = "とても長い名前の人" * 3
    admin.set("ListUsers", users=users)
    status, lines = on_terminal("users", socket=admin.path, columns=columns)
    assert status == 0
    assert re.match(r"USER +SESSI", lines[0])
    assert len(lines) == 4
    assert all(width(line) <= columns for line in lines), lines
    assert ("…" in "".join(lines)) == (columns < 200)
    for line, session in zip(lines[1:], ("@3", "@17", "@9")):
        assert session in line.split()


def test_nobody_in_the_room(admin):
    done = chatctl("users", socket=admin.path)
    assert (done.status, done.out) == (0, "")
    assert done.err == "Nobody is in the room.\n"
    done = chatctl("users", "--json", socket=admin.path)
    assert (done.status, json.loads(done.out), done.err) == (0, {"users": []}, "")


def test_text_from_users_cannot_control_the_terminal(admin):
    user = two_users()[1]
    user.name = "a\x1b[31m\u202eb\tc\nd"
    admin.set("ListUsers", users=[user])
    done = chatctl("users", socket=admin.path)
    assert done.rows[0][0] == "a␛[31m<U+202E>b␉c␊d"
    assert len(done.rows) == 1
    status, lines = on_terminal("users", "--json", socket=admin.path)
    assert status == 0
    assert json.loads("\n".join(lines))["users"][0]["name"] == user.name
    assert all(line.isascii() and line.isprintable() for line in lines)


# kick

def test_kick_says_how_many_sessions_it_ended(admin):
    admin.set("Kick", sessions=2)
    done = chatctl("kick", "bob", "--reason", "be nice", socket=admin.path)
    assert (done.status, done.out, done.err) == (0, "Kicked bob: 2 sessions\n", "")
    assert admin.last("Kick") == pb.KickRequest(user="bob", reason="be nice")
    admin.set("Kick", sessions=1)
    done = chatctl("kick", "@17", socket=admin.path)
    assert (done.status, done.out) == (0, "Kicked @17: 1 session\n")
    assert admin.last("Kick") == pb.KickRequest(session=17)
    done = chatctl("kick", "@17", "--json", socket=admin.path)
    assert (done.status, json.loads(done.out)) == (0, {"sessions": 1})


@pytest.mark.parametrize("session", ["@", "@x", "@-1", "@0", "@1x", "@1 ", "@18446744073709551616"])
def test_what_cannot_be_a_session_is_not_even_asked(admin, session):
    done = chatctl("kick", session, socket=admin.path)
    assert done.status == 2 and session in done.err and done.out == ""
    assert not admin.requests


def test_the_largest_session_is_one(admin):
    assert chatctl("kick", "@18446744073709551615", socket=admin.path).status == 0
    assert admin.last("Kick").session == 2**64 - 1


# revoke, unrevoke

def test_revoke_names_the_tokens(admin):
    admin.set("Revoke", token_ids=[GONE, OTHER], sessions=1)
    done = chatctl("revoke", "bob", socket=admin.path)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"Revoked 2 tokens of bob: {GONE}, {OTHER}\nEnded 1 session\n"
    assert admin.last("Revoke") == pb.RevokeRequest(user="bob")
    admin.set("Revoke", token_ids=[GONE])
    done = chatctl("revoke", "--token", GONE, socket=admin.path)
    assert (done.status, done.out) == (0, f"Revoked token {GONE}\nEnded 0 sessions\n")
    assert admin.last("Revoke") == pb.RevokeRequest(token_id=GONE)
    done = chatctl("revoke", "bob", "--json", socket=admin.path)
    assert json.loads(done.out) == {"token_ids": [GONE], "sessions": 0}


def test_unrevoke_names_the_tokens(admin):
    admin.set("Unrevoke", token_ids=[GONE])
    done = chatctl("unrevoke", "bob", socket=admin.path)
    assert (done.status, done.out, done.err) == (0, f"Unrevoked 1 token of bob: {GONE}\n", "")
    assert admin.last("Unrevoke") == pb.UnrevokeRequest(user="bob")
    done = chatctl("unrevoke", "--token", GONE, socket=admin.path)
    assert (done.status, done.out) == (0, f"Unrevoked token {GONE}\n")
    assert admin.last("Unrevoke") == pb.UnrevokeRequest(token_id=GONE)
    done = chatctl("unrevoke", "bob", "--json", socket=admin.path)
    assert json.loads(done.out) == {"token_ids": [GONE]}


# token …

def made(user="alice", **fields):
    token = pb.Token(id=GONE, user=user, created_ms=now_ms(), **fields)
    return {"secret": "s3cr3t", "token": token}


def test_a_new_token_is_all_there_is_on_standard_output(admin):
    admin.set("AddToken", **made())
    done = chatctl("token", "add", "alice", socket=admin.path)
    assert (done.status, done.out) == (0, "s3cr3t\n")
    assert admin.last("AddToken") == pb.AddTokenRequest(user="alice")
    assert GONE in done.err and "never" in done.err and "s3cr3t" not in done.err
    assert f"chat alice@{sockets.gethostname()}\n" in done.err


def test_on_a_terminal_a_new_token_stands_between_what_there_is_to_say(admin):
    admin.set("AddToken", **made())
    status, lines = on_terminal("token", "add", "alice", socket=admin.path)
    assert status == 0
    assert [bool(re.search(word, line)) for word, line in
            zip((GONE, "^s3cr3t$", "chat alice@"), lines, strict=True)] == [True] * 3


def test_label_and_time_of_a_new_token(admin):
    admin.set("AddToken", **made(expires_ms=now_ms() + 30 * 24 * HOUR_MS + 5000))
    done = chatctl("token", "add", "alice", "--label", "her phone", "--expires", "30d",
                   socket=admin.path)
    assert done.status == 0 and "in 30d" in done.err
    assert admin.last("AddToken") == pb.AddTokenRequest(user="alice", label="her phone",
                                                        lifetime_ms=30 * 24 * HOUR_MS)


def test_a_token_for_anybody(admin):
    admin.set("AddToken", **made("*"))
    done = chatctl("token", "add", "*", socket=admin.path)
    assert done.status == 0 and "chat NAME@" in done.err and "anybody" in done.err
    assert admin.last("AddToken").user == "*"


@pytest.mark.parametrize("listen, port", [
    (["[::]:50051"], ""), (["127.0.0.1:7", "[::]:50051"], ""), (["[::]:7", "127.0.0.1:8"], ":7"),
    ([], "")])
def test_the_command_has_the_port_when_it_is_not_the_usual_one(admin, listen, port):
    admin.set("AddToken", **made())
    admin.set("GetStatus", listen=listen)
    done = chatctl("token", "add", "alice", socket=admin.path)
    assert done.err.endswith(f"chat alice@{sockets.gethostname()}{port}\n")


def test_a_new_token_as_json(admin):
    admin.set("AddToken", **made())
    admin.refuse("GetStatus", grpc.StatusCode.UNIMPLEMENTED, "no")
    done = chatctl("token", "add", "alice", "--json", socket=admin.path)
    assert (done.status, done.err) == (0, "")
    answer = json.loads(done.out)
    assert answer.keys() == {"secret", "token", "command"}
    assert answer["secret"] == "s3cr3t"
    assert answer["command"] == f"chat alice@{sockets.gethostname()}"
    assert answer["token"].keys() == {"id", "user", "label", "created_ms", "expires_ms",
                                      "last_used_ms", "revoked", "configured"}


def test_an_answer_without_a_token_is_not_taken_for_one(admin):
    done = chatctl("token", "add", "alice", socket=admin.path)
    assert (done.status, done.out) == (1, "") and done.err


def test_rotate_prints_the_new_token(admin):
    admin.set("RotateToken", **made())
    done = chatctl("token", "rotate", OTHER, socket=admin.path)
    assert (done.status, done.out) == (0, "s3cr3t\n")
    assert admin.last("RotateToken") == pb.RotateTokenRequest(token_id=OTHER)
    assert "chat alice@" in done.err


def test_remove_says_what_it_ended(admin):
    admin.set("RemoveToken", sessions=3)
    done = chatctl("token", "remove", GONE, socket=admin.path)
    assert (done.status, done.out, done.err) == (0, f"Removed token {GONE}; ended 3 sessions\n", "")
    assert admin.last("RemoveToken") == pb.RemoveTokenRequest(token_id=GONE)
    done = chatctl("token", "remove", GONE, "--json", socket=admin.path)
    assert json.loads(done.out) == {"sessions": 3}


def test_the_list_of_tokens(admin):
    admin.set("ListTokens", tokens=[
        pb.Token(id=GONE, user="alice", label="her phone", created_ms=now_ms() - 50 * HOUR_MS,
                 expires_ms=now_ms() + 73 * HOUR_MS, last_used_ms=now_ms() - 121 * 1000),
        pb.Token(id=OTHER, user="*", configured=True, revoked=True),
        pb.Token(id="c" * 12, user="bob", created_ms=now_ms() - 50 * HOUR_MS,
                 expires_ms=now_ms() - 2 * HOUR_MS - 5000)])
    done = chatctl("token", "list", socket=admin.path)
    assert (done.status, done.err) == (0, "")
    assert done.rows == [
        [GONE, "alice", "good", "2d ago", "in 3d", "2m ago", "her phone"],
        [OTHER, "*", "revoked", "configured", "never", "never", ""],
        ["c" * 12, "bob", "expired", "2d ago", "2h ago", "never", ""]]
    status, lines = on_terminal("token", "list", socket=admin.path)
    assert status == 0 and len(lines) == 4
    assert lines[0].split() == ["TOKEN", "USER", "STATE", "CREATED", "EXPIRES", "USED", "LABEL"]


def test_no_tokens(admin):
    done = chatctl("token", "list", socket=admin.path)
    assert (done.status, done.out) == (0, "") and "chatctl token add" in done.err


# reload, status

def test_reload(admin):
    done = chatctl("reload", socket=admin.path)
    assert (done.status, done.out, done.err) == (0, "Reloaded\n", "")
    done = chatctl("reload", "--json", socket=admin.path)
    assert (done.status, json.loads(done.out)) == (0, {"notes": []})
    admin.refuse("Reload", grpc.StatusCode.FAILED_PRECONDITION, "chatroom.ini:7: what is this?")
    done = chatctl("reload", socket=admin.path)
    assert (done.status, done.out) == (1, "") and "chatroom.ini:7: what is this?" in done.err


STATUS = dict(version="1.2.3", started_ms=1_790_000_000_000, now_ms=1_790_000_000_000 + 3 * HOUR_MS,
              listen=["[::]:50051", "127.0.0.1:7"], connections=80, max_connections=100, sessions=7,
              users=6, messages=5_000_000_000, refused=3, max_lag=79, lag_limit=100,
              memory_bytes=20 * 1024 * 1024, durable=True)


def test_reload_says_what_it_could_not_do(admin):
    notes = ["listen has changed", "workers\x1b[2J too"]
    admin.set("Reload", notes=notes)
    done = chatctl("reload", socket=admin.path)
    assert (done.status, done.out) == (0, "Reloaded\n")
    assert [line[:7] for line in done.err.splitlines()] == ["listen ", "workers"]
    assert "\x1b" not in done.err
    done = chatctl("reload", "--json", socket=admin.path)
    assert json.loads(done.out) == {"notes": notes}


def test_status_for_a_script(admin):
    admin.set("GetStatus", **STATUS)
    done = chatctl("status", socket=admin.path)
    assert (done.status, done.err) == (0, "")
    assert done.rows == [
        ["version", "1.2.3"],
        ["up", "3h, since 2026-09-21 14:13:20 UTC"],
        ["listening on", "[::]:50051"],
        ["listening on", "127.0.0.1:7"],
        ["connections", "80 of at most 100, near the limit"],
        ["sessions", "7"],
        ["users", "6"],
        ["messages", "5000000000 since the start"],
        ["refused", "3 streams since the start"],
        ["furthest behind", "79 of at most 100 messages"],
        ["memory", "20.0 MiB"],
        ["changes", "survive a restart"]]


def test_status_is_one_screen_and_hides_no_trouble(admin):
    trouble = "The disk of /var/lib/chatroom is full. " * 5
    admin.set("GetStatus", **{**STATUS, "durable": False, "trouble": trouble})
    status, lines = on_terminal("status", socket=admin.path)
    assert status == 0
    assert sum(1 + (len(line) - 1) // 80 for line in lines) <= 23
    assert lines[0].split() == ["version", "1.2.3"]
    assert lines[-1].endswith(trouble)
    assert "DO NOT survive" in lines[-2]


def test_status_as_json(admin):
    admin.set("GetStatus", **STATUS)
    done = chatctl("status", "--json", socket=admin.path)
    assert json.loads(done.out) == {**STATUS, "trouble": ""}


# check

NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
BY_HAND = "chatroom.socket was left out: the daemon was not started by systemd.\n"


def test_check_has_nothing_to_say(admin):
    done = chatctl("check", socket=admin.path)
    assert (done.status, done.out, done.err) == (0, "Nothing is wrong\n", BY_HAND)
    done = chatctl("check", "--json", socket=admin.path)
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {
        "error": "", "unread": [], "notes": [], "listen": [], "allow": [], "listening": [],
        "activated": False, "trouble": "", "findings": [], "unit": False}


def test_check_has_a_line_for_each_finding(admin):
    admin.set("Check", unread=["allow", "[tokens]"], notes=["workers\x1b[2J have changed: restart"],
              trouble="Nobody can join.")
    done = chatctl("check", socket=admin.path)
    lines = ["The daemon has not read what has changed in the configuration (allow, [tokens]): "
             "chatctl reload", "workers\x1b[2J have changed: restart", "Nobody can join."]
    assert (done.status, done.err) == (1, BY_HAND)
    assert done.out.splitlines() == [line.replace("\x1b", "␛") for line in lines]
    done = chatctl("check", "--json", socket=admin.path)
    assert (done.status, done.err) == (1, "")
    assert json.loads(done.out)["findings"] == lines


def test_check_without_systemd_leaves_its_part_out(admin):
    admin.set("Check", activated=True, listen=["[::]:50051"])
    done = chatctl("check", socket=admin.path, env=NO_BUS)
    assert (done.status, done.out) == (0, "Nothing is wrong\n")
    assert done.err.startswith("chatroom.socket was left out: systemd cannot be asked")
    done = chatctl("check", "--json", socket=admin.path, env=NO_BUS)
    assert (done.status, done.err, json.loads(done.out)["unit"]) == (0, "", False)


def test_check_where_systemd_has_no_such_unit(admin, directory):
    """It started the daemon by another one, or by systemd-socket-activate."""
    admin.set("Check", activated=True, listen=["[::]:50051"])
    bus = FakeBus(os.path.join(directory, "bus"))
    done = chatctl("check", socket=admin.path, env=bus.environment)
    bus.close()
    assert (done.status, done.out, done.err) == (
        0, "Nothing is wrong\n", "chatroom.socket was left out: systemd knows no such unit.\n")


# What the daemon does not do

@pytest.mark.parametrize("code, text", [
    (grpc.StatusCode.NOT_FOUND, "bob is not in the room"),
    (grpc.StatusCode.INVALID_ARGUMENT, "that is no name"),
    (grpc.StatusCode.FAILED_PRECONDITION, "bob came in on token *; try `revoke --token`"),
    (grpc.StatusCode.PERMISSION_DENIED, "not you"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many"),
    (grpc.StatusCode.UNAVAILABLE, "draining"),
    (grpc.StatusCode.INTERNAL, "oh"),
])
def test_a_refusal_is_told_and_is_exit_status_1(admin, code, text):
    admin.refuse("Kick", code, text)
    for options in ((), ("--json",)):
        done = chatctl("kick", "bob", *options, socket=admin.path)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith("chatctl: ") and text in done.err


def test_a_refusal_without_a_text_has_at_least_a_name(admin):
    admin.refuse("Kick", grpc.StatusCode.INTERNAL, "")
    done = chatctl("kick", "bob", socket=admin.path)
    assert (done.status, done.err) == (1, "chatctl: INTERNAL\n")


def test_a_refusal_cannot_control_the_terminal_or_forge_lines(admin):
    admin.refuse("Kick", grpc.StatusCode.NOT_FOUND, "\x1b[2Jwho?\nroot#\u202e")
    done = chatctl("kick", "bob", socket=admin.path)
    assert (done.status, done.err) == (1, "chatctl: ␛[2Jwho?␊root#<U+202E>\n")


def test_a_daemon_of_another_version(admin):
    admin.refuse("Kick", grpc.StatusCode.UNIMPLEMENTED, "no such method")
    done = chatctl("kick", "bob", socket=admin.path)
    assert done.status == 1 and "version" in done.err


def test_done_but_not_durable(admin):
    admin.set("Revoke", token_ids=[GONE], sessions=1)
    admin.refuse("Revoke", grpc.StatusCode.DATA_LOSS, "state.db is read-only", with_answer=True)
    done = chatctl("revoke", "--token", GONE, socket=admin.path)
    assert done.status == 1
    assert "restart" in done.err and "state.db is read-only" in done.err
    assert done.out == f"Revoked token {GONE}\nEnded 1 session\n"
    admin.set("AddToken", **made())
    admin.refuse("AddToken", grpc.StatusCode.DATA_LOSS, "state.db is read-only", with_answer=True)
    done = chatctl("token", "add", "alice", socket=admin.path)
    assert (done.status, done.out) == (1, "s3cr3t\n") and "restart" in done.err


def test_done_but_not_durable_and_no_more_to_say(admin):
    admin.refuse("Revoke", grpc.StatusCode.DATA_LOSS, "state.db is read-only")
    done = chatctl("revoke", "bob", socket=admin.path)
    assert (done.status, done.out) == (1, "")
    assert "done" in done.err and "state.db is read-only" in done.err


def test_no_answer_in_time(admin):
    admin.held.clear()
    start = time.monotonic()
    done = chatctl("users", "--timeout", "300ms", socket=admin.path)
    took = time.monotonic() - start
    assert done.status == 1 and "300ms" in done.err
    assert 0.3 <= took < 0.3 * harness.SLACK


# Who is there

def test_no_socket(directory):
    path = os.path.join(directory, "control.sock")
    done = chatctl("users", socket=path)
    assert (done.status, done.out) == (3, "")
    assert path in done.err


def test_a_socket_that_nobody_listens_on(directory):
    path = os.path.join(directory, "control.sock")
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(path)
    done = chatctl("users", socket=path)
    assert (done.status, done.out) == (3, "") and path in done.err


def alone_in_run(*argv):
    """A launcher: a mount namespace in which /run is empty, but for what the shell makes first."""
    return ["unshare", "--mount", "sh", "-c",
            "mount -t tmpfs none /run && " + argv[0] + 'exec "$@"', "sh"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@needs_root
def test_without_the_daemon_it_says_what_to_type():
    done = chatctl("users", launcher=alone_in_run(""))
    assert (done.status, done.out) == (3, "")
    assert "/run/chatroom/control.sock" in done.err
    assert "systemctl start chatroom.socket" in done.err


@needs_root
def test_the_usual_socket_is_in_run(admin):
    admin.set("ListUsers", users=two_users())
    done = chatctl("users", launcher=alone_in_run(
        f"mkdir /run/chatroom && ln -s {admin.path} /run/chatroom/control.sock && "))
    assert done.status == 0 and len(done.rows) == 3


@needs_root
def test_who_may_not_use_the_socket_is_told_who_may(admin):
    group = next(g for g in grp.getgrall() if g.gr_gid not in (0, 65534))
    os.chown(admin.path, 0, group.gr_gid)
    os.chmod(admin.path, 0o660)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = chatctl("users", socket=admin.path, launcher=nobody)
    assert (done.status, done.out) == (1, "")
    assert f"group {group.gr_name} " in done.err and "sudo" in done.err
    assert admin.path in done.err
    member = ["setpriv", "--reuid=65534", "--regid=65534", f"--groups={group.gr_gid}"]
    assert chatctl("users", socket=admin.path, launcher=member).status == 0


class Listener:
    """Listens, and answers each connection with some bytes and its end; None: not at all."""

    def __init__(self, path, answer):
        self.socket = sockets.socket(sockets.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        if answer is not None:
            self.pool.submit(self._run, answer)

    def _run(self, answer):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                try:
                    peer.sendall(answer)
                except OSError:
                    pass

    def close(self):
        self.socket.shutdown(sockets.SHUT_RDWR)
        self.socket.close()
        self.pool.shutdown()


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"\0" * 100])
def test_whoever_listens_there_does_not_speak_grpc(directory, answer):
    path = os.path.join(directory, "control.sock")
    listener = Listener(path, answer)
    try:
        done = chatctl("users", "--timeout", "2s", socket=path)
    finally:
        listener.close()
    assert (done.status, done.out) == (1, "") and path in done.err


@pytest.mark.parametrize("name", ["a b%20c?d#e", "ünï:cödé", "-", "a//b"])
def test_a_path_is_a_path_whatever_is_in_it(directory, name):
    path = os.path.join(directory, name)
    if "/" in name:
        os.mkdir(os.path.dirname(path))
    # The fake's own library would take these for a URI.
    plain = os.path.join(directory, "plain")
    fake = FakeAdmin(plain)
    os.symlink(plain, path)
    try:
        assert chatctl("users", socket=path).status == 0
    finally:
        fake.stop()


# Who asks

def test_under_sudo_it_says_who_typed(admin):
    chatctl("users", socket=admin.path)
    assert "chatroom-sudo-user" not in admin.metadata()
    chatctl("users", socket=admin.path, env={"SUDO_USER": "carol"})
    assert admin.metadata()["chatroom-sudo-user"] == "carol"
    chatctl("users", socket=admin.path, env={"SUDO_USER": ""})
    assert "chatroom-sudo-user" not in admin.metadata()


@pytest.mark.parametrize("name, sent", [
    ("a\nb: c\x1b", "a?b:?c?"), ("ä", "??"), ("x" * 200, "x" * 63)])
def test_nobody_smuggles_metadata_in_a_name(admin, name, sent):
    done = chatctl("users", socket=admin.path, env={"SUDO_USER": name})
    assert done.status == 0
    assert admin.metadata()["chatroom-sudo-user"] == sent


# The command line

def test_help_has_every_verb_and_goes_to_standard_output():
    done = chatctl("--help")
    assert (done.status, done.err) == (0, "")
    assert all(len(line) <= 80 for line in done.out.splitlines())
    for verb in ("users", "kick", "revoke", "unrevoke", "token add", "token list", "token remove",
                 "token rotate", "reload", "status", "check"):
        assert re.search(rf"^  {verb}\b", done.out, re.M)
        one = chatctl(*verb.split(), "--help")
        assert one.status == 0 and one.out.startswith(f"Usage: chatctl {verb}")


def test_version():
    done = chatctl("--version")
    assert (done.status, done.err) == (0, "")
    assert re.fullmatch(r"chatctl \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize("arguments", [
    (), ("frobnicate",), ("kick",), ("kick", "bob", "carol"), ("users", "--frobnicate"),
    ("users", "--reason", "x"), ("token",), ("token", "frob"), ("revoke", "bob", "--token", "x"),
    ("token", "add", "bob", "--expires", "soon"), ("users", "--timeout", "5"),
    ("kick\x1b[2J\u202e",)])
def test_wrong_usage_is_exit_status_2_and_asks_nobody(admin, arguments):
    done = chatctl(*arguments, socket=admin.path)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("chatctl: ") and "\x1b" not in done.err and "\u202e" not in done.err
    assert not admin.requests


def test_what_is_no_name_goes_to_the_daemon_as_it_is(admin):
    admin.refuse("Kick", grpc.StatusCode.INVALID_ARGUMENT, "no name")
    for name in ("a\x1bb", "", "a b", "x" * 5000):
        assert chatctl("kick", name, socket=admin.path).status == 1
        assert admin.last("Kick").user == name


def test_an_answer_that_cannot_be_written_is_no_success(admin):
    admin.set("AddToken", **made())
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = chatctl("token", "add", "alice", socket=admin.path, stdout=full)
    assert done.status == 1 and "No space left" in done.err


def test_fifty_at_once(admin):
    admin.set("ListUsers", users=two_users())
    with concurrent.futures.ThreadPoolExecutor(harness.scaled(50)) as pool:
        runs = [pool.submit(chatctl, "users", "--timeout", "30s", socket=admin.path)
                for _ in range(harness.scaled(50))]
        for run in runs:
            assert run.result().status == 0 and len(run.result().rows) == 3
