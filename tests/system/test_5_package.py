# SPDX-License-Identifier: MIT
"""The end of one installation and the life of another: purge, an older version, its upgrade,
stop, remove, purge."""
import os
import socket
import subprocess

import grpc
import pytest

import files
from clients import refusal
from harness import OPEN_TOKEN
from machine import DROP_IN, INI, PORT, wait_for


def refused():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PORT))


def nothing_left(machine):
    left = files.difference(files.before, files.snapshot(machine))
    # /var/lib/systemd has the record of what is enabled; nothing of ours may be in it.
    left.update({path: True for path in machine.run(
        "find", "/run", "/var/lib/systemd", "/tmp", "/var/tmp", "-name", "*chatroom*").split()})
    assert not left, left


def test_purge_leaves_nothing(machine):
    machine.apt("purge", "chatroom")
    refused()
    nothing_left(machine)


def test_an_older_version_and_choices_of_its_administrator(machine, house):
    machine.install_version("0.9.0")
    machine.write(INI, machine.read(INI).replace("#max_text = 4096", "max_text = 2000"))
    machine.configure()
    machine.run("chmod", "0600", INI)
    machine.run("chown", "chatroom:root", INI)
    house.room().join("alice")


def test_an_upgrade_keeps_the_sockets_and_the_configuration(machine, house):
    """Clients are told to come again, can at any moment, and find their room."""
    alice = house.room().join("alice")
    sockets = listening()
    info = os.stat(machine.path(INI))
    old = machine.daemon()
    upgrade = machine.start("apt-get", "--yes", "--no-install-recommends", "install",
                            machine.packages[0])
    attempts = 0
    while upgrade.poll() is None:
        # From elsewhere: so many connections are more than one address may have.
        socket.create_connection(("127.0.0.1", PORT), source_address=("127.0.2.1", 0)).close()
        attempts += 1
    output = upgrade.stdout.read()
    assert upgrade.returncode == 0, output
    assert attempts > 1
    assert "token add" not in output
    assert refusal(alice)[0] == grpc.StatusCode.UNAVAILABLE
    machine.wait_state("active")
    assert machine.daemon() != old
    assert listening() == sockets
    assert "\nmax_text = 2000\n" in machine.read(INI)
    now = os.stat(machine.path(INI))
    assert (now.st_mode, now.st_uid, now.st_gid) == (info.st_mode, info.st_uid, info.st_gid)
    house.room().join("alice")


def listening():
    """The sockets' identities."""
    output = subprocess.run(["ss", "--no-header", "--extended", "--listening", "--tcp",
                             f"sport = :{PORT}"], check=True, stdout=subprocess.PIPE,
                            text=True).stdout
    return [word for word in output.split() if word.startswith("ino:")]


def test_an_upgrade_does_not_start_what_was_stopped(machine):
    machine.systemctl("stop", "chatroom.service")
    machine.apt("--reinstall", "--no-install-recommends", "install", machine.packages[0])
    assert machine.state() == "inactive" and machine.sockets_listen()


def test_an_upgrade_does_not_open_a_room_that_was_closed_for_good(machine):
    machine.systemctl("disable", "--now", "chatroom.socket")
    machine.apt("--reinstall", "--no-install-recommends", "install", machine.packages[0])
    for unit in ("chatroom.socket", "chatroom-control.socket", "chatroom.service"):
        assert machine.state(unit) == "inactive"
    refused()
    machine.systemctl("enable", "--now", "chatroom.socket")
    assert machine.sockets_listen()


def test_a_configuration_that_nobody_edited_is_renewed_and_still_the_daemons_alone(machine, house):
    """The older version came with another one."""
    machine.apt("purge", "chatroom")
    machine.install_version("0.9.1", {INI: lambda text: text + "\n# Of old.\n"})
    machine.configure()
    assert machine.read(INI).endswith("# Of old.\n")
    before = os.stat(machine.path(INI))
    output = machine.apt("--no-install-recommends", "install", machine.packages[0])
    assert "# Of old." not in machine.read(INI), output
    now = os.stat(machine.path(INI))
    assert (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    house.room().join("alice")
    machine.write(INI, machine.read(INI).replace("#max_text = 4096", "max_text = 2000"))
    machine.systemctl("reload", "chatroom")


def test_stopping_the_socket_closes_everything(machine, house):
    house.room().join("alice")
    machine.systemctl("stop", "chatroom.socket")
    for unit in ("chatroom.socket", "chatroom-control.socket", "chatroom.service"):
        assert machine.state(unit) == "inactive"
    refused()
    assert not os.path.exists(machine.path("/run/chatroom/control.sock"))
    status, output = machine.try_run("chatctl", "users")
    assert status == 3 and "systemctl start chatroom.socket" in output
    machine.systemctl("start", "chatroom.socket")
    assert machine.sockets_listen()
    house.room().join("alice")


def test_removing_closes_the_port_and_keeps_the_configuration(machine, house):
    house.room().join("alice")
    machine.apt("remove", "chatroom")
    wait_for(lambda: machine.state() in ("inactive", "failed"), "the daemon's end")
    refused()
    assert not os.path.exists(machine.path("/run/chatroom"))
    assert "max_text = 2000" in machine.read(INI)
    assert os.path.isdir(machine.path("/var/lib/chatroom"))


def test_installed_again_it_is_as_it_was(machine, house):
    machine.apt("--no-install-recommends", "install", machine.packages[0])
    assert "max_text = 2000" in machine.read(INI)
    house.room().join("alice")


def test_removed_and_installed_again_the_daemon_can_still_read_what_is_added(machine, house):
    """dpkg takes the directory of additions away with the package when there are none."""
    machine.run("rm", DROP_IN)
    machine.apt("remove", "chatroom")
    machine.apt("--no-install-recommends", "install", machine.packages[0])
    machine.run("sh", "-c", f"umask 027; printf '[tokens]\\n* = {OPEN_TOKEN}\\n' >{DROP_IN}")
    house.room().join("alice")


def test_a_directory_with_an_owner_of_its_administrators_choice_stays_so(machine):
    directory = os.path.dirname(DROP_IN)
    machine.run("chown", "root:root", directory)
    machine.run("chmod", "g-s", directory)
    machine.apt("--reinstall", "--no-install-recommends", "install", machine.packages[0])
    info = os.stat(machine.path(directory))
    assert (info.st_gid, info.st_mode & 0o7777) == (0, 0o755)


def test_purging_leaves_nothing(machine):
    machine.apt("purge", "chatroom")
    refused()
    nothing_left(machine)
