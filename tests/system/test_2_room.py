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
