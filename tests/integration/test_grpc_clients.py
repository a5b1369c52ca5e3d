# SPDX-License-Identifier: MIT
"""What any gRPC client may expect of any gRPC server: health, reflection, keepalive."""
import itertools
import json
import os
import queue
import sys
import threading
import time

import grpc
import pytest
from google.protobuf import descriptor_pb2

import harness
import http2
import wire
from clients import connect
from harness import ALICE_TOKEN, DEADLINE, Daemon, Waiter, configuration
from v1 import BERTA_TOKEN, TOKENS, bearer, pb

sys.path.insert(0, os.path.join(harness.ROOT, "tests"))
import buf  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conventions")
health, _ = wire.stubs("plain_health.proto", FOLDER)
reflection, _ = wire.stubs("plain_reflection.proto", FOLDER)

Code = grpc.StatusCode
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
REFLECTIONS = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
SERVICES = ["chat.Chat", "chatroom.v1.ChatroomService", "grpc.health.v1.Health"]


class Answers(Waiter):
    """What comes on a stream, until it ends."""

    def __init__(self, call):
        super().__init__()
        self.call = call
        self.all = []
        self.code = self.ended = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for answer in self.call:
                with self.changed:
                    self.all.append(answer)
                    self.changed.notify_all()
        except grpc.RpcError:
            pass
        with self.changed:
            self.code, self.ended = self.call.code(), time.monotonic()
            self.changed.notify_all()

    def nth(self, n, seconds=DEADLINE):
        self.wait_for(lambda: len(self.all) > n or self.code, f"answer {n}", seconds)
        assert len(self.all) > n, f"ended: {self.code} {self.call.details()}"
        return self.all[n]

    def end(self, seconds=DEADLINE):
        self.wait_for(lambda: self.code, "the end", seconds)
        return self.code


# Health

def check(channel, service="", metadata=None):
    call = channel.unary_unary("/grpc.health.v1.Health/Check",
                               request_serializer=health.Request.SerializeToString,
                               response_deserializer=health.Response.FromString)
    return call(health.Request(service=service), timeout=DEADLINE, metadata=metadata).status


def watch(channel, service=""):
    call = channel.unary_stream("/grpc.health.v1.Health/Watch",
                                request_serializer=health.Request.SerializeToString,
                                response_deserializer=health.Response.FromString)
    return Answers(call(health.Request(service=service)))


@pytest.mark.parametrize("service", ["", *SERVICES[:2]])
@pytest.mark.parametrize("token", [None, "wrong", ALICE_TOKEN])
def test_the_daemon_is_healthy_whoever_asks(house, service, token):
    assert check(house.channel(), service, bearer(token)) == SERVING


def test_asking_after_health_is_no_login(houses):
    house = houses(limits={"auth_failures_per_minute": 1})
    channel = house.channel()
    assert [check(channel, "", bearer("wrong")) for _ in range(5)] == [SERVING] * 5
    house.connect("anna")


def test_the_health_of_a_service_that_is_not_there_is_not_found(house):
    for service in ("no.such.Service", "chatroom.v1", "chatroom.v1.AdminService", "x" * 1000):
        with pytest.raises(grpc.RpcError) as e:
            check(house.channel(), service)
        assert e.value.code() == Code.NOT_FOUND
        assert watch(house.channel(), service).nth(0).status == SERVICE_UNKNOWN


def test_garbage_is_no_question(house):
    call = house.channel().unary_unary("/grpc.health.v1.Health/Check")
    for data in (b"\xff\xff", b"\x0a\x7fshort", b"\x0a\x02\xff\xfe"):
        with pytest.raises(grpc.RpcError) as e:
            call(data, timeout=DEADLINE)
        assert e.value.code() in (Code.INVALID_ARGUMENT, Code.NOT_FOUND)
    assert check(house.channel()) == SERVING


def test_a_watcher_is_told_of_the_end(house):
    watchers = [watch(house.channel(), service) for service in ("", SERVICES[1])]
    anna = house.connect("anna")
    assert [watcher.nth(0).status for watcher in watchers] == [SERVING, SERVING]
    house.daemon.process.terminate()
    assert [watcher.nth(1).status for watcher in watchers] == [NOT_SERVING, NOT_SERVING]
    assert [watcher.end() for watcher in watchers] == [Code.UNAVAILABLE, Code.UNAVAILABLE]
    assert anna.end() == Code.UNAVAILABLE
    assert house.daemon.stop() < harness.DRAIN


def test_a_watcher_may_stop_watching(house):
    channel = house.channel()
    for _ in range(10):
        watcher = watch(channel)
        watcher.nth(0)
        watcher.call.cancel()
        assert watcher.end() == Code.CANCELLED
    assert check(channel) == SERVING


def test_calls_without_a_token_are_few_on_one_connection(house):
    channel = house.channel()
    first, second = watch(channel), watch(channel)
    assert (first.nth(0).status, second.nth(0).status) == (SERVING, SERVING)
    assert watch(channel).end() == Code.RESOURCE_EXHAUSTED
    # They harm nobody, not even on that connection.
    house.connect("anna", channel=channel).ping()
    first.call.cancel()
    first.end()
    house.eventually(lambda: watches(channel), "one may watch again")
    assert second.code is None


def watches(channel):
    """Whether there is room for one more watcher, who goes away again."""
    watcher = watch(channel)
    watcher.wait_for(lambda: watcher.all or watcher.code, "an answer")
    watcher.call.cancel()
    return bool(watcher.all)


def test_calls_without_a_token_are_few_from_one_address(house):
    watchers = []
    for _ in range(8):
        channel = house.channel()
        watchers += [watch(channel), watch(channel)]
    assert {watcher.nth(0).status for watcher in watchers} == {SERVING}
    assert watch(house.channel()).end() == Code.RESOURCE_EXHAUSTED
    house.connect("anna").ping()
    for watcher in watchers[:10]:
        watcher.call.cancel()
    house.eventually(lambda: watches(house.channel()), "there is room again")


# Reflection

def reflect(channel, service):
    """A function that asks, and the stream that it asks on."""
    outbox = queue.SimpleQueue()
    call = channel.stream_stream(f"/{service}/ServerReflectionInfo",
                                 request_serializer=reflection.Request.SerializeToString,
                                 response_deserializer=reflection.Response.FromString)
    answers = Answers(call(iter(outbox.get, None)))
    count = itertools.count()

    def ask(**what):
        outbox.put(reflection.Request(**what))
        return answers.nth(next(count))

    return ask, answers, outbox


def described(data):
    """A file's description, without the JSON names, which go without saying and may be said."""
    proto = descriptor_pb2.FileDescriptorProto.FromString(data)
    for message in proto.message_type:
        for field in message.field:
            field.ClearField("json_name")
    return proto


def descriptors(answer):
    assert answer.HasField("files"), answer
    return [described(data) for data in answer.files.file]


@pytest.mark.parametrize("service", REFLECTIONS)
def test_the_services_are_listed(house, service):
    ask, _, _ = reflect(house.channel(), service)
    listed = [s.name for s in ask(services="*").services.service]
    assert set(SERVICES + REFLECTIONS) <= set(listed)
    assert len(listed) == len(set(listed))
    assert not [name for name in listed if "Admin" in name]


@pytest.mark.parametrize("service", REFLECTIONS)
@pytest.mark.parametrize("what", [
    {"file": "chatroom/v1/chatroom.proto"}, {"symbol": "chatroom.v1.ChatroomService"},
    {"symbol": "chatroom.v1.ChatroomService.Connect"}, {"symbol": "chatroom.v1.Message"},
    {"symbol": "chatroom.v1.Message.text"}], ids=str)
def test_v1_is_described_as_it_is_installed(house, service, what):
    ask, _, _ = reflect(house.channel(), service)
    answer = ask(host="here", **what)
    assert described(pb.DESCRIPTOR.serialized_pb) in descriptors(answer)
    assert answer.host == "here"
    assert answer.request == reflection.Request(host="here", **what)


def test_the_first_protocol_is_described_too(house):
    ask, _, _ = reflect(house.channel(), REFLECTIONS[0])
    for what in ({"file": "chat.proto"}, {"symbol": "chat.Chat"}, {"symbol": "chat.Message"}):
        assert described(wire.chat_pb2.DESCRIPTOR.serialized_pb) in descriptors(ask(**what))


@pytest.mark.parametrize("service", REFLECTIONS)
def test_every_service_that_is_listed_is_described(house, service):
    ask, _, _ = reflect(house.channel(), service)
    for listed in ask(services="").services.service:
        files = descriptors(ask(symbol=listed.name))
        names = {f"{file.package}.{s.name}" for file in files for s in file.service}
        assert listed.name in names
        # What a file needs comes with it, or can be asked for.
        have = {file.name for file in files}
        for needed in {d for file in files for d in file.dependency} - have:
            assert descriptors(ask(file=needed))[0].name == needed


@pytest.mark.parametrize("service", REFLECTIONS)
def test_what_is_not_there_is_not_found_and_the_stream_goes_on(house, service):
    ask, answers, outbox = reflect(house.channel(), service)
    for what in ({"symbol": "no.such.Symbol"}, {"file": "no/such.proto"}, {"symbol": ""},
                 {"file": "../../etc/passwd"}, {"symbol": "chatroom.v1.AdminService"},
                 {"file": "chatroom/v1/admin.proto"}, {"symbol": "chatroom.v1"},
                 {"extension": {"type": "chatroom.v1.Message", "number": 100}},
                 {"extensions_of": "no.such.Type"}):
        answer = ask(**what)
        assert answer.HasField("error"), answer
        assert answer.error.code == Code.NOT_FOUND.value[0]
        assert answer.error.text
        assert answer.request == reflection.Request(**what)
    assert ask(services="*").HasField("services")
    outbox.put(None)
    assert answers.end() == Code.OK


def test_reflection_can_be_switched_off(houses):
    house = houses(server={"reflection": "no"})
    for service in REFLECTIONS:
        _, answers, outbox = reflect(house.channel(), service)
        outbox.put(reflection.Request(services="*"))
        assert answers.end() == Code.UNIMPLEMENTED
    assert check(house.channel()) == SERVING


def test_reflection_is_few_calls_too(house):
    channel = house.channel()
    streams = [reflect(channel, REFLECTIONS[i % 2]) for i in range(2)]
    for ask, _, _ in streams:
        assert ask(services="*").HasField("services")
    _, answers, outbox = reflect(channel, REFLECTIONS[0])
    outbox.put(reflection.Request(services="*"))
    assert answers.end() == Code.RESOURCE_EXHAUSTED


# buf curl: a client that knows nothing but what reflection tells it

@pytest.fixture(scope="module")
def buf_program():
    try:
        return buf.find()
    except buf.Missing as e:
        pytest.skip(str(e))


def buf_curl(house, method, *arguments, data=None):
    """(exit status, output)"""
    data = [] if data is None else ["--data", json.dumps(data)]
    url = f"http://{house.daemon.target}" + (f"/{method}" if method else "")
    return buf.run("curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments, *data, url)


@pytest.mark.parametrize("protocol", ["grpc-v1", "grpc-v1alpha"])
def test_buf_curl_lists_the_methods(house, buf_program, protocol):
    status, output = buf_curl(house, "", "--reflect-protocol", protocol, "--list-methods")
    assert status == 0, output
    for method in ("chatroom.v1.ChatroomService/Connect", "chat.Chat/Join",
                   "grpc.health.v1.Health/Check"):
        assert method in output.split(), output


def test_buf_curl_asks_after_health(house, buf_program):
    status, output = buf_curl(house, "grpc.health.v1.Health/Check", data={})
    assert status == 0, output
    assert json.loads(output) == {"status": "SERVING"}


def test_buf_curl_says_something_and_lists_the_members(house, buf_program):
    anna = house.connect("anna", start=0)
    authorized = ["--header", f"authorization: Bearer {ALICE_TOKEN}"]
    status, output = buf_curl(house, "chatroom.v1.ChatroomService/Send", *authorized,
                              data={"clientId": "one", "text": "hello"})
    assert status == 0, output
    assert json.loads(output)["id"] == "1"
    anna.expect(("alice", "hello"))
    status, output = buf_curl(house, "chatroom.v1.ChatroomService/ListMembers", *authorized,
                              data={})
    assert status == 0, output
    assert json.loads(output) == {"members": [{"user": "anna", "sessions": 1}]}


def test_buf_curl_is_told_what_is_wrong(house, buf_program):
    status, output = buf_curl(house, "chatroom.v1.ChatroomService/ListMembers", data={})
    assert status != 0
    assert "unauthenticated" in output, output


# What takes its time: begun before the first test of this file, looked at after the last.

PING_SECONDS = 10  # as often as a client may, and as grpcio does
LONG = 30  # three strikes would have it out by then; and a reflection stream is over


class Patience:
    """Clients that stay for a while, on a daemon of their own."""

    def __init__(self):
        self.daemon = Daemon(configuration(tokens=TOKENS))
        self.start = time.monotonic()
        self.channel = connect(self.daemon.target, **{
            "grpc.keepalive_time_ms": PING_SECONDS * 1000, "grpc.keepalive_timeout_ms": 5000,
            "grpc.keepalive_permit_without_calls": 1, "grpc.http2.max_pings_without_data": 0})
        self.outbox = queue.SimpleQueue()
        self.outbox.put(pb.ConnectRequest(hello=pb.Hello()))
        self.member = Answers(self.channel.stream_stream(
            "/chatroom.v1.ChatroomService/Connect",
            request_serializer=pb.ConnectRequest.SerializeToString,
            response_deserializer=pb.ConnectResponse.FromString)(
                iter(self.outbox.get, None), metadata=bearer(ALICE_TOKEN)))
        self.member.nth(0)
        self.pinger = listening(self.daemon, "127.0.9.1")
        self.asker = connect(self.daemon.target)
        _, self.reflected, outbox = reflect(self.asker, REFLECTIONS[0])
        outbox.put(reflection.Request(services="*"))
        self.problem = None
        self._thread = threading.Thread(target=self._ping, daemon=True)
        self._thread.start()

    def _ping(self):
        """One HTTP/2 PING each ten seconds."""
        try:
            for n in range(1 + LONG // PING_SECONDS):
                due = self.start + n * PING_SECONDS
                while time.monotonic() < due:
                    self.pinger.socket.settimeout(max(0.01, due - time.monotonic()))
                    try:
                        assert self.pinger.receive(), "the daemon closed the connection"
                    except TimeoutError:
                        pass
                self.pinger.raw(http2.frame(http2.PING, 0, 0, b"patience"))
                self.pinger.flush()
            self.pinger.pump(lambda: self.pinger.pongs == n + 1, "all answers")
            assert self.pinger.goaway is None
        except (AssertionError, OSError) as e:
            self.problem = e

    def wait(self):
        self._thread.join(LONG + DEADLINE)
        assert not self._thread.is_alive()

    def close(self):
        self.outbox.put(None)
        self.channel.close()
        self.asker.close()
        self.pinger.close()
        self.daemon.stop()


def listening(daemon, source):
    connection = http2.Connection(daemon.address(), source)
    stream = connection.open("/chatroom.v1.ChatroomService/Subscribe", bearer(BERTA_TOKEN))
    connection.send(stream, b"")
    connection.half_close(stream)
    connection.pump(lambda: stream.data, "the welcome")
    return connection


@pytest.fixture(scope="module", autouse=True)
def patience():
    p = Patience()
    yield p
    p.close()


def test_a_client_that_pings_every_ten_seconds_is_not_punished(patience):
    patience.wait()
    assert patience.problem is None
    # One that does it all the time is: the daemon does look at pings.
    hasty = listening(patience.daemon, "127.0.9.2")
    for _ in range(20):
        hasty.raw(http2.frame(http2.PING, 0, 0, b"too many"))
    hasty.pump(lambda: hasty.goaway is not None or hasty.closed, "a GOAWAY")
    hasty.close()


def test_a_grpc_client_with_keepalive_stays(patience):
    patience.wait()
    assert patience.member.code is None, patience.member.call.details()


def test_a_reflection_stream_ends_by_itself(patience):
    """Nobody needs it for longer, and everybody may have one."""
    assert patience.reflected.nth(0).HasField("services")
    assert patience.reflected.end(LONG + DEADLINE) != Code.OK
    assert LONG <= patience.reflected.ended - patience.start <= LONG * harness.SLACK
