# SPDX-License-Identifier: MIT
"""The room as an installed service: people in it, its log, its operator, its configuration."""
import json
import re
import socket

import grpc
import pytest

from clients import PATHS, Session, StubSession, connect, refusal
from harness import OPEN_TOKEN
from machine import DROP_IN, PORT, wait_for


def test_a_token_in_a_drop_in_lets_people_in(machine, house):
    machine.configure()
    machine.systemctl("reload", "chatroom")
    house.room().join("alice")


def test_three_clients_talk(house):
    room = house.room()
    alice = room.join("alice", kind=StubSession)
    bob = room.join("bob", path=PATHS[1])
    carol = room.join("carol", path=PATHS[2])
    for speaker, name in ((alice, "alice"), (bob, "bob"), (carol, "carol")):
        speaker.say(f"{name} was here")
        for listener in {alice, bob, carol} - {speaker}:
            listener.expect((name, f"{name} was here"))


def test_chat_talks_with_the_token_of_chatctl(machine, house):
    output = machine.run("chatctl", "token", "add", "dora", "--json")
    made = json.loads(output)
    machine.write("/root/dora", made["secret"] + "\n", 0o600)
    listener = house.room().join("listener")
    output = machine.run("sh", "-c", "echo hello | chat --token-file /root/dora dora@localhost")
    listener.expect(("dora", "hello"))
    machine.run("rm", "/root/dora")


def test_the_journal_knows_users_and_never_texts_or_tokens(machine, house):
    since = machine.now()
    room = house.room()
    alice = room.join("alice")
    alice.say("something private")
    alice.half_close()
    assert alice.end() == grpc.StatusCode.OK
    joined, left = wait_for(
        lambda: (lambda found: len(found) == 2 and found)(
            machine.journal("--unit=chatroom", "CHATROOM_USER=alice", since=since)),
        "alice's coming and going in the journal")
    assert "joined" in joined["MESSAGE"] and "left" in left["MESSAGE"]
    for record in (joined, left):
        assert record["CHATROOM_ADDRESS"].startswith("127.0.0.1:")
        assert re.fullmatch(r"@\d+", record["CHATROOM_SESSION"])
        assert re.fullmatch(r"[0-9a-f]{12}", record["CHATROOM_TOKEN"])
    everything = json.dumps(machine.journal())
    assert "something private" not in everything and OPEN_TOKEN not in everything


def test_the_journal_explains_each_kind_of_event(machine):
    output = machine.run("journalctl", "--quiet", "--catalog", "--no-pager", "--unit=chatroom",
                         "CHATROOM_USER=alice")
    assert "Subject: alice has joined" in output
    assert "journalctl -u chatroom CHATROOM_USER=alice" in output


def test_the_status_has_live_figures(machine, house):
    room = house.room()
    room.join("alice")
    wait_for(lambda: machine.show("chatroom.service", "StatusText").startswith("2 sessions"),
             lambda: machine.show("chatroom.service", "StatusText"))


def test_the_operator_sees_and_ends_sessions(machine, house):
    room = house.room()
    alice, bob = room.join("alice"), room.join("bob")
    users = json.loads(machine.run("chatctl", "users", "--json"))["users"]
    assert [user["name"] for user in users] == ["alice", "bob", "witness"]
    since = machine.now()
    machine.run("chatctl", "kick", "bob", "--reason", "that is enough")
    code, details = refusal(bob)
    assert code == grpc.StatusCode.ABORTED and "that is enough" in details
    assert machine.journal("--unit=chatroom", "CHATROOM_VERB=kick", since=since)
    alice.say("still here")
    room.witness.expect(("alice", "still here"))


def test_a_revoked_token_stays_out_also_across_a_restart(machine, house):
    made = json.loads(machine.run("chatctl", "token", "add", "erin", "--json"))
    room = house.room()
    erin = room.join("erin", made["secret"])
    machine.run("chatctl", "revoke", "erin")
    assert erin.end() == grpc.StatusCode.UNAUTHENTICATED
    machine.systemctl("restart", "chatroom")
    with connect(machine.target) as channel:
        again = Session(channel)
        again.send("erin", made["secret"])
        assert again.end() == grpc.StatusCode.UNAUTHENTICATED


def test_a_configured_token_can_be_revoked_and_reload_does_not_bring_it_back(machine, house):
    machine.configure(tokens=[("*", OPEN_TOKEN), ("frank", "franks-token")])
    machine.run("chatctl", "reload")
    room = house.room()
    frank = room.join("frank", "franks-token")
    machine.run("chatctl", "revoke", "frank")
    assert frank.end() == grpc.StatusCode.UNAUTHENTICATED
    machine.run("chatctl", "reload")
    assert refusal(room.try_join("frank", "franks-token"))[0].name == "UNAUTHENTICATED"
    machine.run("chatctl", "unrevoke", "frank")
    room.join("frank", "franks-token")
    machine.configure()
    machine.run("chatctl", "reload")


@pytest.mark.parametrize("groups, status", [("--clear-groups", 1), ("--groups=chatroom-admin", 0)])
def test_the_control_socket_asks_for_the_group(machine, groups, status):
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup"]
    assert machine.try_run(*user, groups, "chatctl", "users")[0] == status
    # The daemon asks too, and does not rely on the mode of a file.
    machine.run("chmod", "0666", "/run/chatroom/control.sock")
    try:
        assert machine.try_run(*user, groups, "chatctl", "users")[0] == status
    finally:
        machine.run("chmod", "0660", "/run/chatroom/control.sock")


def test_a_reload_that_is_wrong_fails_and_the_room_goes_on(machine, house):
    alice = house.room().join("alice")
    process = machine.show("chatroom.service", "MainPID")
    machine.write(DROP_IN, "[server]\nlsten = 127.0.0.1:1\n")
    since = machine.now()
    assert machine.try_run("systemctl", "reload", "chatroom")[0] != 0
    assert machine.says("50-test.ini:2: unknown key", since)
    assert machine.journal("MESSAGE_ID=86426eb91017403cac3ca8f2653fe877", since=since)
    house.rooms[0].witness.say("and yet")
    alice.expect(("witness", "and yet"))
    # A daemon-reload meanwhile, as any other package's installation does, moves nothing.
    machine.systemctl("daemon-reload")
    assert machine.sockets_listen()
    assert "ListenStream=50051" in machine.systemctl("cat", "chatroom.socket")
    machine.configure()
    machine.systemctl("reload", "chatroom")
    assert machine.show("chatroom.service", "MainPID") == process


def test_listen_moves_the_port(machine, house):
    machine.configure({"listen": "127.0.0.1:50061"})
    since = machine.now()
    machine.systemctl("reload", "chatroom")
    hint = "systemctl daemon-reload && systemctl restart chatroom.socket"
    assert machine.says(hint, since)
    machine.run("sh", "-c", hint)
    machine.target = "127.0.0.1:50061"
    try:
        house.room().join("alice")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", PORT))
    finally:
        machine.target = f"127.0.0.1:{PORT}"
    machine.configure()
    machine.run("sh", "-c", hint)
    house.room().join("alice")


def test_an_unknown_listen_is_said_at_the_start(machine):
    machine.configure({"listen": "127.0.0.1:50062"})
    since = machine.now()
    machine.systemctl("restart", "chatroom")
    assert machine.says("listen has 127.0.0.1:50062, but the sockets are others", since)
    machine.configure()
    machine.systemctl("restart", "chatroom")


def check(machine):
    status, output = machine.try_run("chatctl", "check")
    return status, output.splitlines()


def type_what_it_says(machine, lines):
    """What stands at the end of each of them; then all is well."""
    for line in lines:
        machine.run("sh", "-c", line.rsplit(": ", 1)[1])
    assert check(machine) == (0, ["Nothing is wrong"])


def test_check_finds_nothing_when_all_is_well(machine):
    assert check(machine) == (0, ["Nothing is wrong"])
    found = json.loads(machine.run("chatctl", "check", "--json"))
    assert found["unit"] and found["activated"] and found["findings"] == []
    # Nor does it take root.
    machine.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=chatroom-admin",
                "chatctl", "check")


def test_check_says_that_allow_was_changed_and_nothing_else_done(machine):
    machine.configure({"allow": "localhost 100.64.0.0/10 192.0.2.0/24"})
    status, lines = check(machine)
    assert status == 1 and lines == [
        "The daemon has not read what has changed in the configuration (allow): chatctl reload",
        "The kernel drops who comes from 192.0.2.0/24, which allow has: systemctl daemon-reload",
        "The kernel lets through fd7a:115c:a1e0::/48, which allow does not have: "
        "systemctl daemon-reload"]
    # Half of it.
    machine.systemctl("reload", "chatroom")
    assert check(machine) == (1, lines[1:])
    type_what_it_says(machine, lines[1:])
    machine.configure()
    type_what_it_says(machine, check(machine)[1])


def test_check_says_that_the_sockets_are_not_where_listen_is(machine, house):
    machine.configure({"listen": "127.0.0.1:50063"})
    status, lines = check(machine)
    assert status == 1 and lines == [
        f"chatroom.socket listens on [::]:{PORT} and not on 127.0.0.1:50063, as listen has it: "
        "systemctl daemon-reload && systemctl restart chatroom.socket"]
    # Half of it: systemd knows, and the daemon is where it was.
    machine.systemctl("daemon-reload")
    assert check(machine) == (1, [lines[0].replace("chatroom.socket", "The daemon", 1)])
    type_what_it_says(machine, lines)
    machine.configure()
    type_what_it_says(machine, check(machine)[1])
    house.room().join("alice")


def test_check_says_what_is_wrong_in_the_configuration_and_where(machine):
    machine.write(DROP_IN, "[server]\nlsten = 127.0.0.1:1\n")
    status, lines = check(machine)
    assert status == 1 and len(lines) == 1
    assert f"{DROP_IN}:2: unknown key \"lsten\"" in lines[0]
    machine.configure()
    type_what_it_says(machine, lines)


def test_check_finds_a_filter_that_comes_from_elsewhere(machine):
    directory = "/run/systemd/system/chatroom.socket.d"
    machine.run("mkdir", "-p", directory)
    machine.write(f"{directory}/filter.conf", "[Socket]\n", 0o644)
    machine.systemctl("daemon-reload")
    assert check(machine) == (0, ["Nothing is wrong"])
    machine.write(f"{directory}/filter.conf",
                  "[Socket]\nIPAddressAllow=\nIPAddressAllow=localhost 100.64.0.0/10\n", 0o644)
    assert check(machine) == (1, ["systemd has not read what has changed in the files of "
                                  "chatroom.socket: systemctl daemon-reload"])
    machine.systemctl("daemon-reload")
    status, lines = check(machine)
    assert status == 1 and lines == [
        "The kernel drops who comes from fd7a:115c:a1e0::/48, which allow has: "
        "systemctl daemon-reload",
        f"Of that, something may come from {directory}/filter.conf; to see what: "
        "systemctl cat chatroom.socket"]
    machine.run("rm", "-r", directory)
    type_what_it_says(machine, lines)


def test_the_control_socket_moves_and_reload_finds_it(machine, house):
    hint = "systemctl daemon-reload && systemctl restart chatroom.socket"
    machine.configure({"control": "/run/elsewhere/c.sock"})
    machine.run("sh", "-c", hint)
    machine.run("chatctl", "--socket=/run/elsewhere/c.sock", "status")
    machine.systemctl("reload", "chatroom")
    machine.configure()
    machine.run("sh", "-c", hint)
    machine.systemctl("reload", "chatroom")
    machine.run("rm", "-r", "/run/elsewhere")
