# SPDX-License-Identifier: MIT
"""What an operator has changed outlives the daemon, whatever happens to it or to its disk; and what
cannot be read is not guessed at."""
import os
import shutil
import signal
import sqlite3
import tempfile

import grpc
import pytest

from admin import Admin, refused
from clients import refusal
from fake_admin import pb
from harness import ALICE_TOKEN, OPEN_TOKEN, configuration, scaled
from test_many import crowd, said, until_all_hear
from wire import encode

Code = grpc.StatusCode
EX_CONFIG = 78

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def state():
    with tempfile.TemporaryDirectory(prefix="chatroom-state-") as directory:
        yield directory


def start(daemons, state, **arguments):
    return daemons.room(state=state, **arguments)


def crash(room):
    room.daemon.process.send_signal(signal.SIGKILL)
    assert room.daemon.exit_status() == -signal.SIGKILL
    room.close()
    room.daemon.close()


def tokens(admin):
    return {t.id: t for t in admin.ListTokens(pb.ListTokensRequest()).tokens}


# Crashes

def test_made_joined_revoked_killed_and_still_out(daemons, state):
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        made = admin.AddToken(pb.AddTokenRequest(user="carol", label="her phone"))
        carol = room.join("carol", made.secret)
        assert admin.Revoke(pb.RevokeRequest(user="carol")).sessions == 1
        assert refusal(carol)[0] == Code.UNAUTHENTICATED
    crash(room)
    room = start(daemons, state)
    assert refusal(room.try_join("carol", made.secret))[0] == Code.UNAUTHENTICATED
    with Admin(room.daemon) as admin:
        token = tokens(admin)[made.token.id]
        assert (token.user, token.label, token.revoked) == ("carol", "her phone", True)


def test_a_revoked_token_of_the_configuration_stays_out(daemons, state):
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        alice = room.join("alice", ALICE_TOKEN)
        admin.Revoke(pb.RevokeRequest(user="alice"))
        assert refusal(alice)[0] == Code.UNAUTHENTICATED
        admin.Reload(pb.ReloadRequest())
    assert refusal(room.try_join("alice", ALICE_TOKEN))[0] == Code.UNAUTHENTICATED
    crash(room)
    # Taken out of the file and put back in.
    room = start(daemons, state, tokens=[("*", OPEN_TOKEN)])
    with Admin(room.daemon) as admin:
        assert tokens(admin)[admin.token_id(ALICE_TOKEN)].revoked
        room.daemon.reload(configuration())
        assert refusal(room.try_join("alice", ALICE_TOKEN))[0] == Code.UNAUTHENTICATED
        admin.Unrevoke(pb.UnrevokeRequest(user="alice"))
    room.join("alice", ALICE_TOKEN)


def test_every_change_that_was_answered_survives_a_kill(daemons, state):
    """Killed in the middle of many."""
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        calls = [admin.AddToken.future(pb.AddTokenRequest(user=f"user{i}")) for i in range(200)]
        calls[scaled(100)].result()
        room.daemon.process.send_signal(signal.SIGKILL)
        made = [c.result().token.id for c in calls if not c.exception()]
    assert len(made) >= 1
    crash(room)
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        assert set(made) <= set(tokens(admin))


def test_when_a_token_was_used_last_is_known_after_a_restart(daemons, state):
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        room.join("alice", ALICE_TOKEN)
        used = tokens(admin)[admin.token_id(ALICE_TOKEN)].last_used_ms
    assert used > 0
    room.daemon.stop()
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        assert tokens(admin)[admin.token_id(ALICE_TOKEN)].last_used_ms == used


# Disks

@root_only
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_read_only_disk_keeps_nobody_in_and_the_room_open(daemons, state, end):
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        admin.Revoke(pb.RevokeRequest(user="alice"))
        dave = admin.AddToken(pb.AddTokenRequest(user="dave")).secret
    if end == "killed":
        crash(room)  # and what was written is in the log, not yet in the file
    else:
        room.daemon.stop()
    # With history there would be no talking on such a disk.
    room = start(daemons, state, history={"enabled": "no"}, launcher=[
        "unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && '
        'mount -o remount,bind,ro "$0" && exec "$@"', state])
    assert refusal(room.try_join("alice", ALICE_TOKEN))[0] == Code.UNAUTHENTICATED
    joined = room.join("dave", dave)
    with Admin(room.daemon) as admin:
        status = admin.GetStatus(pb.GetStatusRequest())
        assert not status.durable and "Read-only file system" in status.trouble
        before = set(tokens(admin))
        code, details = refused(admin.AddToken, pb.AddTokenRequest(user="erin"))
        assert code == Code.FAILED_PRECONDITION and "Nothing was changed" in details
        assert refused(admin.Unrevoke, pb.UnrevokeRequest(user="alice"))[0] == \
            Code.FAILED_PRECONDITION
        code, details = refused(admin.Revoke, pb.RevokeRequest(user="dave"))
        assert code == Code.DATA_LOSS and "not durable" in details
        assert refusal(joined)[0] == Code.UNAUTHENTICATED
        [token_id] = [t.id for t in tokens(admin).values() if t.user == "dave"]
        assert refused(admin.RotateToken,
                       pb.RotateTokenRequest(token_id=admin.token_id(OPEN_TOKEN)))[0] == \
            Code.FAILED_PRECONDITION
        assert refused(admin.RemoveToken,
                       pb.RemoveTokenRequest(token_id=token_id))[0] == Code.DATA_LOSS
        assert set(tokens(admin)) == before and tokens(admin)[token_id].revoked


@root_only
def test_a_revocation_is_written_as_soon_as_the_disk_takes_it(daemons, state):
    room = start(daemons, state, launcher=[
        "unshare", "--mount", "sh", "-c",
        'mount -t tmpfs -o size=1m none "$0" && exec "$@"', state])
    inside = f"/proc/{room.daemon.process.pid}/root{state}"
    with Admin(room.daemon) as admin:
        assert admin.GetStatus(pb.GetStatusRequest()).durable
        with open(f"{inside}/filler", "wb", buffering=0) as f, \
                pytest.raises(OSError, match="No space left"):
            while True:
                f.write(bytes(4096))
        code, details = refused(admin.Revoke, pb.RevokeRequest(user="alice"))
        assert code == Code.DATA_LOSS and "No space left" in details
        assert refusal(room.try_join("alice", ALICE_TOKEN))[0] == Code.UNAUTHENTICATED
        status = admin.GetStatus(pb.GetStatusRequest())
        assert not status.durable and "No space left" in status.trouble
        os.unlink(f"{inside}/filler")
        admin.until(lambda: admin.GetStatus(pb.GetStatusRequest()).durable)
        room.daemon.wait_log("The state can be written again")
        for name in ("state.db", "state.db-wal"):  # SQLite would look for it outside
            shutil.copy(f"{inside}/{name}", room.daemon.directory)
        with sqlite3.connect(os.path.join(room.daemon.directory, "state.db")) as db:
            assert db.execute("SELECT user FROM revocations").fetchall() == [("alice",)]
        db.close()


def test_without_a_state_directory_everything_works_until_the_end(daemons):
    room = daemons.room(launcher=["sh", "-c", 'exec "$1" "$2" "$3" "$4" "$5"', "sh"])
    with Admin(room.daemon) as admin:
        status = admin.GetStatus(pb.GetStatusRequest())
        assert not status.durable and "no state directory" in status.trouble
        carol = room.join("carol", admin.AddToken(pb.AddTokenRequest(user="carol")).secret)
        code, details = refused(admin.Revoke, pb.RevokeRequest(user="carol"))
        assert code == Code.DATA_LOSS and "no state directory" in details
        assert refusal(carol)[0] == Code.UNAUTHENTICATED
        admin.Unrevoke(pb.UnrevokeRequest(user="carol"))
    assert not os.path.exists(os.path.join(room.daemon.directory, "state", "state.db"))


def test_the_service_managers_state_directory_is_taken(daemons, state):
    room = daemons.room(launcher=["sh", "-c", 'exec "$1" "$2" "$3" "$4" "$5"', "sh"],
                        environment={"STATE_DIRECTORY": f"{state}:/nonexistent"})
    with Admin(room.daemon) as admin:
        assert admin.GetStatus(pb.GetStatusRequest()).durable
    assert "state.db" in os.listdir(state)


def test_a_state_directory_that_is_not_there_is_made(daemons, state):
    path = os.path.join(state, "new")
    room = daemons.room(arguments=("--state", path))
    with Admin(room.daemon) as admin:
        assert admin.GetStatus(pb.GetStatusRequest()).durable
    assert os.stat(path).st_mode & 0o777 == 0o700


# What cannot be read

def must_not_start(daemons, state, pattern):
    before = {name: open(os.path.join(state, name), "rb").read() for name in os.listdir(state)}
    daemon = daemons.start(state=state, wait=False)
    daemon.wait_log(pattern)
    assert daemon.exit_status() == EX_CONFIG
    assert not daemon.log_matches("is serving")
    daemon.stop(EX_CONFIG)
    after = {name: open(os.path.join(state, name), "rb").read() for name in os.listdir(state)}
    assert after == before


def made_state(daemons, state):
    room = start(daemons, state)
    with Admin(room.daemon) as admin:
        admin.Revoke(pb.RevokeRequest(user="alice"))
    room.daemon.stop()
    return os.path.join(state, "state.db")


def test_a_damaged_state_keeps_the_daemon_from_starting(daemons, state):
    path = made_state(daemons, state)
    with open(path, "r+b") as f:
        f.write(os.urandom(8192))
    must_not_start(daemons, state, r"state\.db is damaged .*Put back a copy")
    os.truncate(path, 0)
    must_not_start(daemons, state, r"state\.db is damaged \(it is empty\)")
    # As it says: moved away, a new one is begun.
    os.unlink(path)
    start(daemons, state).join("alice", ALICE_TOKEN)


def test_a_newer_state_is_not_touched(daemons, state):
    path = made_state(daemons, state)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    must_not_start(daemons, state, r"newer chatroomd \(schema 7, this one knows 1\)")


def test_two_daemons_do_not_share_a_state(daemons, state):
    room = start(daemons, state)
    daemon = daemons.start(state=state, wait=False)
    daemon.wait_log("another chatroomd does")
    assert daemon.exit_status() == EX_CONFIG
    daemon.stop(EX_CONFIG)
    room.join("alice", ALICE_TOKEN)


# Reload

def test_five_hundred_others_notice_nothing_of_a_reload(daemons):
    room = daemons.room()
    alice, anna, bert = room.join("alice", ALICE_TOKEN), room.join("anna", "token2"), \
        room.join("bert")
    n = scaled(500, 50)
    everybody, members = crowd(room.daemon, n)
    until_all_hear(room, everybody, members, bert)
    with Admin(room.daemon) as admin:
        room.daemon.write_config("[server]\nno_such_key = 1\n")
        code, details = refused(admin.Reload, pb.ReloadRequest())
        assert code == Code.INVALID_ARGUMENT and "chatroom.ini:2: unknown key" in details
        room.daemon.write_config(configuration(tokens=[("*", OPEN_TOKEN)]))
        for i in range(50):
            connection, stream = members[i * n // 50]
            connection.send(stream, encode("", f"message {i}"))
            connection.flush()
            if i == 25:
                admin.Reload(pb.ReloadRequest())
    assert refusal(alice)[0] == refusal(anna)[0] == Code.UNAUTHENTICATED
    own = {id(members[i * n // 50][1]): f"message {i}" for i in range(50)}

    def heard(stream):
        return [text for _, text in said(stream) if text.startswith("message ")]

    def expected(stream):
        return [f"message {i}" for i in range(50) if own.get(id(stream)) != f"message {i}"]

    everybody.pump(lambda: all(len(heard(s)) >= len(expected(s)) for _, s in members),
                   "everybody has heard everything")
    assert not any(stream.ended for _, stream in members)
    assert all(sorted(heard(s)) == sorted(expected(s)) for _, s in members)
    everybody.close()


# Status

@root_only
def test_the_status_says_when_messages_cannot_be_stored(daemons, state):
    room = start(daemons, state, launcher=[
        "unshare", "--mount", "sh", "-c",
        'mount -t tmpfs -o size=2m none "$0" && exec "$@"', state])
    inside = f"/proc/{room.daemon.process.pid}/root{state}"
    anna = room.join("anna")
    with Admin(room.daemon) as admin:
        with open(f"{inside}/filler", "wb", buffering=0) as f, \
                pytest.raises(OSError, match="No space left"):
            while True:
                f.write(bytes(4096))
        while not anna.code:  # there may be room in a file for a few more
            anna.say("x" * 4000)
            with anna.changed:
                anna.changed.wait(0.05)
        assert refusal(anna)[0] == Code.UNAVAILABLE
        assert "Messages cannot be stored: No space left" in \
            admin.GetStatus(pb.GetStatusRequest()).trouble


def test_messages_are_counted_from_the_start(daemons, state):
    room = start(daemons, state)
    room.join("anna")
    with Admin(room.daemon) as admin:
        before = admin.GetStatus(pb.GetStatusRequest()).messages
    assert before >= 1
    room.daemon.stop()
    daemon = daemons.start(state=state)
    with Admin(daemon) as admin:
        assert admin.GetStatus(pb.GetStatusRequest()).messages == 0
