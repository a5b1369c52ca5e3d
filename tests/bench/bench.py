#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmark: every server in turn, several rounds, one table, ratios first.

    bench.py [--plan full|quick|smoke] [--build DIR] [--output DIR] [--record]
             [--servers A,B] [--sizes N,N] [--rounds N] [--parts runs,growth,hold,idle,start]

Writes OUTPUT/results.json, RESULTS.md and growth.svg; --record puts the last two into tests/bench.
Exit status: 0 all that was to be measured was measured, 1 a run was faulty. Speeds, and whether
targets are met, do not change it.
"""

import argparse
import dataclasses
import datetime
import itertools
import json
import os
import pathlib
import resource
import shlex
import shutil
import subprocess
import sys

import measure
import report
from servers import BY_NAME, HERE, ROOT, SERVERS


@dataclasses.dataclass(frozen=True)
class Plan:
    sizes: tuple
    rounds: int
    burst_s: float
    steady_s: float  # 0: latency is not measured
    parts: tuple
    once: tuple = ()  # servers measured in the first round only, and without latency
    growth_sizes: tuple = ()
    growth_rounds: int = 0
    hold_receivers: int = 10000
    hold_minutes: int = 10
    idle_receivers: int = 1000
    idle_s: float = 30
    starts: int = 20


PLANS = {
    "full": Plan((100, 1000, 5000), 5, 3, 8, ("runs", "growth", "hold", "idle", "start"),
                 growth_sizes=(10000,), growth_rounds=3),
    "quick": Plan((1000,), 2, 1, 1.5, ("runs", "start"), starts=5,
                  once=("python", "mosquitto", "nats", "ngircd")),
    "smoke": Plan((20,), 1, 0.2, 0.3, ("runs", "idle", "start"), idle_receivers=20, idle_s=0.2,
                  starts=1),
}
GROWING = ("chatroomd", "one-send", "coalesce")  # measured with the most clients, and plotted


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--plan", choices=PLANS, default="full")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--servers", help="of " + ",".join(BY_NAME))
    parser.add_argument("--sizes", help="numbers of receivers")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--parts")
    found = parser.parse_args(argv)
    found.build = found.build.resolve()
    found.output = (found.output or found.build / "bench").resolve()
    for name in (found.servers or "").split(","):
        if name and name not in BY_NAME:
            parser.error(f"no server is called {name}")
    return found


def chosen_plan(arguments):
    plan = PLANS[arguments.plan]
    if arguments.sizes:
        plan = dataclasses.replace(plan, sizes=tuple(map(int, arguments.sizes.split(","))))
    if arguments.rounds:
        plan = dataclasses.replace(plan, rounds=arguments.rounds)
    if arguments.parts:
        plan = dataclasses.replace(plan, parts=tuple(arguments.parts.split(",")))
    return plan


def chosen_servers(arguments):
    """Those that can be measured, and {name: why not} of the others."""
    names = arguments.servers.split(",") if arguments.servers else list(BY_NAME)
    skipped = {name: measure.available(arguments.build, BY_NAME[name]) for name in names}
    return ([server for server in SERVERS if server.name in names and not skipped[server.name]],
            {name: why for name, why in skipped.items() if why})


class Bench:
    """Measures, and keeps what it found."""

    def __init__(self, arguments, plan, servers):
        self.build = arguments.build
        self.plan = plan
        self.servers = servers
        self.runs, self.faults, self.extra = [], [], {}

    def attempt(self, what, function):
        try:
            return function()
        except (measure.Fault, OSError, RuntimeError, TimeoutError) as fault:
            self.faults.append(f"{what}: {fault}")
            print(f"FAULT {self.faults[-1]}", flush=True)
            return None

    def life(self, server, size, first_round, rounds):
        """One process of the server: one round, or all of them."""
        steady_s = 0 if server.name in self.plan.once else self.plan.steady_s
        numbers = itertools.count(first_round)
        for run in measure.life(self.build, server, size, rounds, self.plan.burst_s, steady_s):
            run["round"] = next(numbers)
            self.runs.append(run)
            print(f"round {run['round'] + 1}, N = {size}, {server.name}: "
                  f"{run['rate'] / 1000:.1f}k deliveries/s, {run['cost_us']:.2f} µs each",
                  flush=True)

    def measure_runs(self, sizes, rounds, servers):
        for size in sizes:
            fit = [server for server in servers if size <= server.largest]
            refilled = [s for s in fit if not (s.refill and size >= s.refill)]
            for number in range(rounds):
                for server in refilled:
                    if number == 0 or server.name not in self.plan.once:
                        self.attempt(f"{server.name}, N = {size}",
                                     lambda s=server, r=number: self.life(s, size, r, 1))
            for server in (s for s in fit if s not in refilled):
                self.attempt(f"{server.name}, N = {size}",
                             lambda s=server: self.life(s, size, 0, rounds))

    def measure_extra(self):
        ours = [server for server in self.servers if server.name == report.OURS]
        plan = self.plan
        for server in ours:
            if "start" in plan.parts:
                self.keep("start_ms", measure.starts, server, plan.starts)
            if "idle" in plan.parts:
                self.extra["idle_receivers"] = plan.idle_receivers
                self.keep("idle_cores", measure.idle, server, plan.idle_receivers, plan.idle_s)
            if "hold" in plan.parts:
                self.keep("hold", measure.hold, server, plan.hold_receivers, plan.hold_minutes,
                          server.rate)

    def keep(self, name, function, *arguments):
        found = self.attempt(name, lambda: function(self.build, *arguments))
        if found is not None:
            self.extra[name] = found

    def measure(self):
        if "runs" in self.plan.parts:
            self.measure_runs(self.plan.sizes, self.plan.rounds, self.servers)
        if "growth" in self.plan.parts:
            self.measure_runs(self.plan.growth_sizes, self.plan.growth_rounds,
                              [s for s in self.servers if s.name in GROWING])
        self.measure_extra()


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def package_version(name):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip() or "?"


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], text=True,
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip() or "unknown"


def circumstances(servers, command):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [v for v in (server.version() for server in servers) if v]
    return {
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "machine": f"{os.cpu_count()} × {cpu_model()}, {memory:.0f} GiB, Linux "
                   f"{os.uname().release}; load average before: {os.getloadavg()[0]:.2f}",
        "versions": "; ".join([f"chatroom {commit()}",
                               f"libgrpc {package_version('libgrpc29')}", *versions]),
        "command": command,
    }


EXPLANATION = """\
Load: one generator process, {senders} senders and N receivers, each on a connection of its own;
60-byte texts. Deliveries/s: a closed loop of {window} messages under way in total; one is done when
its last receiver has it. Latency: from the sender's send() to each receiver's recv(), at 20,000
deliveries/s (python: 2,000). Every delivery is counted, for its connection and for its message;
a run in which one is missing or comes twice does not count. CPU is user and system time of the
server's process. Memory is resident memory above that of the empty server, without the kernel's
socket buffers. A fresh server for each run (but ngircd at N = 5000, where joining takes minutes);
servers in turn within each round; medians, extremes in parentheses. The generator is a thread
of its own: where its share nears one core, the server's rate is a lower bound. CPU not used by
either was spent waiting for the other: with 16 messages under way the loop is often that short.
"""


def render(bench, where, skipped):
    parts = ["# Benchmark results", ""]
    parts += [f"{key}: {value}  " for key, value in where.items()]
    judgements = report.judgements(bench.runs, bench.extra)
    if judgements:
        parts += ["", "## Ratios and targets", "", judgements]
    if bench.runs:
        parts += ["", "## Measurements", "", report.measurements(bench.runs, bench.servers)]
    if "hold" in bench.extra:
        parts += ["", report.held(bench.extra)]
    parts += ["", EXPLANATION.format(senders=measure.SENDERS, window=measure.WINDOW)]
    parts += [f"Not measured: {name}: {why}" for name, why in skipped.items()]
    parts += [f"FAULT: {fault}" for fault in bench.faults]
    return "\n".join(parts).rstrip() + "\n"


def write(bench, where, skipped, arguments):
    output = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(
        {"where": where, "runs": bench.runs, "extra": bench.extra, "faults": bench.faults,
         "skipped": skipped}, indent=1) + "\n")
    drawn = report.plot(bench.runs, GROWING, output / "growth.svg")
    text = render(bench, where, skipped)
    if drawn:
        text += "\n![Cost and memory by number of clients](growth.svg)\n"
    (output / "RESULTS.md").write_text(text)
    if arguments.record:
        for name in ("RESULTS.md", "growth.svg") if drawn else ("RESULTS.md",):
            shutil.copy(output / name, HERE / name)
    return text


def main():
    arguments = parse_arguments(sys.argv[1:])
    plan = chosen_plan(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    servers, skipped = chosen_servers(arguments)
    for name, why in skipped.items():
        print(f"skipped {name}: {why}")
    where = circumstances(servers, "tests/bench/bench.py " + shlex.join(sys.argv[1:]))
    bench = Bench(arguments, plan, servers)
    bench.measure()
    print("\n" + write(bench, where, skipped, arguments))
    return 1 if bench.faults else 0


if __name__ == "__main__":
    sys.exit(main())
