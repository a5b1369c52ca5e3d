# SPDX-License-Identifier: MIT
"""chatroom.v1 served by Python, for tests of its clients: written from the text of chatroom.proto
alone, and at a test's word it loses acknowledgements, repeats itself, forgets, refuses, and dies.

It keeps the contract otherwise: one log with ids from 1, each message once for each client_id, each
id to everybody, resuming without a hole.
"""
import concurrent.futures
import itertools
import queue
import threading
import time

import grpc

import wire

pb, _ = wire.stubs("chatroom/v1/chatroom.proto")

DEADLINE = 30.0  # seconds that any condition may take to come true
HISTORY = 50

_END = object()


def _serialize(message):
    return message if isinstance(message, bytes) else message.SerializeToString()


def _varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """On the wire: an integer, or bytes, whatever they are."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def raw_message(number, user, text):
    """A response with one message, also such as no honest server sends."""
    return field(3, field(1, number) + field(2, int(time.time() * 1000)) + field(3, user) +
                 field(4, text))


class _Refusal(Exception):
    def __init__(self, code, details, goodbye=None):
        super().__init__(details)
        self.code, self.details, self.goodbye = code, details, goodbye


class _Member:
    """A session: what it is to be sent, and who it is."""

    def __init__(self, number, user, secret, kind):
        self.number, self.user, self.secret, self.kind = number, user, secret, kind
        self.outbox = queue.Queue()
        self.heard = []

    def put(self, **parts):
        self.outbox.put(self.kind(**parts))


class V1Server:
    """Starts on construction, on `port`, and again on the same port by restart()."""

    def __init__(self, listen="127.0.0.1:0", tokens=None):
        self.tokens = {"token1": "*", "token2": "*", "alice-token": "alice", **(tokens or {})}
        self.epoch, self.log, self.first = "epoch-1", [], 1
        self.max_text, self.max_unacknowledged = 4096, 64
        self.members = {}
        self.known = {}  # (user, client_id): message
        self.hellos = []  # (user, Hello or SubscribeRequest)
        self.outgoing = []  # (user, client_id, text) as it came, repetitions too
        self.left = []  # users that have taken leave
        self.refusing = None  # (code, details) for whoever comes in
        self.refused = 0
        self.notices = []  # (code, text): refuses that many messages
        self.mute = False  # stores, but neither acknowledges nor passes on
        self.drop_after = None  # cuts everybody off when so many more messages have come
        self.withholding = False  # who comes in is not shown what was said before
        self.repeat = 0  # how many messages too many come after a resume
        self.confirming = threading.Event()  # not set: who leaves gets no answer yet
        self.confirming.set()
        self.admitting = threading.Event()  # not set: nobody is welcomed yet
        self.admitting.set()
        self._numbers = itertools.count(1)
        self._changed = threading.Condition(threading.RLock())
        self._listen, self._server = listen, None
        self.start()

    # Its life

    def start(self):
        host, port = self._listen.rsplit(":", 1)
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(max_workers=24),
            options=[("grpc.so_reuseport", 0),
                     ("grpc.http2.min_ping_interval_without_data_ms", 10000)])
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self.port = self._server.add_insecure_port(f"{host}:{port}")
        self._listen = f"{host}:{self.port}"
        self._server.start()

    def _handlers(self):
        return grpc.method_handlers_generic_handler("chatroom.v1.ChatroomService", {
            "Connect": grpc.stream_stream_rpc_method_handler(
                self._connect, pb.ConnectRequest.FromString, _serialize),
            "Subscribe": grpc.unary_stream_rpc_method_handler(
                self._subscribe, pb.SubscribeRequest.FromString, _serialize),
            "ListMembers": grpc.unary_unary_rpc_method_handler(
                self._list_members, pb.ListMembersRequest.FromString, _serialize)})

    def die(self):
        """As if the machine had gone: no word to anybody."""
        self._server.stop(None).wait()
        self.wait_for(lambda: not self.members)

    def stop(self):
        self.confirming.set()
        self.admitting.set()
        self.die()

    def restart(self):
        self.die()
        self.start()

    # What tests do

    def wait_for(self, predicate):
        with self._changed:
            assert self._changed.wait_for(predicate, DEADLINE), \
                (self.members, self.hellos, self.outgoing, self.left)

    def wait_joined(self, n=1):
        self.wait_for(lambda: len(self.members) >= n)

    def wait_heard(self, *said):
        self.wait_for(lambda: all(s in self.heard for s in said))

    def wait_hellos(self, n):
        self.wait_for(lambda: len(self.hellos) >= n)

    def wait_refused(self, n):
        self.wait_for(lambda: self.refused >= n)

    @property
    def heard(self):
        """(user, text) of the log."""
        return [(m.user, m.text) for m in self.log]

    @property
    def ids(self):
        """The client_ids under which each text came."""
        ids = {}
        for _, client_id, text in self.outgoing:
            ids.setdefault(text, set()).add(client_id)
        return ids

    def say(self, user, text, time_ms=None, client_id=""):
        """Somebody says something; returns the id."""
        with self._changed:
            return self._append(user, text, time_ms, client_id).id

    def say_raw(self, data):
        """Bytes in a response's place, to everybody."""
        for member in list(self.members.values()):
            member.outbox.put(data)

    def tell(self, **parts):
        """Any parts of a response, to everybody."""
        for member in list(self.members.values()):
            member.put(**parts)

    def trim(self, first):
        """Forgets what is older."""
        with self._changed:
            self.first = first

    def begin_anew(self, epoch):
        with self._changed:
            self.epoch, self.log, self.first, self.known = epoch, [], 1, {}

    def put_back(self, n):
        """An older copy of the log, with so many messages."""
        with self._changed:
            self.log = self.log[:n]
            self.known = {key: m for key, m in self.known.items() if m.id <= n}

    def end(self, code=None, details="", retry_after_ms=None):
        """Ends all sessions; without a code, with OK; with a goodbye if it says when to return."""
        for member in list(self.members.values()):
            if code is not None and retry_after_ms is not None:
                member.put(goodbye=pb.Goodbye(code=code.value[0], text=details,
                                              retry_after_ms=retry_after_ms))
            member.outbox.put(_END if code is None else _Refusal(code, details))

    # The protocol

    def _append(self, user, text, time_ms, client_id):
        last = self.log[-1].time_ms if self.log else 0
        message = pb.Message(id=len(self.log) + 1, user=user, text=text, client_id=client_id,
                             time_ms=max(last, time_ms or int(time.time() * 1000)))
        self.log.append(message)
        for member in self.members.values():
            if not self.mute:
                member.put(messages=[message])
        self._changed.notify_all()
        return message

    def _authenticate(self, context, name=""):
        token = dict(context.invocation_metadata()).get("authorization", "")
        user = self.tokens.get(token.removeprefix("Bearer "))
        if user is None:
            raise _Refusal(grpc.StatusCode.UNAUTHENTICATED, "unknown token")
        if user == "*" and not name:
            raise _Refusal(grpc.StatusCode.PERMISSION_DENIED, "The token is bound to no name.")
        if user not in ("*", name or user):
            raise _Refusal(grpc.StatusCode.PERMISSION_DENIED, "The token is for another name.")
        self.admitting.wait(DEADLINE)
        if self.refusing:
            with self._changed:
                self.refused += 1
                self._changed.notify_all()
            raise _Refusal(*self.refusing)
        return name if user == "*" else user

    def _begin(self, member, hello):
        """Welcome, gap, backlog: all of it before anything that is said from now on."""
        start = hello.WhichOneof("start")
        head = len(self.log)
        parts = {}
        first = max(self.first, head - HISTORY + 1)
        if start == "history":
            first = max(self.first, head - hello.history.count + 1)
        elif start == "resume" and hello.resume.epoch == self.epoch \
                and hello.resume.after_id <= head:
            first = max(self.first, hello.resume.after_id + 1 - self.repeat)
            if hello.resume.after_id + 1 < self.first:
                parts["gap"] = pb.Gap(from_id=hello.resume.after_id + 1, to_id=self.first - 1)
        elif start == "resume":
            parts["gap"] = pb.Gap(from_id=hello.resume.after_id + 1, to_id=first - 1)
        welcome = pb.Welcome(
            session=member.number, user=member.user, room="lobby", epoch=self.epoch, head=head,
            first=self.first if head >= self.first else head + 1, resume_secret=member.secret,
            max_text=self.max_text, max_unacknowledged=self.max_unacknowledged)
        member.put(welcome=welcome, **parts)
        for i in range(first - 1, 0 if self.withholding else head, 7):
            member.put(messages=self.log[i:min(i + 7, head)])

    def _join(self, user, hello, kind):
        with self._changed:
            if hello.WhichOneof("start") == "resume":
                for old in list(self.members.values()):
                    if old.secret == hello.resume.secret:
                        old.outbox.put(_Refusal(grpc.StatusCode.ABORTED, "taken over"))
            number = next(self._numbers)
            member = _Member(number, user, f"secret-{number}", kind)
            self.hellos.append((user, hello))
            self._begin(member, hello)
            self.members[number] = member
            if kind is pb.ConnectResponse and hello.presence:
                names = sorted({m.user for m in self.members.values()})
                member.put(presence=pb.Presence(reset=True, joined=names))
            self._changed.notify_all()
        return member

    def _speak(self, member, context):
        context.add_callback(lambda: member.outbox.put(_END))
        try:
            while (item := member.outbox.get()) is not _END:
                if isinstance(item, _Refusal):
                    raise item
                yield item
        except _Refusal as e:
            context.abort(e.code, e.details)
        finally:
            with self._changed:
                self.members.pop(member.number, None)
                self._changed.notify_all()

    def _on_outgoing(self, member, outgoing):
        with self._changed:
            self.outgoing.append((member.user, outgoing.client_id, outgoing.text))
            self._changed.notify_all()
            if self.notices:
                code, text = self.notices.pop(0)
                member.put(notices=[pb.Notice(client_id=outgoing.client_id, code=code.value[0],
                                              text=text)])
                return
            key = member.user, outgoing.client_id
            if key not in self.known:
                self.known[key] = self._append(member.user, outgoing.text, None,
                                               outgoing.client_id)
            message = self.known[key]
            if not self.mute:
                member.put(acks=[pb.Ack(client_id=outgoing.client_id, id=message.id,
                                        time_ms=message.time_ms)])
            if self.drop_after is not None:
                self.drop_after -= 1
                if self.drop_after == 0:
                    self.drop_after, self.mute = None, False
                    self.end(grpc.StatusCode.UNAVAILABLE, "connection lost")

    def _listen_to(self, member, requests):
        try:
            for request in requests:
                if request.WhichOneof("event") == "send":
                    self._on_outgoing(member, request.send)
        except grpc.RpcError:
            return  # the stream broke
        with self._changed:
            self.left.append(member.user)
            self._changed.notify_all()
        self.confirming.wait(DEADLINE)
        member.outbox.put(_END)

    def _connect(self, request_iterator, context):
        first = next(request_iterator, None)
        try:
            user = self._authenticate(context, first.hello.user)
        except _Refusal as e:
            context.abort(e.code, e.details)
        member = self._join(user, first.hello, pb.ConnectResponse)
        threading.Thread(target=self._listen_to, args=(member, request_iterator),
                         daemon=True).start()
        yield from self._speak(member, context)

    def _subscribe(self, request, context):
        try:
            user = self._authenticate(context)
        except _Refusal as e:
            context.abort(e.code, e.details)
        yield from self._speak(self._join(user, request, pb.SubscribeResponse), context)

    def _list_members(self, request, context):
        try:
            self._authenticate(context)
        except _Refusal as e:
            context.abort(e.code, e.details)
        with self._changed:
            users = [m.user for m in self.members.values()]
        return pb.ListMembersResponse(members=[
            pb.Member(user=user, sessions=users.count(user)) for user in sorted(set(users))])
