# SPDX-License-Identifier: MIT
"""The first chatroom's protocol served as its first server did: one thread and one queue a client.

It is written from the protocol's text alone and shares no code with the project, so that a client
can be tested without its own server, and a server be measured against the old design.

    seed_server.py [--listen ADDRESS] [--token TOKEN]... [--clients N]
"""
import argparse
import concurrent.futures
import itertools
import queue
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DEADLINE = 30.0  # seconds that any condition may take to come true


def _message_class():
    file = descriptor_pb2.FileDescriptorProto(name="seed/chat.proto", package="seed",
                                              syntax="proto3")
    message = file.message_type.add(name="Message")
    for number, name in enumerate(["user", "text"], 1):
        message.field.add(name=name, number=number,
                          type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
                          label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(
        pool.FindMessageTypeByName("seed.Message"))


Message = _message_class()


def field(number, value):
    """A field of bytes on the wire, whatever the bytes are."""
    length, varint = len(value), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + value


def raw(user, text):
    """A message on the wire, also such as no honest server sends."""
    return field(1, user) + field(2, text)


def _serialize(message):
    return message if isinstance(message, bytes) else message.SerializeToString()


class _End:
    """In a member's queue: the end of the session, after all that stands before it."""

    def __init__(self, code=None, details=""):
        self.code = code
        self.details = details


class SeedServer:
    """Starts on construction; `port` is where. `heard` is all that members have said, in order."""

    def __init__(self, listen="127.0.0.1:0", tokens=("token1", "token2", "token3"), clients=16):
        self.tokens = set(tokens)
        self.members = {}  # number: (user, queue)
        self.heard = []
        self.left = []  # users whose side of the stream has ended
        self.confirming = threading.Event()  # not set: who leaves gets no answer yet
        self.confirming.set()
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(max_workers=clients),
            options=[("grpc.so_reuseport", 0),
                     ("grpc.http2.min_ping_interval_without_data_ms", 10000)])
        join = grpc.stream_stream_rpc_method_handler(self._join, Message.FromString, _serialize)
        for service in ["chat.Chat", "chat.ChatService", "ChatService"]:
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Join": join}),))
        self.port = self._server.add_insecure_port(listen)
        self._server.start()

    def stop(self):
        for number in list(self.members):
            self.members[number][1].put(_End(grpc.StatusCode.UNAVAILABLE, "shutting down"))
        self._server.stop(grace=DEADLINE).wait()

    def say(self, user, text, but=None):
        """To all members but one of them."""
        message = raw(user, text) if isinstance(text, bytes) else Message(user=user, text=text)
        with self._changed:
            for number, (_, outbox) in self.members.items():
                if number != but:
                    outbox.put(message)

    def end(self, code=None, details=""):
        """Ends all sessions; without a code, with OK."""
        with self._changed:
            for _, outbox in self.members.values():
                outbox.put(_End(code, details))

    def wait_for(self, predicate):
        with self._changed:
            assert self._changed.wait_for(predicate, DEADLINE), (self.heard, self.left)

    def wait_joined(self, n=1):
        self.wait_for(lambda: len(self.members) >= n)

    def wait_heard(self, *said):
        self.wait_for(lambda: all(s in self.heard for s in said))

    def _join(self, requests, context):
        first = next(requests, None)
        if first is None or first.text not in self.tokens:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown token")
        outbox = queue.Queue()
        with self._changed:
            number = next(self._numbers)
            self.members[number] = (first.user, outbox)
            self._changed.notify_all()
        context.add_callback(lambda: outbox.put(_End()))
        threading.Thread(target=self._listen, args=(number, first.user, requests, outbox),
                         daemon=True).start()
        try:
            yield from self._speak(outbox, context)
        finally:
            with self._changed:
                del self.members[number]
                self._changed.notify_all()

    def _speak(self, outbox, context):
        while True:
            item = outbox.get()
            if not isinstance(item, _End):
                yield item
            elif item.code is None:
                return
            else:
                context.abort(item.code, item.details)

    def _listen(self, number, user, requests, outbox):
        try:
            for message in requests:
                with self._changed:
                    self.heard.append((user, message.text))
                    self._changed.notify_all()
                self.say(user, message.text, but=number)
            with self._changed:
                self.left.append(user)
                self._changed.notify_all()
        except grpc.RpcError:
            pass  # the stream broke
        self.confirming.wait(DEADLINE)
        outbox.put(_End())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:50051")
    parser.add_argument("--token", action="append")
    parser.add_argument("--clients", type=int, default=10)
    arguments = parser.parse_args()
    server = SeedServer(arguments.listen, arguments.token or ["token1", "token2", "token3"],
                        arguments.clients)
    print(f"listening on port {server.port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
