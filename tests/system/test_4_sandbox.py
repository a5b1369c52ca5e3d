# SPDX-License-Identifier: MIT
"""What somebody could do who has taken the daemon over, and who gets as far as the daemon at all.
Each probe is run outside first, where it must succeed: else it would prove nothing."""
import errno
import json
import os
import socket
import subprocess

import pytest

from machine import PORT, wait_for

OUTSIDE, PEER = "198.51.100.1", "198.51.100.2"


@pytest.fixture(scope="module")
def user(machine):
    return int(machine.run("id", "-u", "chatroom"))


@pytest.fixture(scope="module")
def daemon(machine):
    machine.configure()
    machine.systemctl("restart", "chatroom.service")
    return machine.daemon()


def dial(family, address):
    def function():
        with socket.socket(family) as s:
            s.settimeout(2)
            s.connect(address)
        return "connected"
    return function


def dial_own_name():
    """The host's own address on its network, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((PEER, 53))
        return "connected"


@pytest.fixture(scope="module")
def listeners():
    """Sockets to dial, in the machine's network."""
    made = [socket.create_server(("127.0.0.1", 0)),
            socket.create_server(("::1", 0), family=socket.AF_INET6),
            socket.socket(socket.AF_UNIX)]
    made[2].bind("\0chatroom-system-test")
    made[2].listen()
    yield made
    for s in made:
        s.close()


@pytest.mark.parametrize("which", [0, 1, 2], ids=["IPv4", "IPv6", "abstract"])
def test_it_cannot_dial(machine, daemon, user, listeners, which):
    probe = dial(listeners[which].family, listeners[which].getsockname())
    assert machine.inside(machine.leader, probe, user) == "connected"
    for somebody in (user, None):
        assert "Error" in machine.inside(daemon, probe, somebody)


def test_it_has_no_network_at_all(machine, daemon, network):
    assert machine.inside(machine.leader, dial_own_name) == "connected"
    assert "unreachable" in machine.inside(daemon, dial_own_name)
    names = machine.inside(daemon, lambda: [name for _, name in socket.if_nameindex()])
    assert names == ["lo"]


@pytest.mark.parametrize("path", ["/run/dbus/system_bus_socket", "/run/systemd/private"])
def test_it_cannot_reach_the_systems_sockets(machine, daemon, path):
    probe = dial(socket.AF_UNIX, path)
    assert machine.inside(machine.leader, probe) == "connected"
    assert "Error" in machine.inside(daemon, probe)


def test_it_cannot_use_its_own_control_socket(machine, daemon, user):
    probe = dial(socket.AF_UNIX, "/run/chatroom/control.sock")
    assert machine.inside(machine.leader, probe) == "connected"
    assert "PermissionError" in machine.inside(daemon, probe, user)


def write_in(folder):
    def function():
        path = os.path.join(folder, "chatroom-was-here")
        with open(path, "w", encoding="utf-8"):
            pass
        os.unlink(path)
        return "written"
    return function


@pytest.mark.parametrize("folder", [
    "/", "/dev/shm", "/etc", "/etc/chatroom", "/home", "/media", "/mnt", "/opt", "/root", "/run",
    "/run/chatroom", "/srv", "/tmp", "/usr/sbin", "/var", "/var/lib", "/var/log", "/var/tmp"])
def test_it_cannot_write(machine, daemon, user, folder):
    probe = write_in(folder)
    assert machine.inside(machine.leader, probe) == "written"
    for somebody in (user, None):
        assert "Error" in machine.inside(daemon, probe, somebody)


def test_it_can_write_its_state(machine, daemon, user):
    assert machine.inside(daemon, write_in("/var/lib/chatroom"), user) == "written"


@pytest.mark.parametrize("folder", ["/home/somebody", "/root", "/mnt", "/srv"])
def test_it_cannot_read_what_is_the_users(machine, daemon, folder):
    machine.run("mkdir", "-p", folder)
    machine.write(f"{folder}/diary", "dear diary", 0o644)

    def probe():
        with open(f"{folder}/diary", encoding="utf-8") as f:
            return f.read()

    assert machine.inside(machine.leader, probe) == "dear diary"
    assert "Error" in machine.inside(daemon, probe)
    machine.run("rm", f"{folder}/diary")
    if folder == "/home/somebody":
        machine.run("rmdir", folder)


def test_it_cannot_run_programs(machine, daemon, user):
    def probe():
        child = os.fork()
        if child == 0:
            try:
                os.execv("/bin/true", ["true"])
            except OSError as e:
                os._exit(e.errno)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert machine.inside(machine.leader, probe, user) == 0
    for somebody in (user, None):
        assert machine.inside(daemon, probe, somebody) == errno.EACCES


def test_it_sees_no_other_process(machine, daemon, user):
    def probe():
        return [pid for pid in os.listdir("/proc") if pid.isdigit()]

    assert "1" in machine.inside(machine.leader, probe, user)
    assert machine.inside(daemon, probe, user) == [machine.show("chatroom.service", "MainPID")]


def test_it_has_no_privileges_and_cannot_get_any(daemon):
    with open(f"/proc/{daemon}/status", encoding="ascii") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    assert {status[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


# What it may use up.

LIMITS = {"LimitNOFILE": 65536, "TasksMax": 512, "MemoryMax": 2 << 30}
ENFORCED_BY = {"TasksMax": "pids.max", "MemoryMax": "memory.max"}


def test_the_unit_has_its_limits(machine, daemon):
    assert {name: int(machine.show("chatroom.service", name)) for name in LIMITS} == LIMITS


def open_files(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        return next(line.split()[3:5] for line in f if line.startswith("Max open files"))


def test_the_daemon_has_all_the_open_files_that_the_unit_and_the_machine_allow(machine, daemon):
    most = min(int(open_files(machine.leader)[1]), LIMITS["LimitNOFILE"])
    assert open_files(daemon) == [str(most), str(most)]


def test_max_connections_is_what_the_open_files_allow(machine, daemon):
    """Not more: who is let in can also be served."""
    files = int(open_files(daemon)[0])

    def most():
        return json.loads(machine.run("chatctl", "status", "--json"))["max_connections"]

    since = machine.now()
    machine.configure(limits={"max_connections": 1000})
    machine.systemctl("reload", "chatroom")
    assert most() == 1000 and not machine.says("can only be", since)
    machine.configure(limits={"max_connections": 1000000})
    machine.systemctl("reload", "chatroom")
    assert 0 < most() <= files - 100
    assert machine.says(f"max_connections is 1000000, but with at most {files} open files it can "
                        f"only be {most()}", since)
    machine.configure()
    machine.systemctl("reload", "chatroom")


def test_the_threads_are_never_as_many_as_the_unit_allows(machine):
    """Also with as many workers as can be had, as on a machine of so many processors."""
    machine.configure({"workers": 256})
    try:
        machine.systemctl("restart", "chatroom.service")
        threads = len(os.listdir(f"/proc/{machine.daemon()}/task"))
        assert 256 < threads < LIMITS["TasksMax"] * 3 / 4
    finally:
        machine.configure()
        machine.systemctl("restart", "chatroom.service")


def test_the_kernel_knows_the_limits(machine):
    group = machine.path(f"/sys/fs/cgroup{machine.show('chatroom.service', 'ControlGroup')}")
    known = {name: os.path.join(group, file) for name, file in ENFORCED_BY.items()
             if os.path.exists(os.path.join(group, file))}
    if not known:
        pytest.skip("this machine lends the container no controller of memory or of processes: "
                    "that the unit has MemoryMax= and TasksMax= was tested, not that they bite")
    for name, path in known.items():
        with open(path, encoding="ascii") as f:
            assert int(f.read()) == LIMITS[name], name


@pytest.fixture(scope="module")
def network(machine):
    """A peer on another network, behind a cable of its own; what it dials from."""
    peer = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep",
                             "infinity"])
    own = os.readlink("/proc/self/ns/net")
    wait_for(lambda: os.readlink(f"/proc/{peer.pid}/ns/net") != own, "the peer's network")

    def ip(*argv, there=False):
        enter = ["nsenter", f"--net=/proc/{peer.pid}/ns/net"] if there else []
        subprocess.run([*enter, "ip", *argv], check=True)

    ip("link", "add", "veth-peer", "type", "veth", "peer", "name", "veth", "netns", str(peer.pid))
    ip("address", "add", f"{OUTSIDE}/24", "dev", "veth-peer")
    ip("link", "set", "veth-peer", "up")
    ip("address", "add", f"{PEER}/24", "dev", "veth", there=True)
    ip("link", "set", "veth", "up", there=True)
    yield peer.pid
    peer.kill()
    peer.wait()


def test_a_peer_outside_allow_never_reaches_the_daemon(machine, network):
    machine.systemctl("stop", "chatroom.service")
    probe = dial(socket.AF_INET, (OUTSIDE, PORT))
    assert "TimeoutError" in machine.inside(network, probe)
    assert machine.state() == "inactive"

    machine.configure({"allow": f"localhost {PEER}"})
    machine.systemctl("daemon-reload")
    assert machine.inside(network, probe) == "connected"
    machine.wait_state("active")

    machine.configure()
    machine.systemctl("daemon-reload")
    assert "TimeoutError" in machine.inside(network, probe)
    machine.systemctl("reload", "chatroom")


def test_a_filtered_peer_is_told_what_may_be_the_matter(machine, network):
    """Who is not let in hears nothing at all, so it is for `chat` to guess."""
    machine.write("/root/token", "a-token", 0o600)

    def talk():
        done = subprocess.run(
            ["chroot", machine.path("/"), "chat", "--insecure-network", "--connect-timeout=1s",
             "--token-file=/root/token", f"alice@{OUTSIDE}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    try:
        status, words = machine.inside(network, talk)
        assert status == 3
        assert "does not answer" in words and "`allow`" in words and "tailscale status" in words
        machine.configure({"allow": f"localhost {PEER}"})
        machine.systemctl("daemon-reload")
        machine.systemctl("reload", "chatroom")
        status, words = machine.inside(network, talk)
        assert status == 5, words  # it answers, and does not know the token
    finally:
        machine.run("rm", "/root/token")
        machine.configure()
        machine.systemctl("daemon-reload")
        machine.systemctl("reload", "chatroom")


def test_allow_is_the_daemons_too_where_the_kernel_does_not_filter(machine, network):
    """As on a kernel without the filter."""
    directory = "/run/systemd/system/chatroom.socket.d"
    machine.run("mkdir", "-p", directory)
    machine.write(f"{directory}/filter.conf", "[Socket]\nIPAddressAllow=any\n", 0o644)
    machine.systemctl("daemon-reload")

    def probe():
        with socket.create_connection((OUTSIDE, PORT), 5) as s:
            return len(s.recv(1))

    try:
        assert machine.inside(network, probe) == 0
        machine.configure({"allow": f"localhost {PEER}"})
        machine.systemctl("reload", "chatroom")
        assert machine.inside(network, probe) == 1
    finally:
        machine.run("rm", "-r", directory)
        machine.configure()
        machine.systemctl("daemon-reload")
        machine.systemctl("reload", "chatroom")
