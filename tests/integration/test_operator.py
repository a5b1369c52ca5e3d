# SPDX-License-Identifier: MIT
"""The operator at work: the real chatctl on the real daemon, with people in the room who come in
by clients that share no code with either. Tokens are in test_operator_tokens.py."""
import concurrent.futures
import json
import os
import re
import signal
import socket
import sys
import threading

import grpc
import pytest

import harness
from clients import refusal
from ctl import chatctl
from harness import ALICE_TOKEN, configuration
from fake_admin import METHODS
from office import Office, eventually, office, state  # noqa: F401: fixtures

sys.path.insert(0, os.path.join(harness.ROOT, "tests"))
import buf  # noqa: E402

from test_many import WIDE, crowd, until_all_hear  # noqa: E402

CODE = grpc.StatusCode


# users, kick

def test_who_is_in_the_room(office):
    alice = office.room.join("alice", ALICE_TOKEN)
    again = office.room.join("alice", ALICE_TOKEN)
    office.room.join("bob")
    users = office.json("users")["users"]
    assert [user["name"] for user in users] == ["alice", "bob", "witness"]
    assert [len(user["sessions"]) for user in users] == [2, 1, 1]
    ids = [session["id"] for user in users for session in user["sessions"]]
    assert len(set(ids)) == 4 and all(ids)
    for session in users[0]["sessions"]:
        assert session["address"].startswith("127.0.0.1:") and session["protocol"] == "seed"
        assert len(session["token_id"]) == 12 and session["joined_ms"] > 1_700_000_000_000
    # Each said one thing, to be noticed.
    assert [session["messages"] for session in users[0]["sessions"]] == [1, 1]
    rows = office.ctl("users").rows
    assert [row[0] for row in rows] == ["alice", "alice", "bob", "witness"]
    again.half_close()
    assert again.end() == CODE.OK
    eventually(lambda: len(office.sessions("alice")) == 1, "one session less")
    assert alice.code is None


def test_kick_ends_every_session_of_a_user_with_the_reason(office):
    devices = [office.room.join("alice", ALICE_TOKEN) for _ in range(2)]
    bob = office.room.join("bob")
    assert office.ctl("kick", "alice", "--reason", "be nice").out == "Kicked alice: 2 sessions\n"
    for device in devices:
        code, details = refusal(device)
        assert code == CODE.ABORTED and "be nice" in details
    assert bob.code is None
    assert office.sessions("alice") == []
    office.room.join("alice", ALICE_TOKEN)


def test_kick_ends_one_session(office):
    first = office.room.join("alice", ALICE_TOKEN)
    before = {s["id"] for s in office.sessions("alice")}
    second = office.room.join("alice", ALICE_TOKEN)
    new = next(s["id"] for s in office.sessions("alice") if s["id"] not in before)
    assert office.json("kick", f"@{new}") == {"sessions": 1}
    assert second.end() == CODE.ABORTED
    assert first.code is None and {s["id"] for s in office.sessions("alice")} == before


def test_whom_nobody_knows(office):
    for who in ("nobody", "@999999"):
        done = office.ctl("kick", who, status=1)
        assert done.out == "" and done.err.startswith("chatctl: "), done


@pytest.mark.parametrize("name", ["a\x1b[2J", "", "a b", "x" * 5000, "a\u202eb", "root"],
                         ids=["escape", "empty", "space", "long", "bidi", "reserved"])
def test_whom_nobody_can_be_called(office, name):
    done = office.ctl("kick", name, status=1)
    assert done.out == "" and "\x1b" not in done.err and "\u202e" not in done.err


def test_a_reason_of_more_than_one_line_is_refused(office):
    bob = office.room.join("bob")
    for reason in ("a\nb", "\x1b[2J", "x" * 5000):
        assert office.ctl("kick", "bob", "--reason", reason, status=1).out == ""
    assert bob.code is None


# reload, status

def test_a_good_configuration_is_taken_and_a_faulty_one_is_not(office):
    office.daemon.write_config(configuration(tokens=[("frank", "frank-has-a-token-too")]))
    assert office.ctl("reload").out == "Reloaded\n"
    office.daemon.write_config("[server]\nlisten = 127.0.0.1:0\nno_such_key = 1\n")
    done = office.ctl("reload", status=1)
    assert "no_such_key" in done.err and ":3" in done.err
    frank = office.room.try_join("frank", "frank-has-a-token-too")
    eventually(lambda: office.sessions("frank") or frank.code, "frank is in, or not")
    assert frank.code is None


def test_a_reload_says_what_it_cannot_change_and_what_can(office):
    """However often it is reloaded; not once it is as it was."""
    changed = configuration(server={"listen": "127.0.0.1:0 127.0.0.2:0", "workers": 3},
                            limits={"max_frame": 70000}, history={"enabled": "no"})
    office.daemon.write_config(changed)
    expected = ["listen has changed; what is listened on changes with: a restart",
                "Of what has changed, this takes effect when the daemon starts: workers, "
                "max_frame, [history] enabled"]
    for _ in range(2):
        done = office.ctl("reload")
        assert (done.out, done.err.splitlines()) == ("Reloaded\n", expected)
    assert office.json("reload") == {"notes": expected}
    for line in expected:
        assert len(office.daemon.log_matches(re.escape(line) + "$")) == 3
    office.daemon.write_config(configuration())
    assert office.ctl("reload").err == ""


def test_a_reload_says_what_to_run_when_the_sockets_are_the_service_managers(daemons, state):
    with socket.create_server(("127.0.0.1", 0)) as chat, \
            harness.activation([("chat", chat)]) as (launcher, held):
        office = Office(daemons, state, launcher=launcher, pass_fds=held)
    office.daemon.write_config(configuration(server={
        "listen": "127.0.0.1:1", "allow": "127.0.0.1", "admin_group": "games"}))
    restart = "systemctl daemon-reload && systemctl restart chatroom.socket"
    assert office.ctl("reload").err.splitlines() == [
        f"listen has changed; what is listened on changes with: {restart}",
        f"admin_group has changed; the control socket's file changes with: {restart}",
        "allow has changed; what the kernel lets through changes with: systemctl daemon-reload"]


def check(office, status=1, **options):
    return office.ctl("check", status=status, **options).out.splitlines()


def test_check_follows_the_file_and_changes_nothing(office):
    assert check(office, status=0) == ["Nothing is wrong"]
    office.daemon.write_config(configuration(
        server={"allow": "127.0.0.0/8 10.0.0.0/8", "listen": "127.0.0.1:0 127.0.0.2:0",
                "workers": 3},
        limits={"max_text": 100}, tokens=[("frank", "frank-has-a-token-too")]))
    notes = ["listen has changed; what is listened on changes with: a restart",
             "Of what has changed, this takes effect when the daemon starts: workers"]
    for _ in range(2):
        assert check(office) == [
            "The daemon has not read what has changed in the configuration (allow, max_text, "
            "[tokens]): chatctl reload", *notes]
    assert office.refused("frank", "frank-has-a-token-too") == CODE.UNAUTHENTICATED
    assert not office.daemon.log_matches("listen has changed")
    office.ctl("reload")
    assert check(office) == notes
    office.daemon.write_config(configuration())
    office.ctl("reload")
    assert check(office, status=0) == ["Nothing is wrong"]


def test_check_says_what_is_wrong_in_which_line(office):
    office.daemon.write_config("[server]\nlisten = 127.0.0.1:0\nno_such_key = 1\n")
    line, = check(office)
    assert f"{office.daemon.config_path}:3: unknown key \"no_such_key\"" in line
    found = office.json("check", status=1)
    assert found["error"].startswith(f"{office.daemon.config_path}:3: ")
    assert found["allow"] == ["127.0.0.0/8"]  # what the daemon goes by
    os.unlink(office.daemon.config_path)
    assert "No such file" in check(office)[0]
    office.daemon.write_config(configuration())
    assert check(office, status=0) == ["Nothing is wrong"]


def test_check_is_no_reload_of_a_limit_that_was_lowered(daemons, state):
    """max_connections is as many as there can be open files, whatever the file says."""
    office = Office(daemons, state, limits={"max_connections": 1000000})
    assert check(office, status=0) == ["Nothing is wrong"]


def test_check_knows_that_nobody_can_join(daemons):
    daemon = daemons.start(tokens=[])
    done = chatctl("check", socket=daemon.control)
    assert done.status == 1 and "chatctl token add NAME" in done.out
    daemon.stop()


def test_check_leaves_listen_and_allow_to_the_service_manager(daemons, state):
    """What it made of them is to be compared, and there is none to ask."""
    with socket.create_server(("127.0.0.1", 0)) as chat, \
            harness.activation([("chat", chat)]) as (launcher, held):
        office = Office(daemons, state, launcher=launcher, pass_fds=held)
    office.daemon.write_config(configuration(server={"listen": "127.0.0.1:1", "workers": 3}))
    bus = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    assert check(office, env=bus) == ["Of what has changed, this takes effect when the daemon "
                                      "starts (systemctl restart chatroom): workers"]
    done = office.ctl("check", "--json", status=1, env=bus)
    found = json.loads(done.out)
    assert found["activated"] and found["listen"] == ["127.0.0.1:1"]
    assert found["listening"] == [f"127.0.0.1:{office.daemon.port}"]


def test_status(office):
    office.room.join("alice", ALICE_TOKEN)
    office.room.join("bob").say("hello")
    status = office.json("status")
    assert status["listen"] == [f"127.0.0.1:{office.daemon.port}"]
    assert (status["sessions"], status["users"]) == (3, 3)
    assert status["connections"] >= 3 and status["max_connections"] > 0
    assert 0 < status["started_ms"] <= status["now_ms"]
    assert status["messages"] >= 2 and status["memory_bytes"] > 0
    assert office.ctl("status").rows[0] == ["version", status["version"]]


# Together

def test_what_was_done_and_who_claims_it_is_in_the_log(office):
    office.room.join("bob")
    office.ctl("kick", "bob", "--reason", "be nice", env={"SUDO_USER": "carol"})
    line = office.daemon.wait_log(r"kick.*bob.*").string
    assert "carol" in line and "uid 0" in line or os.geteuid() != 0


def test_each_verb_that_changes_something_is_logged_once(office):
    """Whatever came of it; who, what, on whom, and no secret."""
    bob_token = office.room.join("bob") and office.sessions("bob")[0]["token_id"]
    secret, token_id = office.new_token("carol")
    done = [("token add carol", f"made {token_id}")]
    for arguments, line in (
            (("kick", "bob"), "kick bob"), (("kick", "@999"), "kick @999"),
            (("revoke", "carol"), "revoke carol"), (("revoke", "bob"), "revoke bob"),
            (("unrevoke", "carol"), "unrevoke carol"),
            (("revoke", "--token", bob_token), f"revoke --token {bob_token}"),
            (("token", "rotate", token_id), f"token rotate --token {token_id}"),
            (("token", "remove", token_id), f"token remove --token {token_id}"),
            (("reload",), "reload")):
        ended = chatctl(*arguments, socket=office.socket)
        assert ended.status in (0, 1), ended
        done.append((line, "done" if ended.status == 0 else "refused"))
    assert {result for _, result in done[1:]} == {"done", "refused"}
    office.ctl("users")
    office.ctl("kick", "the-last", status=1)
    office.daemon.wait_log("^kick the-last by uid")
    lines = [m.string for m in office.daemon.log_matches(r" by uid \d+ \(pid \d+\): ")][:-1]
    assert len(lines) == len(done), lines
    for line, (start, result) in zip(lines, done):
        assert line.startswith(f"{start} by uid {os.geteuid()} (pid ") and result in line
    assert secret not in office.daemon.log_text()


def test_the_operator_is_heard_while_the_room_is_busy(daemons, state):
    """Five who talk as fast as they are let, two hundred who listen."""
    office = Office(daemons, state, limits={**WIDE, "max_lag_messages": 1 << 20})
    everybody, members = crowd(office.daemon, harness.scaled(200))
    until_all_hear(office.room, everybody, members, office.room.join("speaker"))
    talkers = [office.room.join(f"talker{i}") for i in range(5)]
    busy = threading.Event()

    def talk():
        while not busy.is_set():
            for talker in talkers:
                talker.say("x" * 60)
            everybody.pump(lambda: True, "")

    thread = threading.Thread(target=talk)
    before = office.json("status")["messages"]
    thread.start()
    try:
        eventually(lambda: office.json("status")["messages"] > before + 100, "it is busy")
        for _ in range(5):
            secret, token_id = office.new_token("carol")
            assert len(office.json("users")["users"]) == len(members) + 7
            assert office.json("revoke", "--token", token_id)["sessions"] == 0
            office.ctl("reload")
        assert office.ctl("kick", "talker0").out == "Kicked talker0: 1 session\n"
        assert office.json("status")["messages"] > before + 100
    finally:
        busy.set()
        thread.join(harness.DEADLINE)
    assert talkers[0].end() == CODE.ABORTED
    assert not any(stream.ended for _, stream in members)
    everybody.close()


def test_fifty_at_once(office):
    n = harness.scaled(50)
    office.room.join("bob")
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        results = list(pool.map(
            lambda i: office.ctl(("users", "status")[i % 2], "--timeout", "30s").rows, range(n)))
    assert {row[0] for row in results[0]} == {"bob", "witness"}
    assert all(results)


def test_without_the_daemon(office):
    path = office.socket
    office.daemon.process.send_signal(signal.SIGKILL)
    office.daemon.exit_status()
    done = chatctl("users", socket=path)
    assert (done.status, done.out) == (3, "") and path in done.err
    office.daemon.close()


def test_completion_knows_who_is_in_the_room(office):
    office.room.join("alice", ALICE_TOKEN)
    session = office.sessions("alice")[0]
    done = chatctl("__complete", "--socket", office.socket, "kick", "")
    assert f"alice\tuser\n@{session['id']}\talice\n" in done.out


def test_buf_curl_is_a_client_too(office):
    try:
        buf.find()
    except buf.Missing as e:
        pytest.skip(str(e))
    office.room.join("alice", ALICE_TOKEN)
    status, output = buf.run(
        "curl", "--unix-socket", office.socket, "--schema", "proto", "--protocol", "grpc",
        "--http2-prior-knowledge", "http://localhost/chatroom.v1.AdminService/ListUsers")
    assert status == 0, output
    assert {user["name"] for user in json.loads(output)["users"]} == {"alice", "witness"}
    status, output = buf.run(
        "curl", "--unix-socket", office.socket, "--schema", "proto", "--protocol", "grpc",
        "--http2-prior-knowledge", "--list-methods", "http://localhost")
    assert status == 0, output
    assert {f"chatroom.v1.AdminService/{method}" for method in METHODS} <= set(output.split())
