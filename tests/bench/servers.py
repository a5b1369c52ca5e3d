# SPDX-License-Identifier: MIT
"""The servers that are measured: one row each in SERVERS, and how a row becomes a process.

To add one: how it is started and what it speaks (a protocol of the load generator).
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOKEN = "bench"
DEADLINE = 30
WINDOW, DEEP = 16, 64

CHATROOM_INI = """\
[server]
listen = 127.0.0.1:0
allow = 127.0.0.0/8
control = {directory}/control.sock
[limits]
max_connections = 16000
max_connections_per_address = 1000
rate_burst = 1000000
rate_per_second = 1000000
[history]
enabled = {history}
[tokens]
* = sha256:{token}
"""

# Penalties off: by default a client may send 6 messages a second.
NGIRCD_CONF = """\
[Global]
Name = bench.local
Info = bench
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = bench
ServerUID = nobody
ServerGID = nogroup
PidFile =
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 16
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""

# Without set_tcp_nodelay its latency is that of Nagle's algorithm; the limits would drop messages.
MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
persistence false
connection_messages false
log_dest stderr
log_type error
"""


class Skipped(Exception):
    """A server that cannot be measured here; str() is why."""


def program(name, package):
    """The path of an installed program. Debian's brokers are in /usr/sbin."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin")
    if not path:
        raise Skipped(f"{name} is not installed (Debian package {package})")
    return path


def printed(*argv):
    """A function that returns the first line of what argv prints."""
    def version():
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=DEADLINE)
        return (done.stdout.strip().splitlines() or ["?"])[0]
    return version


def built(build, path):
    if not (build / path).exists():
        raise Skipped(f"{build / path} is not built")
    return str(build / path)


def chatroomd(history):
    def command(build, directory, _port, _clients):
        config, state = directory / "chatroom.ini", directory / "state"
        token = hashlib.sha256(TOKEN.encode()).hexdigest()
        config.write_text(CHATROOM_INI.format(directory=directory, token=token, history=history))
        state.mkdir(exist_ok=True)
        return [built(build, "service/chatroomd"), "--config", str(config), "--state", str(state)]
    return command


def yardstick(mode):
    return lambda build, *_: [built(build, "tests/bench/yardstick"), mode]


def seed(_build, directory, _port, clients):
    subprocess.run([program("protoc", "protobuf-compiler"), f"-I{ROOT}/proto",
                    f"--python_out={directory}", "chat.proto"], check=True)
    return [sys.executable, str(HERE / "seed_server.py"), str(directory), str(clients + 10)]


def ngircd(_build, directory, port, _clients):
    config = directory / "ngircd.conf"
    config.write_text(NGIRCD_CONF.format(port=port))
    return [program("ngircd", "ngircd"), "-n", "-f", str(config)]


def mosquitto(_build, directory, port, _clients):
    config = directory / "mosquitto.conf"
    config.write_text(MOSQUITTO_CONF.format(port=port))
    return [program("mosquitto", "mosquitto"), "-c", str(config)]


def nats(_build, _directory, port, _clients):
    return [program("nats-server", "nats-server"), "-a", "127.0.0.1", "-p", str(port)]


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    what: str
    protocol: str
    command: typing.Callable  # (build, directory, port, clients) -> argv, or raises Skipped
    reports_port: bool = True  # by "Listening on ADDRESS:PORT" on standard error
    echoes: bool = False  # sends a sender his own messages, where its protocol need not
    largest: int = 10000  # not measured with more clients than that
    opening: int = 128  # connections opened at a time: no more than its listen backlog
    refill: int = 0  # from so many clients on, joining takes minutes: left out, or once only
    rate: int = 20000  # deliveries a second when latency is measured
    window: int = WINDOW  # messages under way in a burst
    version: typing.Callable = lambda: ""


SERVERS = [
    Server("chatroomd", "this daemon, the seed's protocol", "seed", chatroomd("yes")),
    Server("no-history", "the same with [history] enabled = no", "seed", chatroomd("no")),
    Server("v1", "this daemon, chatroom.v1", "v1", chatroomd("yes")),
    Server("chatroomd-deep", f"the seed's protocol, {DEEP} messages under way", "seed",
           chatroomd("yes"), largest=1000, window=DEEP),
    Server("v1-deep", f"chatroom.v1, {DEEP} messages under way", "v1", chatroomd("yes"),
           largest=1000, window=DEEP),
    Server("one-send", "raw epoll, a send() for each recipient", "raw", yardstick("one-send")),
    Server("coalesce", "raw epoll, a writev() for each backlog", "raw", yardstick("coalesce")),
    Server("python", "the seed's design in Python", "seed", seed, echoes=True, largest=1000,
           rate=2000, version=printed(
               sys.executable, "-c", "import grpc; print('grpcio', grpc.__version__)")),
    Server("mosquitto", "MQTT, QoS 0", "mqtt", mosquitto, reports_port=False, largest=5000,
           version=printed("/usr/sbin/mosquitto", "-h")),
    Server("nats", "nats-server", "nats", nats, reports_port=False, largest=5000,
           version=printed("/usr/sbin/nats-server", "--version")),
    Server("ngircd", "IRC, penalties off", "irc", ngircd, reports_port=False, largest=5000,
           opening=8, refill=5000, version=printed("/usr/sbin/ngircd", "--version")),
]
BY_NAME = {server.name: server for server in SERVERS}


def wait_for(what, condition):
    """Polls until condition() is true; returns what it returned."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError(f"no {what} within {DEADLINE} s")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


# A shell has the process id that LISTEN_PID must name before it becomes the daemon.
ACTIVATE = 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=chat; exec "$@" 3<&{fd} {fd}<&-'


class Running:
    """A server's process, ended with the `with` block. What it says goes to a file. With a
    listener, its listening socket is that one, as from a service manager."""

    def __init__(self, server, build, directory, clients, listener=None):
        self.log = directory / f"{server.name}.log"
        self.port = 0 if server.reports_port else free_port()
        argv = server.command(build, directory, self.port, clients)
        held = []
        if listener:
            self.port = listener.getsockname()[1]
            held = [fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD, 100)]
            argv = ["bash", "-c", ACTIVATE.format(fd=held[0]), "bash", *argv]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=held)
        for fd in held:
            os.close(fd)
        try:
            if listener:
                return  # whoever connects is accepted as soon as it is ready
            if server.reports_port:
                self.port = wait_for(f"port of {server.name}", self.reported_port)
            else:
                wait_for(f"port of {server.name}", lambda: self.alive() and accepts(self.port))
        except BaseException:
            self.end()
            raise

    def alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with {self.process.returncode}: {self.said()}")
        return True

    def reported_port(self):
        self.alive()
        match = re.search(r"Listening on \S*:(\d+)", self.log.read_text(errors="replace"))
        return int(match[1]) if match else None

    def said(self):
        return self.log.read_text(errors="replace").strip()[-500:]

    def sockets(self):
        """How many it has open."""
        found = 0
        for entry in os.scandir(f"/proc/{self.process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found += os.readlink(entry.path).startswith("socket:")
        return found

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_mib(self):
        """The most memory that was resident since forget_peak()."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def seconds_to_ready(server, build, directory):
    """From the start of the process to its READY=1."""
    path = str(directory / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.bind(path)
        notify.settimeout(DEADLINE)
        argv = server.command(build, directory, 0, 0)
        with open(directory / "start.log", "wb") as log:
            start = time.monotonic()
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, "NOTIFY_SOCKET": path})
        try:
            while b"READY=1" not in notify.recv(4096).split(b"\n"):
                pass
            return time.monotonic() - start
        finally:
            process.terminate()
            process.wait(DEADLINE)
            os.unlink(path)
