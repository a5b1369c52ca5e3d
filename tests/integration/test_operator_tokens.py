# SPDX-License-Identifier: MIT
"""Who has a key, and who has one no longer: tokens made, revoked, rotated, removed by the real
chatctl on the real daemon, which may crash in between."""
import concurrent.futures
import os

import grpc
import pytest

import harness
from harness import ALICE_TOKEN, OPEN_TOKEN
from office import Office, eventually, office, state  # noqa: F401: fixtures

CODE = grpc.StatusCode


def test_a_new_token_admits_its_user_and_nobody_else(office):
    done = office.ctl("token", "add", "carol")
    secret = done.out.strip()
    assert "chat carol@" in done.err and f":{office.daemon.port}\n" in done.err
    assert len(secret) >= 43  # 256 bits, as text
    office.room.join("carol", secret)
    assert office.refused("dave", secret) == CODE.PERMISSION_DENIED
    # Her name is hers now.
    assert office.refused("carol", OPEN_TOKEN) == CODE.PERMISSION_DENIED
    assert secret not in office.daemon.log_text()


def test_a_new_token_for_anybody(office):
    secret, _ = office.new_token("*")
    office.room.join("erin", secret)
    assert office.refused("alice", secret) == CODE.PERMISSION_DENIED


def test_the_list_of_tokens(office):
    secret, token_id = office.new_token("carol", "--label", "her phone", "--expires", "30d")
    token = office.token(token_id)
    assert (token["user"], token["label"], token["revoked"], token["configured"]) == \
        ("carol", "her phone", False, False)
    assert token["expires_ms"] - token["created_ms"] == 30 * 24 * 3600 * 1000
    assert token["last_used_ms"] == 0
    office.room.join("carol", secret)
    assert office.token(token_id)["last_used_ms"] >= token["created_ms"]
    tokens = office.json("token", "list")["tokens"]
    assert sorted(t["user"] for t in tokens) == ["*", "*", "alice", "carol"]
    assert sum(t["configured"] for t in tokens) == 3
    assert secret not in office.ctl("token", "list").out


def test_revoked_is_revoked_also_after_a_crash(office):
    secret, token_id = office.new_token("carol")
    carol = office.room.join("carol", secret)
    done = office.ctl("revoke", "carol")
    assert done.out == f"Revoked 1 token of carol: {token_id}\nEnded 1 session\n"
    assert carol.end() == CODE.UNAUTHENTICATED
    assert office.refused("carol", secret) == CODE.UNAUTHENTICATED
    office.crash()
    office.start()
    assert office.refused("carol", secret) == CODE.UNAUTHENTICATED
    assert office.token(token_id)["revoked"]
    assert office.json("unrevoke", "carol") == {"token_ids": [token_id]}
    office.room.join("carol", secret)
    office.restart()
    office.room.join("carol", secret)


def test_a_token_made_after_the_revocation_works(office):
    old, _ = office.new_token("carol")
    office.ctl("revoke", "carol")
    new, _ = office.new_token("carol")
    office.room.join("carol", new)
    assert office.refused("carol", old) == CODE.UNAUTHENTICATED
    office.crash()
    office.start()
    office.room.join("carol", new)
    assert office.refused("carol", old) == CODE.UNAUTHENTICATED


def test_a_configured_token_stays_revoked_while_the_file_has_it(office):
    alice = office.room.join("alice", ALICE_TOKEN)
    token_id = office.sessions("alice")[0]["token_id"]
    assert office.json("revoke", "--token", token_id)["sessions"] == 1
    assert alice.end() == CODE.UNAUTHENTICATED
    office.ctl("reload")
    assert office.refused("alice", ALICE_TOKEN) == CODE.UNAUTHENTICATED
    office.crash()
    office.start()
    assert office.refused("alice", ALICE_TOKEN) == CODE.UNAUTHENTICATED


def test_who_came_by_a_token_for_anybody_is_not_revoked_by_name(office):
    bob = office.room.join("bob")
    token_id = office.sessions("bob")[0]["token_id"]
    done = office.ctl("revoke", "bob", status=1)
    assert token_id in done.err
    assert bob.code is None
    office.ctl("revoke", "--token", token_id)
    assert bob.end() == CODE.UNAUTHENTICATED


def test_a_token_expires(office):
    secret, token_id = office.new_token("carol", "--expires", "2s")
    expires = office.token(token_id)["expires_ms"]
    eventually(lambda: office.json("status")["now_ms"] > expires, "its time")
    assert office.refused("carol", secret) == CODE.UNAUTHENTICATED


def test_a_rotated_token_is_the_new_one(office):
    old, old_id = office.new_token("carol", "--label", "her phone")
    carol = office.room.join("carol", old)
    made = office.json("token", "rotate", old_id)
    assert made["token"]["id"] != old_id
    assert (made["token"]["user"], made["token"]["label"]) == ("carol", "her phone")
    assert carol.end() == CODE.UNAUTHENTICATED
    assert office.refused("carol", old) == CODE.UNAUTHENTICATED
    office.room.join("carol", made["secret"])
    office.crash()
    office.start()
    assert office.refused("carol", old) == CODE.UNAUTHENTICATED
    office.room.join("carol", made["secret"])


def test_what_was_rotated_away_does_not_come_back(office):
    old, old_id = office.new_token("carol")
    new = office.json("token", "rotate", old_id)
    assert office.json("revoke", "carol")["token_ids"] == [new["token"]["id"]]
    assert office.json("unrevoke", "carol")["token_ids"] == [new["token"]["id"]]
    assert office.refused("carol", old) == CODE.UNAUTHENTICATED
    office.room.join("carol", new["secret"])


def test_a_configured_token_that_is_rotated_is_revoked(office):
    alice = office.room.join("alice", ALICE_TOKEN)
    old_id = office.sessions("alice")[0]["token_id"]
    new = office.json("token", "rotate", old_id)
    assert alice.end() == CODE.UNAUTHENTICATED
    assert office.token(old_id)["revoked"]
    office.room.join("alice", new["secret"])


def test_a_removed_token_is_gone(office):
    secret, token_id = office.new_token("carol")
    carol = office.room.join("carol", secret)
    assert office.json("token", "remove", token_id) == {"sessions": 1}
    assert carol.end() == CODE.UNAUTHENTICATED
    assert office.refused("carol", secret) == CODE.UNAUTHENTICATED
    assert token_id not in office.ctl("token", "list").out
    office.ctl("token", "remove", token_id, status=1)


def test_what_nobody_knows(office):
    for arguments in (("revoke", "nobody"), ("unrevoke", "nobody"), ("revoke", "--token", "0" * 12),
                      ("unrevoke", "--token", "0" * 12), ("token", "remove", "0" * 12),
                      ("token", "rotate", "0" * 12)):
        done = office.ctl(*arguments, status=1)
        assert done.out == "" and done.err.startswith("chatctl: "), done


@pytest.mark.parametrize("name", ["a\x1b[2J", "", "a b", "x" * 5000, "a\u202eb", "root"],
                         ids=["escape", "empty", "space", "long", "bidi", "reserved"])
def test_what_is_no_name(office, name):
    for verb in (("revoke",), ("unrevoke",), ("token", "add")):
        done = office.ctl(*verb, name, status=1)
        assert done.out == "" and "\x1b" not in done.err and "\u202e" not in done.err
    assert all(token["configured"] for token in office.json("token", "list")["tokens"])


@pytest.mark.parametrize("token_id", ["", "xyz", "0" * 11, "0" * 13, "G" * 12, "\x1b" * 12],
                         ids=["empty", "short", "shorter", "longer", "not-hex", "escape"])
def test_what_is_no_token_id(office, token_id):
    for verb in (("revoke", "--token"), ("unrevoke", "--token"), ("token", "remove"),
                 ("token", "rotate")):
        done = office.ctl(*verb, token_id, status=1)
        assert done.out == "" and "\x1b" not in done.err


def test_a_label_of_more_than_one_line_is_refused(office):
    for label in ("a\nb", "\x1b[2J", "x" * 5000):
        assert office.ctl("token", "add", "bob", "--label", label, status=1).out == ""


def test_fifty_at_once_make_fifty_tokens(office):
    n = harness.scaled(50)
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        secrets = list(pool.map(
            lambda i: office.ctl("token", "add", f"user{i}", "--timeout", "30s").out, range(n)))
    assert len(set(secrets)) == n
    users = {token["user"] for token in office.json("token", "list")["tokens"]}
    assert users >= {f"user{i}" for i in range(n)}


def test_changes_are_durable_and_there_is_no_trouble(office):
    status = office.json("status")
    assert status["durable"] is True and status["trouble"] == ""


def fill(path):
    with open(path, "ab", buffering=0) as f, pytest.raises(OSError, match="No space left"):
        while True:
            f.write(bytes(4096))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_the_disk_does_not_take_is_done_and_said(daemons, state):  # noqa: F811
    """A full disk keeps nobody in the room who should be out of it."""
    small = ["unshare", "--mount", "sh", "-c",
             'mount -t tmpfs -o size=1m none "$0" && exec "$@"', state]
    office = Office(daemons, state, launcher=small)
    secret, token_id = office.new_token("carol")
    carol = office.room.join("carol", secret)
    filler = f"/proc/{office.daemon.process.pid}/root{state}/filler"
    fill(filler)
    done = office.ctl("revoke", "carol", status=1)
    fill(filler)  # what the attempt gave back, too: it is made again
    assert "restart" in done.err
    status = office.json("status")
    assert status["durable"] is False and status["trouble"]
    assert carol.end() == CODE.UNAUTHENTICATED
    assert office.refused("carol", secret) == CODE.UNAUTHENTICATED
    assert office.token(token_id)["revoked"]
    os.unlink(filler)
    assert office.json("revoke", "carol")["token_ids"] == [token_id]
    status = office.json("status")
    assert status["durable"] is True and status["trouble"] == ""
