#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints how many seconds it takes the daemon to notice that somebody is gone who cannot say so:
the link of a member goes down for good, in networks of our own. For root."""
import os
import random
import sys
import threading
import time

from crash import Group, own_network

HERE = os.path.dirname(os.path.abspath(__file__))
ENOUGH = 120


class Watcher:
    """What crash.Group wants of who directs it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.joined = False
        self.seed = random.getrandbits(32)

    def take(self, event):
        with self.changed:
            self.joined = self.joined or event[0] == "join"
            self.changed.notify_all()


def main():
    if not own_network():
        print("no network of our own")
        return 2
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
    import harness
    import v1
    from clients import connect
    tokens = [("mia", "token-of-mia"), ("ann", "token-of-ann")]
    daemon = harness.Daemon(harness.configuration(
        server={"listen": "0.0.0.0:0", "allow": "127.0.0.1 10.77.0.0/16"}, tokens=tokens))
    watcher = Watcher()
    group = Group(watcher, 0, ["mia=listener"], True, daemon.port)
    group.go()
    stub = v1.pb_grpc.ChatroomServiceStub(connect(daemon.target))

    def is_there():
        members = stub.ListMembers(v1.pb.ListMembersRequest(), timeout=harness.DEADLINE,
                                   metadata=v1.bearer("token-of-ann")).members
        return [m.user for m in members] == ["mia"]

    with watcher.changed:
        assert watcher.changed.wait_for(lambda: watcher.joined, harness.DEADLINE)
    assert is_there()
    group.cut()
    start = time.monotonic()
    while is_there() and time.monotonic() - start < ENOUGH:
        with watcher.changed:
            watcher.changed.wait(0.2)
    print(f"{time.monotonic() - start:.1f}")
    group.close()
    daemon.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
