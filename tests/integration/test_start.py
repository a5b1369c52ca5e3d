# SPDX-License-Identifier: MIT
"""How the daemon starts: command line, configuration, readiness, sockets from systemd."""
import contextlib
import os
import re
import socket
import subprocess
import tempfile

import pytest

import harness
from harness import CHATROOMD, OPEN_TOKEN, configuration, ini, scaled
from http2 import Connection
from wire import encode


def run(*arguments):
    return subprocess.run([*harness.sanitizers.prefix(harness.BUILD), CHATROOMD, *arguments],
                          capture_output=True, text=True, timeout=harness.DEADLINE, check=False,
                          stdin=subprocess.DEVNULL)


def test_version():
    done = run("--version")
    assert done.returncode == 0
    assert re.search(r"\b\d+\.\d+\.\d+\b", done.stdout)
    assert done.stderr == ""


def test_help_names_every_option():
    done = run("--help")
    assert done.returncode == 0
    for option in ("--config", "--listen", "--control", "--state", "--check-config", "--version",
                   "--help"):
        assert option in done.stdout


def test_an_unknown_option_is_a_usage_error():
    done = run("--no-such-option")
    assert done.returncode != 0
    assert "no-such-option" in done.stderr


def written(tmp_path, text):
    path = tmp_path / "chatroom.ini"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_check_config_accepts_a_good_file(tmp_path):
    done = run("--check-config", "--config", written(tmp_path, ini(configuration())))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text, line, word", [
    ("[server]\nlisten = 127.0.0.1:0\nno_such_key = 1\n", 3, "no_such_key"),
    ("[no_such_section]\nkey = 1\n", 1, "no_such_section"),
    ("[limits]\nmax_text = many\n", 2, "max_text"),
    ("[limits]\nmax_text = -1\n", 2, "max_text"),
    ("[limits]\nmax_text = 4096\nmax_text = 4096\n", 3, "max_text"),
    ("[server]\nlisten = nowhere\n", 2, "listen"),
    ("[server]\nallow = 10.0.0.1/8\n", 2, "allow"),
    ("[tokens]\ntwo words = token\n", 2, "two words"),
    ("[tokens]\nalice = sha256:abc\n", 2, "alice"),
    ("max_text = 1\n", 1, "max_text")])
def test_check_config_says_where_and_what_is_wrong(tmp_path, text, line, word):
    path = written(tmp_path, text)
    done = run("--check-config", "--config", path)
    assert done.returncode != 0
    assert f"chatroom.ini:{line}:" in done.stderr
    assert word in done.stderr


def test_a_configuration_that_everybody_reads_must_not_hold_plain_tokens(tmp_path):
    path = written(tmp_path, "[tokens]\nalice = plain\n")
    os.chmod(path, 0o644)
    assert run("--check-config", "--config", path).returncode != 0
    path = written(tmp_path, f"[tokens]\nalice = sha256:{'0' * 64}\n")
    os.chmod(path, 0o644)
    assert run("--check-config", "--config", path).returncode == 0


def test_the_configuration_as_installed_is_good(tmp_path):
    with open(os.path.join(harness.ROOT, "etc", "chatroom", "chatroom.ini"), encoding="utf-8") as f:
        done = run("--check-config", "--config", written(tmp_path, f.read()))
    assert done.returncode == 0, done.stderr


def test_a_token_is_never_logged(daemons):
    room = daemons.room()
    room.join("anna")
    secret = "a-secret-that-nobody-knows"
    room.try_join("bert", secret).end()
    room.daemon.stop()
    for token in (OPEN_TOKEN, "token2", harness.ALICE_TOKEN, secret):
        assert token not in room.daemon.log_text()


def test_listens_where_the_command_line_says(daemons):
    daemon = daemons.start(server={"listen": "127.0.0.1:1"},
                           arguments=["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"])
    ports = daemon.ports(2)
    assert len(ports) == 2 and 1 not in ports
    assert [joins_at(address, "anna") for address in zip(["127.0.0.1", "127.0.0.2"], ports)] == \
        [0, 0]


def test_a_port_in_use_is_fatal_and_said(daemons):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = daemons.start(server={"listen": f"127.0.0.1:{port}"}, wait=False)
        assert daemon.exit_status() != 0
        assert str(port) in daemon.log_text()
        daemon.stop(expect=daemon.process.returncode)
        assert not daemon.notify.seen("READY", "1")


def test_listens_on_ipv6(daemons):
    if not os.path.exists("/proc/net/if_inet6") or not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    daemon = daemons.start(server={"listen": "[::1]:0", "allow": "::1"})
    with socket.create_connection(("::1", daemon.port)):
        pass


def test_a_client_that_connects_right_after_ready_joins(daemons):
    for _ in range(scaled(10, 3)):
        daemon = daemons.start(wait=False)
        daemon.wait_log("Listening on")
        address = daemon.address()
        daemon.wait_ready()
        assert joins_at(address, "early") == 0
        daemon.stop()


def test_a_client_that_connects_before_ready_joins_too(daemons):
    """It waits in the listening socket, which is somebody else's and older than the daemon."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(listener.getsockname())
        stream = connection.open()
        connection.send(stream, encode("early", OPEN_TOKEN))
        connection.half_close(stream)
        connection.flush()
        daemon = activated(daemons, [("chat", listener)])
        assert connection.status(stream) == 0
        connection.close()
        daemon.stop()


def activated(daemons, sockets, names=True, **arguments):
    """Starts a daemon that gets listening sockets as systemd hands them over: (name, socket)."""
    with harness.activation(sockets, names) as (launcher, held):
        return daemons.start(launcher=launcher, pass_fds=held, **arguments)


def joins_at(address, name):
    """Joins on a connection of its own and leaves: the status of that."""
    connection = Connection(address)
    stream = connection.open()
    connection.send(stream, encode(name, OPEN_TOKEN))
    connection.half_close(stream)
    status = connection.status(stream)
    connection.close()
    return status


def test_takes_its_sockets_from_systemd_by_name(daemons):
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        control = stack.enter_context(socket.socket(socket.AF_UNIX))
        with tempfile.TemporaryDirectory() as directory:
            control.bind(os.path.join(directory, "control"))
            control.listen()
            daemon = activated(daemons, [("chat", one), ("control", control), ("chat", two)],
                               server={"listen": "127.0.0.1:1"})
            assert sorted(daemon.ports(2)) == sorted(s.getsockname()[1] for s in (one, two))
            assert [joins_at(s.getsockname(), "anna") for s in (one, two)] == [0, 0]
            daemon.stop()


def test_an_unnamed_socket_is_for_chat(daemons):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        daemon = activated(daemons, [("", listener)], names=False)
        assert joins_at(listener.getsockname(), "anna") == 0
        daemon.stop()


def test_a_socket_from_systemd_outlives_the_daemon(daemons):
    """Between two daemons clients wait, and are not refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        activated(daemons, [("chat", listener)]).stop()
        connection = Connection(listener.getsockname())
        stream = connection.open()
        connection.send(stream, encode("patient", OPEN_TOKEN))
        connection.half_close(stream)
        connection.flush()
        second = activated(daemons, [("chat", listener)])
        assert connection.status(stream) == 0
        connection.close()
        second.stop()


@pytest.mark.parametrize("names", [[], ["--fdname=chat"]])
def test_is_started_by_its_first_client_under_systemd_socket_activate(daemons, names):
    # It takes no port 0. A port that was free a moment ago, on an address that nobody else uses.
    with socket.create_server(("127.77.0.1", 0)) as free:
        address = free.getsockname()
    # It passes on what it is told to of its environment.
    keep = [f"--setenv={name}" for name in ("NOTIFY_SOCKET", *harness.sanitizers.environment(""))]
    daemon = daemons.start(launcher=["systemd-socket-activate", *names, *keep, "--listen",
                                     f"{address[0]}:{address[1]}"], wait=False)
    daemon.wait_log("Listening on")
    assert not daemon.notify.seen("READY", "1")  # nobody came yet
    assert joins_at(address, "first") == 0
    daemon.wait_ready()
    assert daemon.stop() < harness.DRAIN
