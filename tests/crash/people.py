# SPDX-License-Identifier: MIT
"""Some people of the room, in a process of their own: `people.py TARGET SEED NAME=KIND...`

They write what they do and what they are told to standard output, one event a line (checker.py says
which), and take commands on standard input: `go` when the network is there, `drop NAME` (lose the
connection and come back), `stop` (finish what is unacknowledged and say nothing new), `until ID`
(say when that much was read), `quit`. With `--own-network` they have a network of their own, with
nothing in it before `go`.
"""
import collections
import ctypes
import itertools
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "integration"))
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402

import v1  # noqa: E402
from clients import connect  # noqa: E402
from v1 import pb  # noqa: E402
from wire import Message, encode  # noqa: E402

CLONE_NEWNET = 0x40000000
OUTSTANDING = 8  # messages that one sender has on the way
QUIET, DEAD = 1.0, 4.0  # seconds without a word: when to ask, when to give up
EVERYTHING = 2**32 - 1
_END = object()
_output = threading.Lock()


def journal(*events):
    lines = "".join(json.dumps(event) + "\n" for event in events)
    with _output:
        sys.stdout.write(lines)
        sys.stdout.flush()


def token_of(name):
    """The configuration of crash.py has it."""
    return f"token-of-{name}"


OPEN_TOKEN = token_of("elders")


class Person(threading.Thread):
    def __init__(self, name, target, rng):
        super().__init__(daemon=True)
        self.name_, self.target, self.rng = name, target, rng
        self.changed = threading.Condition()
        self.call = None
        self.dropped = self.stopping = self.quitting = self.over = False
        self.heard = 0.0
        self.wanted = None
        self.token = token_of(name)

    def run(self):
        while not self.quitting:
            channel = connect(self.target)
            self.dropped = self.over = False
            self.heard = time.monotonic()
            try:
                self.session(channel)
            except grpc.RpcError as e:
                journal(["end", self.name_, str(e.code()), str(e.details())])
            finally:
                channel.close()
            with self.changed:
                self.changed.wait_for(lambda: self.quitting, self.rng.uniform(0.01, 0.2))

    def command(self, **what):
        with self.changed:
            for name, value in what.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def read(self, call, take):
        """A thread that takes what comes until the call ends."""
        def run():
            try:
                for response in call:
                    with self.changed:
                        self.heard = time.monotonic()
                        take(response)
                        self.changed.notify_all()
            except grpc.RpcError:
                pass
            with self.changed:
                self.over = True
                self.changed.notify_all()
            journal(["end", self.name_, str(call.code()), str(call.details())])

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def alive(self, ask):
        """Waits a moment; asks when it is too quiet, says False when there is nobody."""
        with self.changed:
            self.changed.wait(0.1)
            quiet = time.monotonic() - self.heard
            if self.over or self.dropped or self.quitting or quiet > DEAD:
                return False
        if quiet > QUIET:
            ask()
        return True


class Reader(Person):
    """What everybody has in common who is told ids: goes on where it was."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.epoch, self.last, self.secret = None, 0, ""
        self.welcomed = False

    def start_(self):
        if self.epoch is None:
            return EVERYTHING
        return pb.Resume(epoch=self.epoch, after_id=self.last, secret=self.secret)

    def take(self, response):
        events = []
        if response.HasField("welcome"):
            self.welcomed = True
            self.epoch, self.secret = response.welcome.epoch, response.welcome.resume_secret
            events.append(["join", self.name_, self.epoch])
        if response.HasField("gap"):
            events.append(["gap", self.name_, response.gap.from_id, response.gap.to_id])
        for m in response.messages:
            events.append(["got", self.name_, m.id, m.time_ms, m.user, m.text, m.client_id])
            self.last = m.id
        journal(*events)
        self.look_reached()

    def look_reached(self):
        if self.wanted is not None and self.last >= self.wanted:
            journal(["reached", self.name_, self.last])
            self.wanted = None


class Talker(Reader):
    """Connect: sends, resends until acknowledged, and reads."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.numbers = itertools.count()
        self.unacknowledged = collections.OrderedDict()  # client id: text
        self.flushed = False
        self.outbox = None

    def session(self, channel):
        self.outbox = queue.SimpleQueue()
        self.welcomed = False
        call = channel.stream_stream(
            f"{v1.SERVICE}/Connect", request_serializer=lambda r: r.SerializeToString(),
            response_deserializer=pb.ConnectResponse.FromString)(
                iter(self.outbox.get, _END), metadata=v1.bearer(self.token))
        self.outbox.put(v1.hello(self.name_, start=self.start_()))
        reader = self.read(call, self.take)
        while self.alive(lambda: self.outbox.put(pb.ConnectRequest(ping=pb.Ping(number=1)))):
            with self.changed:
                if self.stopping and not self.unacknowledged and not self.flushed:
                    self.flushed = True
                    journal(["flushed", self.name_])
        call.cancel()
        self.outbox.put(_END)
        reader.join()

    def take(self, response):
        super().take(response)
        if response.HasField("welcome"):
            for client_id, text in self.unacknowledged.items():
                self.put(client_id, text)
        for ack in response.acks:
            self.unacknowledged.pop(ack.client_id, None)
            journal(["ack", self.name_, ack.client_id, ack.id])
        for notice in response.notices:
            journal(["notice", self.name_, notice.client_id, notice.code, notice.text])
            if notice.code == grpc.StatusCode.UNAVAILABLE.value[0]:
                self.dropped = True  # comes back and sends it again
            else:
                journal(["wrong", self.name_, f"a notice: {notice.code} {notice.text}"])
        while self.welcomed and not self.stopping and len(self.unacknowledged) < OUTSTANDING:
            n = next(self.numbers)
            client_id, text = f"c{n}", f"{self.name_} {n} {'x' * self.rng.randint(0, 200)}"
            journal(["send", self.name_, client_id, text])
            self.unacknowledged[client_id] = text
            self.put(client_id, text)

    def put(self, client_id, text):
        self.outbox.put(pb.ConnectRequest(send=pb.Outgoing(client_id=client_id, text=text)))


class Guest(Talker):
    """The same by an open token: the name is one's own as long as one is there, or seems to be."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.token = OPEN_TOKEN


class Listener(Reader):
    """Subscribe: reads."""

    def session(self, channel):
        call = channel.unary_stream(
            f"{v1.SERVICE}/Subscribe", request_serializer=lambda r: r.SerializeToString(),
            response_deserializer=pb.SubscribeResponse.FromString)(
                pb.SubscribeRequest(**v1.start_field(self.start_())),
                metadata=v1.bearer(self.token))
        reader = self.read(call, self.take)
        # There is no asking here. When it is quiet for long, it just comes again.
        while self.alive(lambda: None):
            pass
        call.cancel()
        reader.join()


class Caller(Person):
    """Send: one message after the other, each until it is taken."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.numbers = itertools.count()
        self.pending = None
        self.flushed = False

    def session(self, channel):
        stub = v1.pb_grpc.ChatroomServiceStub(channel)
        while not (self.dropped or self.quitting):
            if self.pending is None and self.stopping:
                if not self.flushed:
                    self.flushed = True
                    journal(["flushed", self.name_])
                with self.changed:
                    self.changed.wait(0.1)
                continue
            if self.pending is None:
                n = next(self.numbers)
                self.pending = (f"u{n}", f"{self.name_} calls {n}")
                journal(["send", self.name_, *self.pending])
            client_id, text = self.pending
            try:
                sent = stub.Send(pb.SendRequest(client_id=client_id, text=text), timeout=DEAD,
                                 metadata=v1.bearer(self.token))
            except grpc.RpcError as e:
                if e.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
                                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                                    grpc.StatusCode.CANCELLED):
                    journal(["wrong", self.name_, f"{e.code()} {e.details()}"])
                raise
            journal(["ack", self.name_, client_id, sent.id])
            self.pending = None


class Elder(Person):
    """Join, the first chatroom's protocol: a new name for each stay, a few words, then listens."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.numbers = itertools.count()
        self.flushed = False

    def session(self, channel):
        if self.stopping:
            if not self.flushed:
                self.flushed = True
                journal(["flushed", self.name_])
            with self.changed:
                self.changed.wait(0.1)
            return
        user = f"{self.name_}-{next(self.numbers)}"
        outbox = queue.SimpleQueue()
        call = channel.stream_stream("/chat.Chat/Join", response_deserializer=Message.FromString)(
            iter(outbox.get, _END))
        outbox.put(encode(user, OPEN_TOKEN))
        count, enough = [0], self.rng.randint(30, 400)

        def take(message):
            count[0] += 1
            journal(["heard", user, user, message.user, message.text])

        reader = self.read(call, take)
        for i in range(self.rng.randint(0, 15)):
            text = f"{user} says {i}"
            journal(["said", user, text])
            outbox.put(encode("", text))
        while self.alive(lambda: None) and count[0] < enough and not self.stopping:
            pass
        outbox.put(_END)  # half-close: what was said so far counts if the call ends with OK
        reader.join(DEAD)
        if reader.is_alive():
            call.cancel()
            reader.join()
        if call.code() == grpc.StatusCode.OK:
            journal(["left", user])


KINDS = {"talker": Talker, "guest": Guest, "listener": Listener, "caller": Caller, "elder": Elder}


def own_network():
    """Before there is any thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def main():
    arguments = sys.argv[1:]
    own = arguments[0] == "--own-network"
    if own:
        own_network()
        address = arguments[1]
        arguments = arguments[2:]
    target, seed, *names = arguments
    journal(["ready", os.getpid()])
    for line in sys.stdin:
        if line.strip() == "go":
            break
    if own:
        for argv in (["ip", "link", "set", "lo", "up"],
                     ["ip", "address", "add", address, "dev", "eth0"],
                     ["ip", "link", "set", "eth0", "up"]):
            subprocess.run(argv, check=True)
    people = {}
    for name_and_kind in names:
        name, kind = name_and_kind.split("=")
        people[name] = KINDS[kind](name, target, random.Random(f"{seed} {name}"))
        people[name].start()
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "drop":
            people[rest[0]].command(dropped=True)
        for person in people.values():
            if verb == "stop":
                person.command(stopping=True)
            elif verb == "until" and isinstance(person, Reader):
                person.command(wanted=int(rest[0]))
                with person.changed:
                    person.look_reached()
            elif verb == "quit":
                person.command(quitting=True)
        if verb == "quit":
            break
    for person in people.values():
        person.join(10)
    journal(["done"])


if __name__ == "__main__":
    main()
