# SPDX-License-Identifier: MIT
"""What there is right after `apt install` on a plain Debian."""
import os
import re
import socket
import stat
import subprocess

import pytest

import files
from clients import Session, connect, refusal
from machine import INI, PORT


def test_the_package_installs_and_says_what_to_do_next(machine):
    depends = subprocess.run(
        ["dpkg-deb", "--field", machine.path(machine.packages[0]), "Depends"], check=True,
        stdout=subprocess.PIPE, text=True).stdout
    machine.apt("--no-install-recommends", "satisfy", depends)
    files.before = files.snapshot(machine)
    output = machine.apt("--no-install-recommends", "install", machine.packages[0])
    assert "sudo chatctl token add NAME" in output
    assert not re.search(r"(?i)error|warning|fail", output), output


def test_the_sockets_listen_and_no_daemon_runs(machine):
    assert machine.sockets_listen()
    assert machine.state() == "inactive"
    assert machine.systemctl("is-enabled", "chatroom.socket").strip() == "enabled"
    assert machine.systemctl("is-system-running").strip() == "running"


def test_the_units_are_sound(machine):
    status, output = machine.try_run("systemd-analyze", "verify", "--man=no", "--generators=yes",
                                     "chatroom.service", "chatroom.socket",
                                     "chatroom-control.socket")
    assert (status, output) == (0, "")


def test_the_configuration_is_the_daemons_and_roots_alone(machine):
    info = os.stat(machine.path(INI))
    group = int(machine.run("getent", "group", "chatroom").split(":")[2])
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o640, 0, group)
    machine.run("touch", "/etc/chatroom/chatroom.ini.d/new")
    assert os.stat(machine.path("/etc/chatroom/chatroom.ini.d/new")).st_gid == group
    machine.run("rm", "/etc/chatroom/chatroom.ini.d/new")
    machine.run("runuser", "-u", "chatroom", "--", "chatroomd", "--check-config")
    assert machine.try_run("runuser", "-u", "nobody", "--", "cat", INI)[0] != 0


def test_the_first_connection_starts_the_daemon(machine):
    with socket.create_connection(("127.0.0.1", PORT)):
        machine.wait_state("active")
    assert machine.says("There are no tokens, so nobody can join")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_port_is_there_in_both_of_the_internets_protocols(host):
    socket.create_connection((host, PORT)).close()


def test_the_state_is_the_daemons_alone(machine):
    user = int(machine.run("id", "-u", "chatroom"))
    for name, mode in (("", 0o700), ("/log.db", 0o600)):
        info = os.stat(machine.path(f"/var/lib/chatroom{name}"))
        assert (stat.S_IMODE(info.st_mode), info.st_uid) == (mode, user), name


def test_nobody_gets_in(machine):
    for token in ("", "token1", "*"):
        with connect(machine.target) as channel:
            session = Session(channel)
            session.send("alice", token)
            code, details = refusal(session)
            assert code.name == "UNAUTHENTICATED", details


def test_the_programs_find_what_they_need(machine):
    for name in ("chatroomd", "chatctl", "chat"):
        assert machine.run(name, "--version").startswith(f"{name} ")
        assert machine.run(name, "--help")


def test_the_score_is_at_most_1(machine, record_property):
    output = machine.run("systemd-analyze", "security", "--no-pager", "chatroom.service")
    score = re.search(r"Overall exposure level for chatroom.service: ([\d.]+)", output)
    record_property("note", score[0])
    assert float(score[1]) <= 1.0, output
