# SPDX-License-Identifier: MIT
"""One run: a fresh server, a load generator, and what the two cost."""

import json
import pathlib
import selectors
import subprocess
import tempfile

from servers import TOKEN, Running, Skipped, seconds_to_ready

SENDERS = 10
WINDOW = 16
JOIN_SECONDS = 600
DRAIN_SECONDS = 120


class Fault(Exception):
    """A run that does not count: something was lost, or somebody."""


class Load:
    """The load generator's process; ask() gives it a command and returns what it measured."""

    def __init__(self, build, server, running, receivers):
        argv = [str(build / "tests/bench/load"), "--protocol", server.protocol,
                "--port", str(running.port), "--pid", str(running.process.pid),
                "--receivers", str(receivers), "--senders", str(SENDERS),
                "--window", str(WINDOW), "--opening", str(server.opening),
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

    def ask(self, command, seconds):
        self.process.stdin.write(command + "\n")
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


def life(build, server, receivers, rounds, burst_s, steady_s):
    """Starts a server, fills it, measures it `rounds` times. Yields figures()."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = pathlib.Path(name)
        with Running(server, build, directory, receivers + SENDERS) as running, \
                Load(build, server, running, receivers) as load:
            try:
                joined = load.answer(JOIN_SECONDS + 30)
                for _ in range(rounds):
                    burst = load.ask(f"burst {burst_s}", burst_s)
                    steady = steady_s and load.ask(f"steady {server.rate} {steady_s}", steady_s)
                    yield figures(server, receivers, joined, burst, steady)
            except Fault as fault:
                raise Fault(f"{fault} [{running.said()[-300:]}]") from None


def hold(build, server, receivers, minutes, rate):
    """Keeps `receivers` joined through traffic. Returns resident memory, MiB, at each minute."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        with Running(server, build, pathlib.Path(name), receivers + SENDERS) as running, \
                Load(build, server, running, receivers) as load:
            rss = [load.answer(JOIN_SECONDS + 30)["rss_kib"] / 1024]
            deliveries = 0
            for _ in range(minutes):
                minute = load.ask(f"steady {rate} 60", 60)
                rss.append(minute["rss_kib"] / 1024)
                deliveries = minute["delivered"]
            return {"receivers": receivers, "rss_mib": rss, "deliveries": deliveries}


def idle(build, server, receivers, seconds):
    """CPU of a full, silent room, in cores."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        with Running(server, build, pathlib.Path(name), receivers + SENDERS) as running, \
                Load(build, server, running, receivers) as load:
            load.answer(JOIN_SECONDS + 30)
            found = load.ask(f"idle {seconds}", seconds)
            return found["server_cpu"] / found["seconds"]


def starts(build, server, times):
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        return [seconds_to_ready(server, build, pathlib.Path(name)) * 1000 for _ in range(times)]


def available(build, server):
    """None, or why the server cannot be measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            server.command(build, pathlib.Path(name), 0, 0)
        except Skipped as why:
            return str(why)
    return None
