#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmark: every server in turn, several rounds, one table, ratios first.

    bench.py [--plan full|quick|smoke] [--build DIR] [--output DIR] [--record] [--add] [--patient]
             [--servers A,B] [--sizes N,N] [--rounds N]
             [--parts runs,growth,idle,start,users,rejoin,slow,hold]

Writes OUTPUT/results.json, RESULTS.md and growth.svg; --record puts the last two into tests/bench.
With --add, what OUTPUT/results.json has is kept, and replaced only where it is measured again.
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
import time

import grpc

import measure
import report
from servers import BY_NAME, DEEP, HERE, ROOT, SERVERS, WINDOW


@dataclasses.dataclass(frozen=True)
class Plan:
    sizes: dict  # receivers: rounds
    burst_s: float
    steady_s: float  # 0: latency is not measured
    parts: tuple
    once: tuple = ()  # servers measured in the first round only, and without latency
    without: tuple = ()  # servers that are not measured
    growth_sizes: dict = dataclasses.field(default_factory=dict)
    hold_receivers: int = 10000
    hold_minutes: int = 10
    receivers: int = 1000  # where the part does not say how many
    idle_s: float = 30
    starts: int = 20
    users_s: float = 10
    rejoin_receivers: int = 5000
    rejoin_rounds: int = 3
    slow_rounds: int = 3
    slow_s: tuple = (6, 4)  # steady, burst


PLANS = {
    "full": Plan({1000: 3, 5000: 2, 100: 1}, 2.5, 5,
                 ("runs", "growth", "idle", "start", "users", "rejoin", "slow"),
                 growth_sizes={10000: 1}),
    "quick": Plan({1000: 2}, 0.8, 1, ("runs", "start"), starts=3,
                  once=("python", "mosquitto", "nats", "ngircd"),
                  without=("chatroomd-deep", "v1-deep")),
    "smoke": Plan({20: 1}, 0.2, 0.3, ("runs", "idle", "start", "users", "rejoin", "slow"),
                  receivers=20, idle_s=0.2, starts=1, users_s=0.3, rejoin_receivers=20,
                  rejoin_rounds=1, slow_rounds=1, slow_s=(0.3, 0.5)),
}
PARTS = ("runs", "growth", "idle", "start", "users", "rejoin", "slow", "hold")
GROWING = ("chatroomd", "v1", "one-send", "coalesce")  # measured with the most, and plotted


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--plan", choices=PLANS, default="full")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--servers", help="of " + ",".join(BY_NAME))
    parser.add_argument("--sizes", help="numbers of receivers")
    parser.add_argument("--rounds", type=int, help="the same number for all sizes")
    parser.add_argument("--parts", help="of " + ",".join(PARTS))
    parser.add_argument("--add", action="store_true", help="to what OUTPUT has")
    parser.add_argument("--patient", action="store_true",
                        help="also where joining takes minutes: ngircd, N = 5000")
    found = parser.parse_args(argv)
    found.build = found.build.resolve()
    # The quick plan's results are not to take the place of the full one's, nor to be added to.
    folder = "bench" if found.plan == "full" else f"bench-{found.plan}"
    found.output = (found.output or found.build / folder).resolve()
    for name in (found.servers or "").split(","):
        if name and name not in BY_NAME:
            parser.error(f"no server is called {name}")
    for part in (found.parts or "").split(","):
        if part and part not in PARTS:
            parser.error(f"no part is called {part}")
    return found


def chosen_plan(arguments):
    plan = PLANS[arguments.plan]
    if arguments.sizes:
        plan = dataclasses.replace(plan, sizes={
            int(n): plan.sizes.get(int(n), 1) for n in arguments.sizes.split(",")})
    if arguments.rounds:
        plan = dataclasses.replace(
            plan, sizes=dict.fromkeys(plan.sizes, arguments.rounds),
            growth_sizes=dict.fromkeys(plan.growth_sizes, arguments.rounds),
            rejoin_rounds=arguments.rounds, slow_rounds=arguments.rounds)
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
    """Measures, and keeps what it found. `kept`: what was found before."""

    def __init__(self, arguments, plan, servers, kept):
        self.build = arguments.build
        self.plan = plan
        self.servers = servers
        self.patient = arguments.patient
        self.runs = kept.get("runs", [])
        self.extra = kept.get("extra", {})
        self.faults = kept.get("faults", {})  # what failed: why
        self.failed = False

    def attempt(self, what, function):
        self.faults.pop(what, None)
        try:
            return function()
        except (measure.Fault, OSError, RuntimeError, TimeoutError, grpc.RpcError) as fault:
            self.faults[what] = str(fault)
            self.failed = True
            print(f"FAULT {what}: {fault}", flush=True)
            return None

    def forget(self, server, size, number):
        same = (server.name, size, number)
        self.runs = [run for run in self.runs
                     if (run["server"], run["receivers"], run["round"]) != same]

    def life(self, server, size, first_round, rounds):
        """One process of the server: one round, or all of them."""
        steady_s = 0 if server.name in self.plan.once else self.plan.steady_s
        numbers = itertools.count(first_round)
        for run in measure.life(self.build, server, size, rounds, self.plan.burst_s, steady_s):
            run["round"] = next(numbers)
            self.forget(server, size, run["round"])
            self.runs.append(run)
            print(f"round {run['round'] + 1}, N = {size}, {server.name}: "
                  f"{run['rate'] / 1000:.1f}k deliveries/s, {run['cost_us']:.2f} µs each",
                  flush=True)

    def measure_runs(self, sizes, servers):
        for size, rounds in sizes.items():
            fit = [server for server in servers
                   if size <= server.largest and server.name not in self.plan.without]
            refilled = [s for s in fit if not (s.refill and size >= s.refill)]
            for number in range(rounds):
                for server in refilled:
                    if number == 0 or server.name not in self.plan.once:
                        self.attempt(f"{server.name}, N = {size}, round {number + 1}",
                                     lambda s=server, r=number: self.life(s, size, r, 1))
            for server in fit if self.patient else ():
                if server not in refilled:
                    self.attempt(f"{server.name}, N = {size}",
                                 lambda s=server: self.life(s, size, 0, rounds))

    def measure_extra(self):
        """Of the daemon alone, each round with a fresh one."""
        plan = self.plan
        extra = {
            "idle": (1, measure.idle, "chatroomd", plan.receivers, plan.idle_s),
            "start": (1, measure.starts, "chatroomd", plan.starts),
            "users": (1, measure.users, "chatroomd", plan.receivers, plan.users_s),
            "rejoin": (plan.rejoin_rounds, measure.rejoin, "v1", plan.rejoin_receivers),
            "slow": (plan.slow_rounds, measure.slow, "chatroomd", plan.receivers, *plan.slow_s),
            "hold": (1, measure.hold, "chatroomd", plan.hold_receivers, plan.hold_minutes),
        }
        for part, (rounds, function, name, *arguments) in extra.items():
            if part in plan.parts and BY_NAME[name] in self.servers:
                self.keep(part, rounds, function, BY_NAME[name], *arguments)

    def keep(self, part, rounds, function, *arguments):
        found = [self.attempt(f"{part}, round {number + 1}",
                              lambda: function(self.build, *arguments))
                 for number in range(rounds)]
        self.extra[part] = [one for one in found if one is not None]
        print(f"{part}: {json.dumps(self.extra[part])}", flush=True)

    def measure(self, report_so_far):
        """Should it be ended early, what was found until then has been reported."""
        if "runs" in self.plan.parts:
            self.measure_runs(self.plan.sizes, self.servers)
            report_so_far()
        if "growth" in self.plan.parts:
            self.measure_runs(self.plan.growth_sizes,
                              [s for s in self.servers if s.name in GROWING])
            report_so_far()
        self.measure_extra()
        return report_so_far()

    def left_out(self):
        """What the tables lack, and why: a line each."""
        for server in SERVERS:
            if server.refill and not any(run["server"] == server.name and
                                         run["receivers"] >= server.refill for run in self.runs):
                yield (f"{server.name} at N = {server.refill}: joining takes it minutes "
                       "(--patient)")
        for part in PARTS[2:]:
            if not self.extra.get(part):
                yield f"{part} (--parts {part})"


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
60-byte texts. Deliveries/s: a closed loop of {window} messages under way in total ({deep} in the
rows called deep); one is done when its last receiver has it. Latency: from the sender's send() to
each receiver's recv(), at 20,000 deliveries/s (python: 2,000). Every delivery is counted, for its
connection and for its message; a run in which one is missing or comes twice does not count. CPU is
user and system time of the server's process. Memory is resident memory above that of the empty
server, without the kernel's socket buffers. A fresh server for each run (but ngircd at N = 5000,
where joining takes minutes); servers in turn within each round; medians, extremes in parentheses.
The generator is a thread of its own: where its share nears one core, the server's rate is a lower
bound. CPU not used by either was spent waiting for the other: with 16 messages under way the loop
is often that short.

The daemon logs every message to a disk (`sync = normal`), but in no-history. In v1 a sender is
sent his own messages too. users: AdminService.ListUsers, what `chatctl users` asks, by grpcio
over the control socket during a burst, one call after the other. rejoin: v1; SIGTERM, the daemon
ends and starts again at the same listening socket and with the same state, everybody comes back
at once and resumes; timed from the signal until everybody has everything, what the first said
before the last was back included. slow: {slow} of N receivers stop reading and take their
flow-control windows back; the others' latencies are compared with theirs just before, at 20,000
deliveries/s; then a burst until the {slow} sockets are closed, and each of them has to have been
told RESOURCE_EXHAUSTED. The memory that this may cost is {slow} times what a client may lag
behind by default, 8 MiB.

Why v1 is not twice as fast as the seed's protocol: at N = 1000 both send a burst by one system
call, some 14 messages of the seed's or 12 of v1 (perf stat -e syscalls:sys_enter_sendmsg). What a
send of v1 costs, 15 µs, is to 60 % the kernel's and to 29 % libgrpc's (perf record, by DSO),
whatever is in it. A message more costs the seed's protocol about 1 µs in libgrpc, and v1 next to
nothing; so the ratio grows with what there is to say. Fewer sends help both: workers that yield to
the threads which bring the rest of a burst made a delivery a fifth cheaper in either protocol. To
go on from there takes a cheaper way to a thousand sockets than a sendmsg() for each.
"""


def render(bench, wheres, skipped):
    parts = ["# Benchmark results", ""]
    for where in wheres:
        parts += [f"{key}: {value}  " for key, value in where.items()] + [""]
    judgements = report.judgements(bench.runs, bench.extra)
    if judgements:
        parts += ["", "## Ratios and targets", "", judgements]
    if bench.runs:
        parts += ["", "## Measurements", "", report.measurements(bench.runs, SERVERS)]
    parts += ["", *report.held(bench.extra)]
    parts += ["", EXPLANATION.format(senders=measure.SENDERS, window=WINDOW, deep=DEEP,
                                     slow=measure.SLOW)]
    parts += [f"Not measured: {name}: {why}  " for name, why in skipped.items()
              if not any(run["server"] == name for run in bench.runs)]
    parts += [f"Left out: {what}  " for what in bench.left_out()]
    parts += [f"FAULT: {what}: {why}  " for what, why in bench.faults.items()]
    return "\n".join(parts).rstrip() + "\n"


def write(bench, wheres, skipped, arguments):
    output = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(
        {"where": wheres, "runs": bench.runs, "extra": bench.extra, "faults": bench.faults,
         "skipped": skipped}, indent=1) + "\n")
    drawn = report.plot(bench.runs, GROWING, output / "growth.svg")
    text = render(bench, wheres, skipped)
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
    kept = {}
    if arguments.add and (arguments.output / "results.json").exists():
        kept = json.loads((arguments.output / "results.json").read_text())
    bench = Bench(arguments, plan, servers, kept)
    start = time.monotonic()

    def report_so_far():
        where["took"] = f"{(time.monotonic() - start) / 60:.1f} minutes"
        return write(bench, [*kept.get("where", []), where], skipped, arguments)

    print("\n" + bench.measure(report_so_far))
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
