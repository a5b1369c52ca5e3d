# SPDX-License-Identifier: MIT
"""The control socket as a program meets it: who is let in, what hostile peers get, which sockets
the daemon takes. What the methods do is also tested through chatctl, in test_operator*.py."""
import grp
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
import time

import grpc
import pytest

import http2
from admin import Admin, refused
from clients import refusal
from fake_admin import METHODS, pb
from harness import DEADLINE, OPEN_TOKEN, SLACK, configuration
from test_start import activated
from wire import encode

Code = grpc.StatusCode
PREFIX = "/chatroom.v1.AdminService/"
PATIENCE = 10.0  # seconds for a connection's first call, and for a call's request

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")


@pytest.fixture
def admin(room):
    with Admin(room.daemon) as a:
        yield a


# Who may use it

CALL = """
import grpc, sys
channel = grpc.insecure_channel(f"unix:{sys.argv[1]}")
try:
    channel.unary_unary("/chatroom.v1.AdminService/GetStatus")(b"", timeout=30)
    print("OK")
except grpc.RpcError as e:
    print(e.code().name, e.details())
"""


def call_as(daemon, user, *groups):
    """What somebody else gets who may open the socket's file; `groups` are supplementary."""
    os.chmod(daemon.directory, 0o755)
    os.chmod(daemon.control, 0o666)
    entry = pwd.getpwnam(user)
    numbers = [grp.getgrnam(group).gr_gid for group in groups]
    done = subprocess.run([sys.executable, "-c", CALL, daemon.control], stdout=subprocess.PIPE,
                          user=entry.pw_uid, group=entry.pw_gid, extra_groups=numbers,
                          timeout=DEADLINE, check=True)
    return done.stdout.decode().strip()


@root_only
def test_a_supplementary_group_is_enough(daemons):
    daemon = daemons.start(server={"admin_group": "games"})
    assert call_as(daemon, "nobody", "games") == "OK"
    assert call_as(daemon, "nobody", "users", "games", "staff") == "OK"


@root_only
def test_a_primary_group_is_enough(daemons):
    daemon = daemons.start(server={"admin_group": grp.getgrgid(pwd.getpwnam("nobody").pw_gid)[0]})
    assert call_as(daemon, "nobody") == "OK"


@root_only
def test_everybody_else_is_refused_whatever_the_files_mode(daemons):
    daemon = daemons.start(server={"admin_group": "games"})
    answer = call_as(daemon, "nobody", "users")
    assert answer == "PERMISSION_DENIED Only root and members of the group games may do this."
    daemon.wait_log(f"Refused uid {pwd.getpwnam('nobody').pw_uid} ")
    assert call_as(daemon, "games", "users") == "OK"  # whose primary group it is
    assert call_as(daemon, "daemon").startswith("PERMISSION_DENIED")


@root_only
def test_without_the_group_there_is_only_root(daemons):
    daemon = daemons.start(server={"admin_group": "no-such-group"})
    daemon.wait_log("There is no group no-such-group")
    assert call_as(daemon, "nobody") == "PERMISSION_DENIED Only root may do this."
    with Admin(daemon) as admin:
        assert admin.GetStatus(pb.GetStatusRequest()).users == 0


@root_only
def test_a_reload_may_name_another_group(daemons):
    daemon = daemons.start(server={"admin_group": "games"})
    daemon.reload(configuration(server={"admin_group": "users"}))
    assert call_as(daemon, "nobody", "users") == "OK"
    assert call_as(daemon, "nobody", "games").startswith("PERMISSION_DENIED")


@root_only
def test_the_sockets_file_is_for_the_group_alone(daemons):
    daemon = daemons.start(server={"admin_group": "games"})
    st = os.stat(daemon.control)
    assert stat.S_IMODE(st.st_mode) == 0o660
    assert (st.st_uid, st.st_gid) == (0, grp.getgrnam("games").gr_gid)


# What is where

def test_no_method_is_to_be_had_on_the_chat_port(room):
    channel = room.channel()
    for method in METHODS:
        code, _ = refused(channel.unary_unary(PREFIX + method), b"")
        assert code == Code.UNIMPLEMENTED


def test_only_these_methods_are_to_be_had_on_the_control_socket(admin):
    for path in ("/chat.Chat/Join", PREFIX + "Shutdown", "/grpc.health.v1.Health/Check"):
        assert refused(admin.channel.unary_unary(path), b"")[0] == Code.UNIMPLEMENTED


def test_each_method_of_the_contract_is_there(admin):
    for method in METHODS:
        try:
            admin.channel.unary_unary(PREFIX + method)(b"", timeout=DEADLINE)
        except grpc.RpcError as e:
            assert e.code() == Code.INVALID_ARGUMENT, (method, e.details())


# Requests that are none

@pytest.mark.parametrize("method, request_bytes", [
    ("Kick", b""),
    ("Kick", b"\x0a\x7f"),
    ("Kick", b"\xff" * 100),
    ("Kick", b"\x0a\x02\xc3\x28"),
    ("Kick", b"\x0a\x04bo\x00b"),
    ("Revoke", b""),
    ("Revoke", b"\x0a\x01*"),
    ("Revoke", b"\x12\x0c0123456789ag"),
    ("AddToken", b""),
    ("AddToken", b"\x0a\x05alice\x12\x01\x1b"),
    ("AddToken", b"\x0a\x05alice\x18" + b"\xff" * 9 + b"\x01"),
    ("RemoveToken", b"\x0a\x0b01234567890"),
    ("RotateToken", b"\x0a\x0c" + b"\x1b" * 12),
    ("ListUsers", b"\x07"),
])
def test_what_is_no_request_is_refused(admin, method, request_bytes):
    code, details = refused(admin.channel.unary_unary(PREFIX + method), request_bytes)
    assert code == Code.INVALID_ARGUMENT and details
    assert "\x1b" not in details


def test_a_request_that_is_too_large_is_not_taken_in(admin):
    request = pb.KickRequest(user="bob", reason="x" * 70000)
    assert refused(admin.Kick, request)[0] == Code.RESOURCE_EXHAUSTED
    assert admin.ListUsers(pb.ListUsersRequest()).users


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_compressed_request_is_refused(room, encoding):
    connection = http2.Connection(room.daemon.control)
    stream = connection.open(PREFIX + "ListUsers", metadata=[("grpc-encoding", encoding)])
    connection.send(stream, b"", compressed=True)
    assert connection.status(stream) == Code.UNIMPLEMENTED.value[0]
    connection.close()


def test_garbage_is_no_reason_to_stop(room):
    for garbage in (b"\0" * 1000, b"GET / HTTP/1.1\r\n\r\n", os.urandom(100000),
                    http2.PREFACE + os.urandom(10000)):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(room.daemon.control)
            try:
                s.sendall(garbage)
                while s.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    with Admin(room.daemon) as admin:
        assert admin.ListUsers(pb.ListUsersRequest()).users


def test_nobody_is_waited_for_longer_than_patience_lasts(room):
    start = time.monotonic()
    connection = http2.Connection(room.daemon.control)
    stream = connection.open(PREFIX + "Reload")  # and no request
    connection.flush()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(room.daemon.control)
        s.settimeout(PATIENCE * SLACK)
        while s.recv(65536):
            pass
    assert time.monotonic() - start >= PATIENCE
    assert connection.status(stream) == Code.INVALID_ARGUMENT.value[0]
    assert time.monotonic() - start >= PATIENCE
    connection.close()


def test_who_leaves_in_the_middle_leaves_nothing_behind(room):
    for cut in range(1, 100, 7):
        connection = http2.Connection(room.daemon.control)
        stream = connection.open(PREFIX + "AddToken")
        connection.send(stream, pb.AddTokenRequest(user="carol").SerializeToString())
        whole = connection._output
        connection.socket.sendall(whole[:len(whole) * cut // 100])
        connection.close()
    with Admin(room.daemon) as admin:
        assert admin.ListTokens(pb.ListTokensRequest()).tokens


def test_the_list_and_the_log_agree_whenever_the_asker_leaves(room, admin):
    for i in range(100):
        call = admin.AddToken.future(pb.AddTokenRequest(user="carol"), timeout=DEADLINE)
        end = time.monotonic() + i / 50000  # from before it was sent to after it was answered
        while time.monotonic() < end and not call.done():
            pass
        call.cancel()
    last = admin.AddToken(pb.AddTokenRequest(user="carol")).token.id
    room.daemon.wait_log(f"made {last}$")
    listed = {t.id for t in admin.ListTokens(pb.ListTokensRequest()).tokens if not t.configured}
    assert {m[1] for m in room.daemon.log_matches("done: made ([0-9a-f]{12})$")} == listed


def test_one_users_connections_are_counted(room):
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(64)]
    for s in sockets:
        s.connect(room.daemon.control)
    with socket.socket(socket.AF_UNIX) as one_more:
        one_more.settimeout(DEADLINE)
        one_more.connect(room.daemon.control)
        assert one_more.recv(1) == b""
    for s in sockets:
        s.close()
    with Admin(room.daemon) as admin:  # there is room again, once it has been noticed
        admin.until(lambda: admin.ListUsers(pb.ListUsersRequest(), wait_for_ready=True))


def test_two_hundred_requests_at_once(admin):
    calls = [admin.ListTokens.future(pb.ListTokensRequest(), timeout=DEADLINE) for _ in range(200)]
    assert {len(call.result().tokens) for call in calls} == {3}


# Sockets

def socket_path(daemons, prepare, expect=78):
    """Starts a daemon whose control socket is a path that something stands at."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "control.sock")
        prepare(path)
        daemon = daemons.start(arguments=("--control", path), wait=expect is None)
        daemon.control = path
        if expect is not None:
            daemon.wait_log(f"Cannot make the control socket {path}")
            assert daemon.exit_status() == expect
            daemon.stop(expect)
            return os.lstat(path)
        with Admin(daemon) as admin:
            assert admin.GetStatus(pb.GetStatusRequest()).version
        daemon.stop()
        assert not os.path.exists(path)
        return None


def test_a_socket_that_was_left_behind_is_replaced(daemons):
    def leave(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen()

    socket_path(daemons, leave, expect=None)


def test_a_file_in_its_place_is_left_alone(daemons):
    def write(path):
        with open(path, "w", encoding="utf-8") as f:
            f.write("precious")

    assert socket_path(daemons, write).st_size == len("precious")


def test_a_link_in_its_place_is_left_alone(daemons):
    assert stat.S_ISLNK(socket_path(daemons, lambda path: os.symlink("/dev/null", path)).st_mode)


def test_a_socket_that_somebody_listens_on_is_left_alone(daemons):
    with socket.socket(socket.AF_UNIX) as s:
        def listen(path):
            s.bind(path)
            s.listen()

        assert stat.S_ISSOCK(socket_path(daemons, listen).st_mode)


@pytest.mark.skipif(os.path.exists("/run/chatroom"), reason="/run/chatroom is there")
def test_without_its_directory_there_is_a_room_but_no_control_socket(daemons):
    # Without --control, which the harness gives.
    daemon = daemons.start(launcher=["sh", "-c", 'exec "$1" "$2" "$3" "$6" "$7"', "sh"])
    daemon.wait_log("There is no control socket: /run/chatroom/control.sock")
    connection = http2.Connection(daemon.address())
    stream = connection.open()
    connection.send(stream, encode("anna", OPEN_TOKEN))
    connection.half_close(stream)
    assert connection.status(stream) == 0
    connection.close()
    daemon.stop()


def test_takes_its_socket_from_systemd_by_name(daemons):
    with socket.create_server(("127.0.0.1", 0)) as chat, socket.socket(socket.AF_UNIX) as control, \
            tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "passed")
        control.bind(path)
        control.listen()
        daemon = activated(daemons, [("control", control), ("chat", chat)])
        assert not os.path.exists(daemon.control)
        daemon.control = path
        with Admin(daemon) as admin:
            assert admin.GetStatus(pb.GetStatusRequest()).listen[0].endswith(
                f":{chat.getsockname()[1]}")
        daemon.stop()
        assert os.path.exists(path)  # the service manager's


# Verbs, beyond what chatctl can ask for

def test_half_joined_is_half_in(room, admin):
    """Somebody who has shown a token, but not said a name yet."""
    session = room.session(metadata=[("authorization", "Bearer token2")])
    token_id = admin.token_id("token2")
    # Whether the call has opened is nobody's to see: it goes now, or with its first message.
    assert admin.Revoke(pb.RevokeRequest(token_id=token_id)).token_ids == [token_id]
    session.send("anna", "")
    assert refusal(session)[0] == Code.UNAUTHENTICATED


def test_a_silent_half_joined_stream_ends_with_its_token(room, admin):
    session = room.session(metadata=[("authorization", "Bearer token2")])
    token_id = admin.token_id("token2")
    # It has opened when it counts: then one of these revocations ends it. Or it opens while the
    # token is revoked, and is refused.
    admin.until(lambda: admin.Revoke(pb.RevokeRequest(token_id=token_id)).sessions
                or session.code or not admin.Unrevoke(pb.UnrevokeRequest(token_id=token_id)))
    assert refusal(session) == (Code.UNAUTHENTICATED,
                                "The token is missing, unknown, expired or revoked.")


def test_the_owner_of_a_name_gets_it_from_whoever_used_it(room, admin):
    squatter = room.join("carol")
    secret = admin.AddToken(pb.AddTokenRequest(user="carol")).secret
    assert refusal(squatter)[0] == Code.PERMISSION_DENIED
    room.join("carol", secret)


def test_a_revoked_name_is_not_free_for_all(room, admin):
    secret = admin.AddToken(pb.AddTokenRequest(user="carol")).secret
    admin.Revoke(pb.RevokeRequest(user="Carol"))
    assert refusal(room.try_join("carol", secret))[0] == Code.UNAUTHENTICATED
    assert refusal(room.try_join("carol"))[0] == Code.PERMISSION_DENIED
    [token] = [t for t in admin.ListTokens(pb.ListTokensRequest()).tokens if t.user == "carol"]
    admin.RemoveToken(pb.RemoveTokenRequest(token_id=token.id))
    room.join("carol")


def test_a_live_session_ends_when_its_token_expires(room, admin):
    made = admin.AddToken(pb.AddTokenRequest(user="carol", lifetime_ms=1500))
    carol = room.join("carol", made.secret)
    assert refusal(carol)[0] == Code.UNAUTHENTICATED
    late = time.time() * 1000 - made.token.expires_ms
    assert 0 <= late <= 1000 * SLACK
    assert refusal(room.try_join("carol", made.secret))[0] == Code.UNAUTHENTICATED


def test_the_operator_is_told_which_token_to_revoke(room, admin):
    for name in ("anna", "bert"):
        room.join(name, "token2")
    code, details = refused(admin.Revoke, pb.RevokeRequest(user="anna"))
    assert code == Code.FAILED_PRECONDITION
    assert f"chatctl revoke --token {admin.token_id('token2')}" in details
    assert "2 sessions" in details


def test_a_kick_counts_and_can_be_of_one_session(room, admin):
    room.join("anna")
    users = admin.ListUsers(pb.ListUsersRequest()).users
    [session] = next(user.sessions for user in users if user.name == "anna")
    assert admin.Kick(pb.KickRequest(session=session.id)).sessions == 1
    assert refused(admin.Kick, pb.KickRequest(session=session.id))[0] == Code.NOT_FOUND


def test_what_is_only_looked_at_is_not_logged(room, admin):
    for _ in range(3):
        admin.ListUsers(pb.ListUsersRequest())
        admin.ListTokens(pb.ListTokensRequest())
        admin.GetStatus(pb.GetStatusRequest())
    refused(admin.Kick, pb.KickRequest(user="nobody"))
    room.daemon.wait_log("^kick .* by uid")
    assert len(room.daemon.log_matches(" by uid")) == 1


def test_a_claim_cannot_forge_the_log(room, admin):
    claim = "mallory): done\x7fkick bob"
    refused(admin.Kick, pb.KickRequest(user="nobody"),
            metadata=[("chatroom-sudo-user", claim.replace("\x7f", "~") + "x" * 200)])
    line = room.daemon.wait_log("claims to be mallory").string
    assert line.startswith(f"kick nobody by uid {os.geteuid()} (pid ")
    assert "x" * 65 not in line
