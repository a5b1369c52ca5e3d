# SPDX-License-Identifier: MIT
"""Clients of chatroom.v1 that know nothing but its description: the stubs are protoc's, the library
is grpcio, and what a session is told is held against the promises that chatroom.proto makes.

`Session` is one Connect stream, `Listener` one Subscribe stream. `House` is a state directory and
the daemons that live in it, one after the other.
"""
import collections
import itertools
import queue
import shutil
import signal
import tempfile
import threading
import time

import grpc

import http2
import wire
from clients import Session as SeedSession, connect
from harness import ALICE_TOKEN, DEADLINE, OPEN_TOKEN, Waiter

pb, pb_grpc = wire.stubs("chatroom/v1/chatroom.proto")

SERVICE = "/chatroom.v1.ChatroomService"
ALICE_TOKEN_2 = "another-token-of-alice"
BERTA_TOKEN = "berta-has-one-too"
CAROL_TOKEN = "carol-has-one-as-well"
TOKENS = [("*", OPEN_TOKEN), ("*", "token2"), ("alice", ALICE_TOKEN), ("alice", ALICE_TOKEN_2),
          ("berta", BERTA_TOKEN), ("carol", CAROL_TOKEN)]
FAST = {"rate_burst": 100000, "rate_per_second": 100000}

# The parts of a response in the order in which a client deals with them.
PARTS = ["welcome", "gap", "messages", "acks", "notices", "presence", "pongs", "goodbye"]

_END = object()
_numbers = itertools.count(1)


def bearer(token):
    return [("authorization", f"Bearer {token}")] if token is not None else []


def new_id():
    return f"id-{next(_numbers)}"


class Stream(Waiter):
    """What is common to both kinds: everything that comes in, and the promises about it.

    `problems` collects what breaks the contract of every stream, whatever the test is about: the
    Welcome first and once, ids without holes but those that a gap announces, times that do not
    decrease, nothing behind a Goodbye. Room.close() looks at it."""

    def __init__(self, start=None):
        super().__init__()
        self.welcome = self.goodbye = self.code = self.details = None
        self.call = None
        self.messages = []  # all that came, in order
        self.gaps = []
        self.acks = []
        self.notices = []
        self.presences = []
        self.pongs = []
        self.present = set()  # who is there, by what presence told
        self.responses = 0
        self.problems = []
        self._answers = []  # acks and notices, as they came
        self._taken = 0
        self._resume = start if isinstance(start, pb.Resume) else None
        self._next = None  # the id that has to come next

    def _read(self):
        try:
            for response in self.call:
                with self.changed:
                    self._take(response)
                    self.changed.notify_all()
        except grpc.RpcError:
            pass
        with self.changed:
            self.code, self.details = self.call.code(), self.call.details()
            self._check_end()
            self.changed.notify_all()
        self._ended()

    def _ended(self):
        pass

    def _problem(self, text):
        self.problems.append(text)

    def _take(self, response):
        self.responses += 1
        if self.goodbye is not None:
            self._problem(f"something behind the goodbye: {response}")
        for field, value in response.ListFields():
            getattr(self, f"_take_{field.name}")(value)
        if self.welcome is None:
            self._problem(f"a first response without a welcome: {response}")

    def _take_welcome(self, welcome):
        if self.welcome is not None or self.responses != 1:
            self._problem("a welcome that is not the first part")
        self.welcome = welcome
        if self._resume and self._resume.epoch == welcome.epoch \
                and self._resume.after_id <= welcome.head:
            self._next = self._resume.after_id + 1

    def _take_gap(self, gap):
        self.gaps.append(gap)
        if self._next is not None and gap.from_id != self._next:
            self._problem(f"a gap from {gap.from_id} on, where {self._next} was to come")
        if self._next is not None and gap.to_id < gap.from_id:
            self._problem(f"a gap from {gap.from_id} to {gap.to_id}")
        self._next = gap.to_id + 1 if self._next is not None else None

    def _take_messages(self, messages):
        for message in messages:
            if self._next is not None and message.id != self._next:
                self._problem(f"id {message.id} where {self._next} was to come")
            if self.messages and message.time_ms < self.messages[-1].time_ms:
                self._problem(f"the time goes back at id {message.id}")
            self._next = message.id + 1
            self.messages.append(message)

    def _take_acks(self, acks):
        self.acks += acks
        self._answers += acks

    def _take_notices(self, notices):
        self.notices += notices
        self._answers += notices

    def _take_presence(self, presence):
        if presence.reset:
            self.present = set()
        if not presence.reset:
            for name in presence.joined:
                if name in self.present:
                    self._problem(f"{name} joined twice")
            for name in presence.left:
                if name not in self.present:
                    self._problem(f"{name} left who was not there")
        self.present |= set(presence.joined)
        self.present -= set(presence.left)
        self.presences.append(presence)

    def _take_pongs(self, pongs):
        self.pongs += [pong.number for pong in pongs]

    def _take_goodbye(self, goodbye):
        self.goodbye = goodbye

    def _check_end(self):
        if self.goodbye is not None and self.code != grpc.StatusCode.CANCELLED \
                and self.goodbye.code != self.code.value[0]:
            self._problem(f"a goodbye with {self.goodbye.code}, and then {self.code}")

    # What tests ask for

    def until(self, predicate, what):
        """Waits for it, but no longer than the stream lives."""
        self.wait_for(lambda: predicate() or self.code,
                      lambda: what() if callable(what) else what)
        assert predicate(), f"ended before {what() if callable(what) else what}: " \
                            f"{self.code} {self.details}"

    def joined(self):
        self.until(lambda: self.welcome is not None, "the welcome")
        return self

    def receive(self):
        """The next message."""
        self.until(lambda: len(self.messages) > self._taken, "a message")
        self._taken += 1
        return self.messages[self._taken - 1]

    def expect(self, *messages):
        """These (user, text) come next, in this order."""
        for message in messages:
            received = self.receive()
            assert (received.user, received.text) == message, f"{received} came, not {message}"

    def read_to(self, last):
        """All messages that came up to this id."""
        self.until(lambda: self.messages and self.messages[-1].id >= last,
                   lambda: f"id {last}; {self.messages[-1].id if self.messages else 0} came last")
        with self.changed:
            return [m for m in self.messages if m.id <= last]

    def history(self):
        """What was in the room when it joined, as far as it is shown."""
        return self.read_to(self.welcome.head) if self.welcome.head else []

    def last_id(self):
        return self.messages[-1].id if self.messages else self.welcome.head

    def end(self):
        self.wait_for(lambda: self.code, "the end of the call")
        return self.code

    def cancel(self):
        self.call.cancel()
        self.end()


class Session(Stream):
    """One Connect stream."""

    def __init__(self, channel, token=ALICE_TOKEN, start=None):
        super().__init__(start)
        self._sent = collections.Counter()
        self._outbox = queue.SimpleQueue()
        connect_ = channel.stream_stream(
            f"{SERVICE}/Connect",
            request_serializer=lambda r: r if isinstance(r, bytes) else r.SerializeToString(),
            response_deserializer=pb.ConnectResponse.FromString)
        self.call = connect_(iter(self._outbox.get, _END), metadata=bearer(token))
        threading.Thread(target=self._read, daemon=True).start()

    def _ended(self):
        self._outbox.put(_END)

    def put(self, request):
        """A ConnectRequest, or bytes that are none."""
        self._outbox.put(request)

    def hello(self, user="", room="", start=None, presence=False):
        self.put(hello(user, room, start, presence))
        return self

    def send(self, text, client_id=None):
        client_id = new_id() if client_id is None else client_id
        self._sent[client_id] += 1
        self.put(pb.ConnectRequest(send=pb.Outgoing(client_id=client_id, text=text)))
        return client_id

    def answers(self, client_id):
        return [answer for answer in self._answers if answer.client_id == client_id]

    def answer(self, client_id):
        """What came back for that, as often as it was sent: the last."""
        self.until(lambda: len(self.answers(client_id)) >= max(1, self._sent[client_id]),
                   lambda: f"an answer to {client_id}")
        return self.answers(client_id)[-1]

    def ack(self, client_id):
        answer = self.answer(client_id)
        assert isinstance(answer, pb.Ack), f"a notice and no ack: {answer}"
        return answer

    def notice(self, client_id):
        answer = self.answer(client_id)
        assert isinstance(answer, pb.Notice), f"an ack and no notice: {answer}"
        return answer

    def say(self, text, client_id=None):
        """Returns the ack."""
        return self.ack(self.send(text, client_id))

    def ping(self):
        """Waits for the answer."""
        number = next(_numbers)
        self.put(pb.ConnectRequest(ping=pb.Ping(number=number)))
        self.until(lambda: number in self.pongs, "the pong")

    def half_close(self):
        self._outbox.put(_END)


class Listener(Stream):
    """One Subscribe stream."""

    def __init__(self, channel, token=ALICE_TOKEN, start=None, presence=False):
        super().__init__(start)
        subscribe = channel.unary_stream(
            f"{SERVICE}/Subscribe", request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=pb.SubscribeResponse.FromString)
        request = pb.SubscribeRequest(presence=presence, **start_field(start))
        self.call = subscribe(request, metadata=bearer(token))
        threading.Thread(target=self._read, daemon=True).start()


def refused(stream):
    """(code, details) of a stream that was not let in."""
    code = stream.end()
    assert code != grpc.StatusCode.OK
    assert stream.welcome is None
    return code, stream.details


def failure(call, *arguments, **options):
    """The code of a unary call that fails."""
    try:
        call(*arguments, timeout=DEADLINE, **options)
    except grpc.RpcError as e:
        return e.code()
    raise AssertionError("it does not fail")


def start_field(start):
    if isinstance(start, int):
        return {"history": pb.History(count=start)}
    return {"resume": start} if start is not None else {}


def hello(user="", room="", start=None, presence=False):
    """start: a Resume, or how many messages of the history."""
    return pb.ConnectRequest(hello=pb.Hello(user=user, room=room, presence=presence,
                                            **start_field(start)))


def resume(session, after_id=None, secret=None, epoch=None):
    """Where a session was."""
    return pb.Resume(epoch=session.welcome.epoch if epoch is None else epoch,
                     after_id=session.last_id() if after_id is None else after_id,
                     secret=session.welcome.resume_secret if secret is None else secret)


class House:
    """A state directory, and the daemon that lives in it at the moment."""

    def __init__(self, daemons, state=None, **arguments):
        self.arguments = {"tokens": TOKENS, "limits": FAST, **arguments}
        self._daemons = daemons
        self._own = tempfile.mkdtemp(prefix="chatroom-state-") if state is None else None
        self.state = state or self._own
        self.streams = []
        self._channels = []
        self.daemon = None

    def start(self, **arguments):
        self.daemon = self._daemons.start(state=self.state, **{**self.arguments, **arguments})
        return self.daemon

    def stop(self):
        self._hang_up()
        self.daemon.stop()

    def kill(self):
        """kill -9"""
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.stop(expect=-signal.SIGKILL)
        self._hang_up()

    def restart(self, **arguments):
        self.stop()
        return self.start(**arguments)

    # Those who come in

    def channel(self, **options):
        self._channels.append(connect(self.daemon.target, **options))
        return self._channels[-1]

    def stub(self):
        return pb_grpc.ChatroomServiceStub(self.channel())

    def session(self, token=OPEN_TOKEN, start=None, channel=None):
        """A Connect stream on which nothing was sent."""
        return self._keep(Session(channel or self.channel(), token, start))

    def try_connect(self, user="", token=OPEN_TOKEN, start=None, presence=False, channel=None):
        session = self.session(token, start, channel)
        return session.hello(user, start=start, presence=presence)

    def connect(self, user="", token=OPEN_TOKEN, **arguments):
        return self.try_connect(user, token, **arguments).joined()

    def comes_in(self, name, **arguments):
        """Whether somebody of that name is let in, or else somebody has it still."""
        session = self.try_connect(name, **arguments)
        session.wait_for(lambda: session.welcome or session.code, "a welcome, or the end")
        if session.welcome is None:
            assert session.code == grpc.StatusCode.ALREADY_EXISTS, session.details
        return session.welcome is not None

    def lists(self, name):
        """Whether somebody of that name is in the room."""
        members = self.stub().ListMembers(pb.ListMembersRequest(), timeout=DEADLINE,
                                          metadata=bearer(ALICE_TOKEN)).members
        return name in [member.user for member in members]

    def listen(self, token=ALICE_TOKEN, start=None, presence=False):
        return self._keep(Listener(self.channel(), token, start, presence)).joined()

    def eventually(self, predicate, what):
        """Looks now and then whether it holds."""
        end = time.monotonic() + DEADLINE
        while not predicate():
            assert time.monotonic() < end, f"not within {DEADLINE:g} s: {what}"
            with self.daemon.changed:
                self.daemon.changed.wait(0.05)

    def welcome(self, name="looks"):
        """What somebody is told who comes in now."""
        session = self.connect(name, start=0)
        session.half_close()
        session.end()
        self._channels.pop().close()
        return session.welcome

    def _keep(self, stream):
        self.streams.append(stream)
        return stream

    def seed(self, name, token=OPEN_TOKEN):
        """A member by the first chatroom's protocol, who is in the room."""
        hears = self.connect("herald", start=0)
        session = SeedSession(self.channel())
        session.send(name, token)
        text = session.sync()
        while hears.receive().text != text:
            pass
        hears.half_close()
        hears.end()
        return session

    def raw(self, user, token=OPEN_TOKEN, start=None, presence=False, **arguments):
        """A Connect stream on a plain socket, for what no library would do; welcomed or not."""
        arguments.setdefault("source", f"127.0.9.{1 + next(_numbers) % 250}")
        return Raw(self.daemon.address(), token, hello(user, start=start, presence=presence),
                   **arguments)

    def fill(self, n, text="message {}", user="filler"):
        """n messages by one sender, as fast as that goes; returns the id of the last."""
        raw = self.raw(user, start=0)
        raw.wait(lambda: raw.welcome, "the welcome")
        sent = 0
        while raw.acked < n:
            while sent < n and sent - raw.acked < raw.welcome.max_unacknowledged:
                raw.send(text.format(sent))
                sent += 1
            acked = raw.acked
            raw.wait(lambda: raw.acked > acked, "an ack")
            raw.messages.clear()
        raw.close()
        return raw.last_ack.id

    def _hang_up(self):
        for channel in self._channels:
            channel.close()
        for stream in self.streams:
            stream.end()
        self._channels.clear()

    def close(self):
        try:
            self._hang_up()
            problems = [problem for stream in self.streams for problem in stream.problems]
            assert not problems, "\n".join(problems)
        finally:
            if self._own:
                self._daemons.stop()
                shutil.rmtree(self._own, ignore_errors=True)


class Raw:
    """A Connect stream on a plain socket. Reads only while wait() runs, as much as the windows
    allow that it granted."""

    def __init__(self, address, token, first, **arguments):
        self.connection = http2.Connection(address, **arguments)
        self.stream = self.connection.open(f"{SERVICE}/Connect", bearer(token))
        self.connection.send(self.stream, first.SerializeToString())
        self.connection.flush()
        self.welcome = self.last_ack = None
        self.responses = 0
        self.acked = self.received = 0  # acks and notices; bytes
        self.messages, self.notices, self.presences, self.gaps = [], [], [], []

    def send(self, text, client_id=None):
        """Goes out with the next wait()."""
        self.connection.send(self.stream, pb.ConnectRequest(send=pb.Outgoing(
            client_id=new_id() if client_id is None else client_id,
            text=text)).SerializeToString())

    def grant(self, size, connection=True):
        """Opens the windows by so many bytes."""
        for number in ([0] if connection else []) + [self.stream.number]:
            self.connection.raw(http2.frame(http2.WINDOW_UPDATE, 0, number,
                                            size.to_bytes(4, "big")))

    def window(self, size):
        """Sets the stream's first window, also afterwards."""
        self.connection.raw(http2.frame(http2.SETTINGS, 0, 0, http2.INITIAL_WINDOW_SIZE.to_bytes(
            2, "big") + size.to_bytes(4, "big")))

    def wait(self, predicate, what):
        """Until it holds, or the stream ends and it does not."""
        def look():
            self._take()
            return predicate() or self.stream.ended

        self.connection.pump(look, what)
        assert predicate(), f"ended before {what}: {self.stream.status}"

    def joined(self):
        self.wait(lambda: self.welcome, "the welcome")
        return self

    def status(self):
        """Waits for the end: a gRPC status code."""
        self.connection.pump(lambda: self.stream.ended, "the end of the call")
        return self.stream.status

    def _take(self):
        size = 0
        for message in http2.grpc_messages(self.stream.data):
            size += 5 + len(message)
            response = pb.ConnectResponse.FromString(message)
            self.responses += 1
            self.welcome = response.welcome if response.HasField("welcome") else self.welcome
            self.messages += response.messages
            self.notices += response.notices
            self.acked += len(response.acks) + len(response.notices)
            for ack in response.acks:
                self.last_ack = ack
            if response.HasField("gap"):
                self.gaps.append(response.gap)
            if response.HasField("presence"):
                self.presences.append(response.presence)
        self.received += size
        del self.stream.data[:size]

    def close(self):
        self.connection.close()

    def abort(self):
        self.connection.abort()


def tally(messages):
    """How often each (user, text) is there."""
    return collections.Counter((m.user, m.text) for m in messages)
