# SPDX-License-Identifier: MIT
"""Two clients of the first chatroom's protocol that share no code with the project.

`Session` is what a person would write who has the protocol's text and a gRPC library: the path, the
two fields, nothing else. `StubSession` goes through the stubs that grpc_python_plugin generates
from proto/chat.proto.
"""
import collections
import itertools
import queue
import threading
import time

import grpc

from harness import DEADLINE, OPEN_TOKEN, Waiter
from wire import Message, chat_pb2_grpc, encode

PATHS = ["/chat.Chat/Join", "/chat.ChatService/Join", "/ChatService/Join"]
SYNC = "sync:"  # such texts tell a test that somebody is in; no test sees them otherwise

_END = object()
_numbers = itertools.count(1)


def connect(target, **options):
    """A channel with a connection of its own: grpcio would share one among all to one target."""
    return grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1),
                                          ("grpc.enable_retries", 0), *options.items()])


class Session(Waiter):
    """One stream. Whatever comes in is kept until receive() asks for it."""

    def __init__(self, channel, path=PATHS[0], metadata=None, compression=None):
        super().__init__()
        self.syncs = set()
        self.code = self.details = None
        self._inbox = collections.deque()
        self._outbox = queue.SimpleQueue()
        self.call = self._start(channel, path, metadata, compression,
                                iter(self._outbox.get, _END))
        threading.Thread(target=self._read, daemon=True).start()

    def _start(self, channel, path, metadata, compression, messages):
        join = channel.stream_stream(path, request_serializer=None,
                                     response_deserializer=Message.FromString)
        return join(messages, metadata=metadata, compression=compression)

    def _read(self):
        try:
            for message in self.call:
                with self.changed:
                    if message.text.startswith(SYNC):
                        self.syncs.add(message.text)
                    else:
                        self._inbox.append((message.user, message.text))
                    self.changed.notify_all()
        except grpc.RpcError:
            pass
        with self.changed:
            self.code, self.details = self.call.code(), self.call.details()
            self.changed.notify_all()
        self._outbox.put(_END)

    # Out

    def send(self, user, text):
        self.send_bytes(encode(user, text))

    def send_bytes(self, data):
        self._outbox.put(data)

    def say(self, text):
        self.send("", text)

    def sync(self):
        """Says something that nobody else says; returns it."""
        text = f"{SYNC}{next(_numbers)}"
        self.say(text)
        return text

    def half_close(self):
        self._outbox.put(_END)

    def cancel(self):
        self.call.cancel()

    # In

    def receive(self):
        """The next (user, text)."""
        self.wait_for(lambda: self._inbox or self.code,
                      "a message")
        assert self._inbox, f"ended instead of a message: {self.code} {self.details}"
        return self._inbox.popleft()

    def expect(self, *messages):
        """These come next, in this order."""
        for message in messages:
            received = self.receive()
            assert received == message, f"{received} came, not {message}"

    def wait_sync(self, text):
        self.wait_for(lambda: text in self.syncs or self.code, text)
        assert text in self.syncs, f"ended: {self.code} {self.details}"

    def end(self):
        """Waits for the call's end and returns its status code."""
        self.wait_for(lambda: self.code, "the end of the call")
        return self.code

    def heard(self):
        """What came so far and was not asked for."""
        with self.changed:
            return list(self._inbox)

    def rest(self):
        """The same, after the end."""
        self.end()
        return self.heard()


class StubSession(Session):
    """The same through generated code."""

    def _start(self, channel, path, metadata, compression, messages):
        stub = chat_pb2_grpc.ChatStub(channel)
        return stub.Join((Message.FromString(data) for data in messages), metadata=metadata,
                         compression=compression)


class Room:
    """A daemon, and somebody in its room who sees when others come in."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.channels = []
        self._witness_hears = False
        self.witness = self.try_join("witness")
        # Nobody sees the first one come in. So a second one talks until it hears.
        herald = self.try_join("herald")
        assert self.is_heard(herald), herald.details
        herald.half_close()
        herald.end()
        self.channels.pop().close()

    def channel(self, **options):
        self.channels.append(connect(self.daemon.target, **options))
        return self.channels[-1]

    def session(self, kind=Session, channel=None, **arguments):
        """A stream on which nothing was sent yet; on a connection of its own."""
        return kind(channel or self.channel(), **arguments)

    def try_join(self, name, token=OPEN_TOKEN, **arguments):
        session = self.session(**arguments)
        session.send(name, token)
        return session

    def join(self, name, token=OPEN_TOKEN, **arguments):
        """Returns when the new member is in the room."""
        session = self.try_join(name, token, **arguments)
        self.settle(session)
        return session

    def settle(self, session):
        """Waits until this one is in the room: somebody who is in it hears him."""
        assert self.is_heard(session), f"not in the room: {session.code} {session.details}"

    def is_heard(self, session):
        """Whether somebody in the room hears this one, or the session ends before that."""
        said = set()
        end = time.monotonic() + DEADLINE
        while not said & self.witness.syncs:
            assert self.witness.code is None, f"the witness was cut: {self.witness.details}"
            assert time.monotonic() < end, f"nobody hears {sorted(said)}"
            if session.code:
                return False
            if len(said) == 0 or not self._witness_hears:
                said.add(session.sync())
            with self.witness.changed:
                self.witness.changed.wait(0.05)
        self._witness_hears = True
        return True

    def close(self):
        for channel in self.channels:
            channel.close()


def refusal(session):
    """(code, details) of a session that was not let in, or not any longer."""
    code = session.end()
    assert code != grpc.StatusCode.OK
    return code, session.details
