# SPDX-License-Identifier: MIT
"""One run: a fresh server, a load generator, and what the two cost."""

import contextlib
import dataclasses
import json
import pathlib
import selectors
import socket
import subprocess
import tempfile
import time

import grpc

from servers import TOKEN, Running, Skipped, seconds_to_ready

SENDERS = 10
JOIN_SECONDS = 600
DRAIN_SECONDS = 120
SLOW = 10
CUT_SECONDS = 90


class Fault(Exception):
    """A run that does not count: something was lost, or somebody."""


class Load:
    """The load generator's process; ask() gives it a command and returns what it measured."""

    def __init__(self, build, server, running, receivers):
        argv = [str(build / "tests/bench/load"), "--protocol", server.protocol,
                "--port", str(running.port), "--pid", str(running.process.pid),
                "--receivers", str(receivers), "--senders", str(SENDERS),
                "--window", str(server.window), "--opening", str(server.opening),
                "--token", TOKEN, "--join-seconds", str(JOIN_SECONDS),
                "--drain-seconds", str(DRAIN_SECONDS)]
        if server.echoes:
            argv.append("--echo")
        self.complained = False
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, bufsize=1)

    def answer(self, timeout):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise Fault(f"no answer within {timeout} s")
        line = self.process.stdout.readline()
        if not line:
            self.complained = True
            self.process.wait(30)
            self.errors.seek(0)
            raise Fault(" / ".join(self.errors.read().split("\n")[-4:]).strip())
        return json.loads(line)

    def tell(self, command):
        self.process.stdin.write(command + "\n")

    def ask(self, command, seconds):
        self.tell(command)
        return self.counted(seconds)

    def counted(self, seconds):
        """The answer to what it was told, which has to account for every delivery."""
        found = self.answer(seconds + DRAIN_SECONDS + 30)
        for what, right in (("delivered", found["expected"]), ("unexpected", 0),
                            ("wrong_connections", 0)):
            if found[what] != right:
                raise Fault(f"{what}: {found[what]}, not {right}")
        return found

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        status = self.end()
        if status != 0 and not failed and not self.complained:
            raise Fault(f"the load generator ended with {status}")


def figures(server, receivers, joined, burst, steady):
    """What the tables show, in their units."""
    clients = joined["joined"]
    found = {
        "server": server.name, "receivers": receivers,
        "base_mib": joined["base_kib"] / 1024,
        "join_s": joined["seconds"],
        "joined_kib": (joined["rss_kib"] - joined["base_kib"]) / clients,
        "rate": burst["deliveries"] / burst["seconds"],
        "cost_us": burst["server_cpu"] * 1e6 / max(burst["deliveries"], 1),
        "server_cores": burst["server_cpu"] / burst["seconds"],
        "load_cores": burst["load_cpu"] / burst["seconds"],
        "loaded_kib": (burst["rss_kib"] - joined["base_kib"]) / clients,
        "one_order": burst["one_order"],
    }
    if steady:
        found |= {
            "p50_ms": steady["p50_us"] / 1000, "p99_ms": steady["p99_us"] / 1000,
            "steady_rate": steady["deliveries"] / steady["seconds"],
            "steady_cost_us": steady["server_cpu"] * 1e6 / max(steady["deliveries"], 1),
        }
    return found


@dataclasses.dataclass
class Room:
    directory: pathlib.Path
    running: Running
    load: Load
    joined: dict


def temporary():
    """A directory on a disk: the daemon's state is in it."""
    return tempfile.TemporaryDirectory(prefix="bench-", dir="/var/tmp")


@contextlib.contextmanager
def full(build, server, receivers, listener=None):
    """A fresh server that everybody has joined."""
    with temporary() as name:
        directory = pathlib.Path(name)
        with Running(server, build, directory, receivers + SENDERS, listener) as running, \
                Load(build, server, running, receivers) as load:
            try:
                yield Room(directory, running, load, load.answer(JOIN_SECONDS + 30))
            except Fault as fault:
                raise Fault(f"{fault} [{running.said()[-300:]}]") from None


def life(build, server, receivers, rounds, burst_s, steady_s):
    """Starts a server, fills it, measures it `rounds` times. Yields figures()."""
    with full(build, server, receivers) as room:
        for _ in range(rounds):
            burst = room.load.ask(f"burst {burst_s}", burst_s)
            steady = steady_s and room.load.ask(f"steady {server.rate} {steady_s}", steady_s)
            yield figures(server, receivers, room.joined, burst, steady)


def hold(build, server, receivers, minutes):
    """Keeps `receivers` joined through traffic. Returns resident memory, MiB, at each minute."""
    with full(build, server, receivers) as room:
        rss = [room.joined["rss_kib"] / 1024]
        deliveries = 0
        for _ in range(minutes):
            minute = room.load.ask(f"steady {server.rate} 60", 60)
            rss.append(minute["rss_kib"] / 1024)
            deliveries = minute["delivered"]
        return {"receivers": receivers, "rss_mib": rss, "deliveries": deliveries}


def idle(build, server, receivers, seconds):
    """CPU of a full, silent room, in cores."""
    with full(build, server, receivers) as room:
        found = room.load.ask(f"idle {seconds}", seconds)
        return {"receivers": receivers, "cores": found["server_cpu"] / found["seconds"]}


def percentile(values, percent):
    return sorted(values)[(len(values) - 1) * percent // 100]


def users(build, server, receivers, seconds):
    """How long AdminService.ListUsers, which is what `chatctl users` asks, takes on the control
    socket while the room is saturated."""
    with full(build, server, receivers) as room, \
            grpc.insecure_channel(f"unix:{room.directory}/control.sock",
                                  options=[("grpc.max_receive_message_length", -1)]) as channel:
        list_users = channel.unary_unary("/chatroom.v1.AdminService/ListUsers")
        names = list_users(b"", timeout=30).count(b"b0")
        if names < receivers + SENDERS:
            raise Fault(f"{names} users listed, not {receivers + SENDERS}")
        room.load.tell(f"burst {seconds}")
        took, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            start = time.monotonic()
            list_users(b"", timeout=30)
            took.append((time.monotonic() - start) * 1000)
        burst = room.load.counted(seconds)
        return {"receivers": receivers, "calls": len(took), "p50_ms": percentile(took, 50),
                "p99_ms": percentile(took, 99), "rate": burst["deliveries"] / burst["seconds"]}


def rejoin(build, server, receivers):
    """Restarts the daemon under a full room: seconds from SIGTERM until everybody is back and has
    everything, what was said while some were still on their way included."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener, \
            full(build, server, receivers, listener) as room:
        room.load.ask("burst 0.5", 1)
        room.load.tell(f"rejoin {JOIN_SECONDS}")
        start = time.monotonic()
        room.running.end()
        stopped = time.monotonic() - start
        with Running(server, build, room.directory, 0, listener):
            room.load.counted(JOIN_SECONDS)
            return {"receivers": receivers, "seconds": time.monotonic() - start,
                    "stop_s": stopped}


def slow(build, server, receivers, steady_s, burst_s):
    """What SLOW clients that stop reading do to the others and to the server, and what becomes of
    them."""
    with full(build, server, receivers) as room:
        load, running = room.load, room.running
        steady = f"steady {server.rate} {steady_s}"
        load.ask(f"burst {burst_s}", burst_s)  # what memory a burst takes, it has taken now
        without = load.ask(steady, steady_s)
        running.forget_peak()
        before, sockets = running.peak_mib(), running.sockets()
        load.ask(f"stall {SLOW}", 10)
        beside = load.ask(steady, steady_s)
        until = time.monotonic() + CUT_SECONDS
        while sockets - running.sockets() < SLOW:
            if time.monotonic() > until:
                raise Fault(f"of {sockets} sockets {running.sockets()} are left")
            load.ask(f"burst {burst_s}", burst_s)
        growth = running.peak_mib() - before
        woken = load.ask("wake 30", 30)
        if woken["exhausted"] != SLOW:
            raise Fault(f"{woken['exhausted']} ended with RESOURCE_EXHAUSTED, not {SLOW}")
        return {"receivers": receivers, "growth_mib": growth,
                "p50": beside["p50_us"] / without["p50_us"],
                "p99": beside["p99_us"] / without["p99_us"],
                "p50_ms": beside["p50_us"] / 1000, "p99_ms": beside["p99_us"] / 1000}


def starts(build, server, times):
    with temporary() as name:
        return {"ms": [seconds_to_ready(server, build, pathlib.Path(name)) * 1000
                       for _ in range(times)]}


def available(build, server):
    """None, or why the server cannot be measured."""
    with temporary() as name:
        try:
            server.command(build, pathlib.Path(name), 0, 0)
        except Skipped as why:
            return str(why)
    return None
