#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Crashes the daemon, again and again, under people who talk, and looks for what got lost.

    tests/crash/crash.py [--build DIR] [--restarts N] [--seed N] [--no-links] [--sabotage]

The daemon is killed (SIGKILL), drained (SIGTERM), or killed while it drains, at moments that
depend on how many messages were acknowledged since it started; the next one gets the same state
directory and the same listening socket, as from a service manager. Meanwhile some people lose
their connection, some are stopped as a sleeping laptop is, and, for root, the links of some go down
and up. They all come back. In the end everybody reads to the end of the log.

The seed decides what happens, not when: two runs with one seed are not the same run. --sabotage
takes what was acknowledged last out of the log, behind the daemon's back, to see whether that is
noticed.
"""
import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CLONE_NEWNET = 0x40000000
CAST = [
    # Whether behind a link of their own; names and kinds.
    (False, ["ann=talker", "ben=talker", "lea=listener"]),
    (False, ["cem=caller", "old=elder", "aged=elder"]),
    (True, ["dan=talker", "mia=listener", "gil=guest"]),
    (True, ["eva=talker", "kim=caller", "senior=elder"]),
]
PATIENCE = 60  # seconds without an acknowledgement that end the run


def own_network():
    """Nothing of what happens here is to be seen outside. For root, before there is any thread."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return False
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return True


class Director:
    def __init__(self, options):
        sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
        if options.build:
            os.environ["CHATROOM_BUILD"] = options.build
        import harness
        from checker import Checker
        self.harness = harness
        self.options = options
        self.seed = options.seed
        self.rng = random.Random(options.seed)
        self.checker = Checker()
        self.changed = threading.Condition()
        self.acks = self.last_acked = 0
        self.flushed, self.reached, self.gone = set(), {}, 0
        self.for_the_log = []  # the events that the second check goes by
        self.ends = {}
        self.groups = []
        self.state = tempfile.mkdtemp(prefix="chatroom-crash-")
        self.links = options.links and own_network()
        self.listener = socket.create_server(("0.0.0.0" if self.links else "127.0.0.1", 0),
                                             backlog=1000)
        self.daemon = None
        self.killed = self.drained = self.cut = self.slept = self.lost = 0

    # The daemon

    def start(self):
        h = self.harness
        names = [member.split("=") for _, group in CAST for member in group]
        tokens = [("*", "token-of-elders")] + [(name, f"token-of-{name}") for name, kind in names
                                               if kind not in ("elder", "guest")]
        config = h.configuration(
            server={"allow": "127.0.0.0/8 10.77.0.0/16"}, tokens=tokens,
            limits={"rate_burst": 100, "rate_per_second": 60, "max_sessions_per_user": 100,
                    "max_connections_per_address": 1000, "max_lag_messages": 256})
        with h.activation([("chat", self.listener)]) as (launcher, held):
            self.daemon = h.Daemon(config, launcher=launcher, pass_fds=held, state=self.state)

    def end(self):
        """One way or another; returns when it is gone."""
        how = self.rng.choices(["kill", "drain", "both"], [6, 2, 2])[0]
        process = self.daemon.process
        if how != "kill":
            process.terminate()
            self.drained += 1
        if how == "both":
            with self.changed:
                self.changed.wait(self.rng.uniform(0, 0.1))
        if how != "drain":
            process.send_signal(signal.SIGKILL)
            self.killed += 1
        status = process.wait(self.harness.DEADLINE)
        expected = {"kill": [-9], "drain": [0], "both": [0, -9]}[how]
        assert status in expected, f"{how}: status {status}\n{self.daemon.log_text()}"
        self.daemon.stop(expect=status)

    # The people

    def cast(self):
        port = self.listener.getsockname()[1]
        for number, (behind_link, names) in enumerate(CAST):
            group = Group(self, number, names, behind_link and self.links, port)
            self.groups.append(group)
        for group in self.groups:
            group.go()

    def take(self, event):
        with self.changed:
            kind = event[0]
            if kind in ("ack", "send", "said"):
                self.for_the_log.append(event)
            if kind == "ack":
                self.acks += 1
                self.last_acked = max(self.last_acked, event[3])
            if kind == "flushed":
                self.flushed.add(event[1])
            elif kind == "reached":
                self.reached[event[1]] = event[2]
            elif kind == "end":
                code = event[2]
                self.ends[code] = self.ends.get(code, 0) + 1
            elif kind == "gone":
                self.gone += 1
            elif kind not in ("ready", "done", "notice"):
                self.checker.take(event)
            self.changed.notify_all()

    def wait_for(self, predicate, what):
        with self.changed:
            if not self.changed.wait_for(lambda: predicate() or self.gone, PATIENCE):
                raise AssertionError(f"not within {PATIENCE} s: {what}\n{self.daemon.log_text()}")
        assert not self.gone, f"some people have ended, waiting for {what}"

    def wait_acks(self, n):
        wanted = self.acks + n
        self.wait_for(lambda: self.acks >= wanted, f"{n} acknowledgements more")

    def disturb(self):
        """Something happens to some people; what was done to them before is over now and then."""
        what = self.rng.choice(["drop", "sleep", "sleep", "cut", "cut", "wake", "wake"])
        away = [g for g in self.groups if g.asleep or g.is_cut]
        if what == "drop":
            group = self.rng.choice(self.groups)
            group.command(f"drop {self.rng.choice(group.names).split('=')[0]}")
            self.lost += 1
        elif what == "wake" and away:
            self.rng.choice(away).restore()
        elif what == "sleep" and len(away) < 2:
            self.rng.choice([g for g in self.groups if not g.asleep]).sleep()
            self.slept += 1
        elif what == "cut" and len(away) < 2:
            whole = [g for g in self.groups if g.link and not g.is_cut]
            if whole:
                self.rng.choice(whole).cut()
                self.cut += 1

    # The run

    def run(self):
        self.start()
        self.cast()
        for i in range(self.options.restarts):
            self.wait_acks(1)
            for _ in range(self.rng.randint(0, 6)):
                self.wait_acks(self.rng.randint(1, 150))
                self.disturb()
            self.end()
            if self.options.sabotage and i == self.options.restarts // 2:
                self.sabotage()
            self.start()
            if sys.stderr.isatty():
                print(f"\r{i + 1} of {self.options.restarts}", end="", file=sys.stderr)
        self.wait_acks(50)
        return self.finish()

    def finish(self):
        from log_check import check
        for group in self.groups:
            group.restore()
        self.tell("stop")
        everybody = {name.split("=")[0]: name.split("=")[1] for _, names in CAST for name in names}
        senders = {name for name, kind in everybody.items() if kind != "listener"}
        try:
            self.wait_for(lambda: self.flushed >= senders, "everybody to be done")
        except AssertionError as e:
            raise AssertionError(f"{senders - self.flushed} have not: {e}") from None
        head = self.head()
        readers = {name for name, kind in everybody.items()
                   if kind in ("talker", "guest", "listener")}
        self.tell(f"until {head}")
        try:
            self.wait_for(lambda: set(self.reached) >= readers, "everybody to have read it all")
        except AssertionError as e:
            if not self.options.sabotage:
                raise AssertionError(f"{readers - set(self.reached)} have not: {e}") from None
        for group in self.groups:
            group.quit()
        problems = list(self.checker.finish(head))
        self.daemon.stop()
        second = check(self.state, self.for_the_log)
        return self.report(head, problems, second)

    def head(self):
        """What the daemon says is the last id."""
        import v1
        from clients import connect
        channel = connect(f"127.0.0.1:{self.listener.getsockname()[1]}")
        session = v1.Session(channel, "token-of-ann")
        head = session.hello(start=0).joined().welcome.head
        session.cancel()
        channel.close()
        return head

    def tell(self, command):
        for group in self.groups:
            group.command(command)

    def sabotage(self):
        with sqlite3.connect(os.path.join(self.state, "log.db")) as db:
            for table in ("messages", "keys"):
                db.execute(f"DELETE FROM {table} WHERE id >= ?", [self.last_acked])
            db.execute("UPDATE log SET next_id = ?", [self.last_acked])
        db.close()

    def report(self, head, problems, second):
        counts = self.checker.counts
        print(f"{head} messages, {self.checker.acks} acknowledgements, "
              f"{self.killed} kills, {self.drained} drains, {self.cut} links cut, "
              f"{self.slept} sleeps, {self.lost} connections dropped")
        print(f"{counts['losses']} losses, {counts['duplicates']} duplicates, "
              f"{counts['disorder']} out of order, {counts['inventions']} inventions, "
              f"{counts['others']} other problems; {len(second)} by the second check")
        print(f"seed {self.options.seed}; calls ended: " + ", ".join(
            f"{code.split('.')[-1]} {n}" for code, n in sorted(self.ends.items())))
        for problem in [*problems, *(f"second: {text}" for text in second)][:40]:
            print(f"  {problem}")
        if self.options.json:
            with open(self.options.json, "w", encoding="utf-8") as f:
                json.dump({"head": head, "acks": self.checker.acks, "counts": dict(counts),
                           "problems": problems, "second": second, "killed": self.killed,
                           "drained": self.drained, "cut": self.cut, "slept": self.slept,
                           "links": self.links, "epochs": len(self.checker.epochs)}, f)
        return 1 if problems or second else 0

    def close(self):
        for group in self.groups:
            group.close()
        if self.daemon and not self.daemon.stopped:
            self.daemon.close()
        self.listener.close()
        shutil.rmtree(self.state, ignore_errors=True)


class Group:
    """A process with some people in it."""

    def __init__(self, director, number, names, link, port):
        self.director, self.number, self.names, self.link = director, number, names, link
        self.asleep = self.is_cut = False
        here, there = f"10.77.{number}.1", f"10.77.{number}.2/24"
        argv = ["/usr/bin/python3", "-B", os.path.join(HERE, "people.py")]
        argv += ["--own-network", there] if link else []
        argv += [f"{here if link else '127.0.0.1'}:{port}", str(director.seed), *names]
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = json.loads(self.process.stdout.readline())
        assert first[0] == "ready"
        if link:
            self._plug(here, first[1])
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _plug(self, here, pid):
        device = f"link{self.number}"
        for argv in (["link", "add", device, "type", "veth", "peer", "name", "eth0", "netns",
                      str(pid)],
                     ["address", "add", f"{here}/24", "dev", device],
                     ["link", "set", device, "up"]):
            subprocess.run(["ip", *argv], check=True)

    def _read(self):
        last = None
        for line in self.process.stdout:
            last = json.loads(line)
            self.director.take(last)
        if last != ["done"]:
            self.director.take(["gone", self.names])

    def go(self):
        self.command("go")

    def command(self, text):
        try:
            self.process.stdin.write(f"{text}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # "gone" is on its way

    def sleep(self):
        self.process.send_signal(signal.SIGSTOP)
        self.asleep = True

    def cut(self):
        subprocess.run(["ip", "link", "set", f"link{self.number}", "down"], check=True)
        self.is_cut = True

    def restore(self):
        if self.asleep:
            self.process.send_signal(signal.SIGCONT)
            self.asleep = False
        if self.is_cut:
            subprocess.run(["ip", "link", "set", f"link{self.number}", "up"], check=True)
            self.is_cut = False

    def quit(self):
        self.command("quit")
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--no-links", dest="links", action="store_false")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    director = Director(options)
    start = time.monotonic()
    try:
        return director.run()
    finally:
        director.close()
        print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
