# SPDX-License-Identifier: MIT
"""What gRPC's own tools and libraries expect of any server: health, reflection, when to try again,
and how a server says that it goes away. What they send is made here by hand, from the numbers of
the protocols' fields; buf and grpcurl themselves have their turn in test_grpc_clients.py and
test_grpcurl.py."""
import os
import queue
import re
import subprocess
import threading
import time

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

import http2
import wire
from clients import Session as SeedSession, connect
from harness import ALICE_TOKEN, DEADLINE, OPEN_TOKEN, SLACK, Waiter, configuration
from v1 import SERVICE, bearer, pb, pb_grpc
from wire import encode, field

Code = grpc.StatusCode
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
VERSIONS = ["v1", "v1alpha"]
SERVED = ["chat.Chat", "chatroom.v1.ChatroomService", "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
SERVING, NOT_SERVING, SERVICE_UNKNOWN = (bytes([8, status]) for status in (1, 2, 3))
PER_CONNECTION, PER_ADDRESS, IN_ALL = 2, 16, 64
# The files of the reflection's answers have another package in the older version, and that is all.
reflection_pb2, _ = wire.stubs("reflection.proto", os.path.join(wire.PROTO, "standard"))
Question, Answer = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse


def health(service=""):
    return field(1, service)


def check(channel, service="", **arguments):
    return channel.unary_unary(CHECK)(health(service), timeout=DEADLINE, **arguments)


class Call(Waiter):
    """A stream of bytes to and fro, that are messages to somebody else."""

    def __init__(self, channel, path, *requests, half_close=False):
        super().__init__()
        self.responses = []
        self.code = self.details = None
        self._outbox = queue.SimpleQueue()
        self.call = channel.stream_stream(path)(iter(self._outbox.get, None))
        for request in requests:
            self.send(request)
        if half_close:
            self.half_close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for response in self.call:
                with self.changed:
                    self.responses.append(response)
                    self.changed.notify_all()
        except grpc.RpcError:
            pass
        with self.changed:
            self.code, self.details = self.call.code(), self.call.details()
            self.changed.notify_all()
        self.half_close()

    def send(self, request):
        self._outbox.put(request)

    def half_close(self):
        self._outbox.put(None)

    def wait(self, n):
        self.wait_for(lambda: len(self.responses) >= n or self.code, f"{n} responses")
        assert len(self.responses) >= n, f"ended before: {self.code} {self.details}"
        return self.responses[:n]

    def end(self):
        self.wait_for(lambda: self.code, "the end of the call")
        return self.code


@pytest.fixture
def channels(daemons):
    """Opens a channel with a connection of its own to a daemon."""
    made = []

    def make(daemon=None):
        made.append(connect((daemon or daemons.all[-1]).target))
        return made[-1]

    yield make
    for channel in made:
        channel.close()


# Health

@pytest.mark.parametrize("service", ["", *SERVED])
def test_what_is_served_is_healthy(daemons, channels, service):
    daemons.start()
    assert check(channels(), service) == SERVING


@pytest.mark.parametrize("service", ["chatroom.v1.AdminService", "chat", "chat.Chat/Join", "/",
                                     "chat.Cha", "chat.Chatt", "nothing"])
def test_what_is_not_served_is_not_found(daemons, channels, service):
    daemons.start()
    with pytest.raises(grpc.RpcError) as e:
        check(channels(), service)
    assert e.value.code() == Code.NOT_FOUND


def test_health_takes_no_token_and_minds_none(daemons, channels):
    daemons.start()
    channel = channels()
    for token in (None, "wrong", OPEN_TOKEN):
        assert check(channel, metadata=bearer(token)) == SERVING


def test_checks_in_a_row_do_not_count_as_many(daemons, channels):
    daemons.start()
    channel = channels()
    for _ in range(3 * PER_CONNECTION):
        assert check(channel) == SERVING


def test_who_watches_is_told_of_the_end_before_it_comes(daemons, channels):
    daemon = daemons.start()
    watches = [Call(channels(), WATCH, health(service)) for service in ("", "chat.Chat")]
    unknown = Call(channels(), WATCH, health("nothing"))
    assert [watch.wait(1) for watch in watches] == [[SERVING], [SERVING]]
    assert unknown.wait(1) == [SERVICE_UNKNOWN]
    daemon.process.terminate()
    assert [call.end() for call in (*watches, unknown)] == [Code.UNAVAILABLE] * 3
    assert [watch.responses for watch in watches] == [[SERVING, NOT_SERVING]] * 2
    assert unknown.responses == [SERVICE_UNKNOWN]


def test_watching_outlives_the_join_timeout(daemons, channels):
    daemon = daemons.start(limits={"join_timeout_ms": 300})
    watches = [Call(channels(), WATCH, health(service), half_close=half_close)
               for service, half_close in (("", True), ("nothing", False))]
    for watch in watches:
        watch.wait(1)
    # Whoever came after them, and had to join in that time, is gone before they are.
    assert SeedSession(channels()).end() == Code.UNAUTHENTICATED
    assert [watch.code for watch in watches] == [None, None]
    daemon.process.terminate()
    assert watches[0].end() == Code.UNAVAILABLE
    assert watches[0].responses == [SERVING, NOT_SERVING]


@pytest.mark.parametrize("path", [CHECK, WATCH])
def test_a_request_that_does_not_come_is_not_waited_for(daemons, channels, path):
    daemons.start(limits={"join_timeout_ms": 100})
    assert Call(channels(), path).end() == Code.INVALID_ARGUMENT
    assert Call(channels(), path, half_close=True).end() == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("path", [CHECK, WATCH])
def test_what_is_no_request_is_refused(daemons, channels, path):
    daemons.start()
    assert Call(channels(), path, b"\x0a\x05x").end() == Code.INVALID_ARGUMENT


# Reflection

def info(version):
    return f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"


def ask(channel, *questions, version="v1"):
    """The answers, all on one stream."""
    call = Call(channel, info(version), *(q.SerializeToString() for q in questions),
                half_close=True)
    assert call.end() == Code.OK, call.details
    answers = [Answer.FromString(response) for response in call.responses]
    assert [answer.original_request for answer in answers] == list(questions)
    return answers


def files_of(answer):
    return [descriptor_pb2.FileDescriptorProto.FromString(data)
            for data in answer.file_descriptor_response.file_descriptor_proto]


def described(folder, path, name):
    """A file as protoc describes it to others."""
    done = subprocess.run(["protoc", f"-I{name}={os.path.join(folder, path)}",
                           "--descriptor_set_out=/dev/stdout", name], check=True,
                          stdout=subprocess.PIPE)
    return descriptor_pb2.FileDescriptorSet.FromString(done.stdout).file[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_services_are_listed(daemons, channels, version):
    daemons.start()
    [answer] = ask(channels(), Question(host="here", list_services="*"), version=version)
    assert [service.name for service in answer.list_services_response.service] == SERVED
    assert answer.valid_host == "here"


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_is_listed_can_be_resolved(daemons, channels, version):
    daemons.start()
    pool = descriptor_pool.DescriptorPool()
    answers = ask(channels(), *(Question(file_containing_symbol=name) for name in SERVED),
                  version=version)
    for answer in answers:
        for file in files_of(answer):
            pool.Add(file)
    for name in SERVED:
        for method in pool.FindServiceByName(name).methods:
            assert method.input_type.full_name and method.output_type.full_name
    assert [m.name for m in pool.FindServiceByName(SERVED[1]).methods] \
        == [m.name for m in pb.DESCRIPTOR.services_by_name["ChatroomService"].methods]


@pytest.mark.parametrize("path", ["chat.proto", "chatroom/v1/chatroom.proto"])
def test_a_file_is_the_one_that_is_published(daemons, channels, path):
    daemons.start()
    [answer] = ask(channels(), Question(file_by_filename=path))
    assert files_of(answer) == [described(wire.PROTO, path, path)]


def test_what_is_not_there_fails_a_question_and_no_call(daemons, channels):
    daemons.start()
    extension = reflection_pb2.ExtensionRequest(containing_type="chat.Message", extension_number=1)
    answers = ask(channels(), Question(file_by_filename="chatroom/v1/admin.proto"),
                  Question(file_containing_symbol="chatroom.v1.AdminService"),
                  Question(file_containing_symbol="chat"), Question(file_containing_symbol=""),
                  Question(file_containing_extension=extension),
                  Question(all_extension_numbers_of_type="chat.Message"),
                  Question(file_containing_symbol="chat.Chat.Join"))
    assert [answer.error_response.error_code for answer in answers] \
        == [Code.NOT_FOUND.value[0]] * 6 + [0]
    assert [file.name for file in files_of(answers[-1])] == ["chat.proto"]


def test_questions_in_a_row_are_answered_in_a_row(daemons, channels):
    """Each in a message of its own, however fast they come."""
    daemons.start()
    answers = ask(channels(), *(Question(file_containing_symbol=SERVED[i % len(SERVED)])
                                for i in range(200)))
    assert all(len(files_of(answer)) == 1 for answer in answers)


def test_a_question_that_cannot_be_decoded_ends_the_call(daemons, channels):
    daemons.start()
    assert Call(channels(), info("v1"), b"\x1a\x05x").end() == Code.INVALID_ARGUMENT


def test_questions_without_end_are_not_answered(daemons, channels):
    daemons.start()
    question = Question(file_containing_symbol="chat.Chat").SerializeToString()
    call = Call(channels(), info("v1"), *[question] * 1001)
    assert call.end() == Code.RESOURCE_EXHAUSTED
    assert len(call.responses) == 1000


def test_a_reflection_stream_ends_after_three_join_timeouts(daemons, channels):
    daemons.start(limits={"join_timeout_ms": 200})
    start = time.monotonic()
    silent, curious = (Call(channels(), info("v1")) for _ in range(2))
    curious.send(Question(list_services="").SerializeToString())
    curious.wait(1)
    assert {silent.end(), curious.end()} == {Code.RESOURCE_EXHAUSTED}
    assert 0.6 <= time.monotonic() - start < 0.6 * SLACK


def test_who_asks_and_does_not_read_is_no_burden(daemons, channels):
    daemon = daemons.start(limits={"join_timeout_ms": 500})
    deaf = http2.Connection(daemon.address(), window=0)
    stream = deaf.open(info("v1"))
    question = Question(file_containing_symbol=SERVED[1]).SerializeToString()
    for _ in range(500):
        deaf.send(stream, question)
    deaf.flush()
    assert check(channels()) == SERVING
    deaf.pump(lambda: stream.ended or deaf.closed, "the end")
    assert check(channels()) == SERVING
    deaf.close()


def test_an_answer_is_waited_for_although_the_call_is_over(daemons, channels):
    """By who half-closes before he reads."""
    daemon = daemons.start()
    slow = http2.Connection(daemon.address(), window=0)
    stream = slow.open(info("v1"))
    slow.send(stream, Question(list_services="").SerializeToString())
    slow.half_close(stream)
    slow.pump(lambda: stream.headers, "the headers")
    for _ in range(20):  # what has come in by now is dealt with before these
        assert check(channels()) == SERVING
    slow.raw(http2.frame(http2.WINDOW_UPDATE, 0, stream.number, (1 << 20).to_bytes(4, "big")))
    assert slow.status(stream) == 0
    [answer] = http2.grpc_messages(stream.data)
    assert len(Answer.FromString(answer).list_services_response.service) == len(SERVED)
    slow.close()


def test_reflection_can_be_switched_off_and_on(daemons, channels):
    daemon = daemons.start(server={"reflection": "no"})
    channel = channels()
    for version in VERSIONS:
        assert Call(channel, info(version)).end() == Code.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError):
        check(channel, "grpc.reflection.v1.ServerReflection")
    assert check(channel, "chat.Chat") == SERVING
    daemon.reload(configuration())
    assert ask(channel, Question(list_services=""))


# Those who show no token

def test_a_connection_may_make_few_calls_without_a_token(daemons, channels):
    daemons.start()
    channel = channels()
    calls = [Call(channel, WATCH, health()) for _ in range(PER_CONNECTION)]
    for call in calls:
        assert call.wait(1) == [SERVING]
    for path in (CHECK, WATCH, info("v1")):
        refused = Call(channel, path, health())
        assert refused.end() == Code.RESOURCE_EXHAUSTED
        assert str(PER_CONNECTION) in refused.details
    assert check(channels()) == SERVING
    calls[0].call.cancel()
    calls[0].end()
    another = Call(channel, WATCH, health())
    assert another.wait(1) == [SERVING]


def test_those_calls_leave_room_for_those_with_a_token(daemons):
    room = daemons.room()
    channel = room.channel()
    calls = [Call(channel, WATCH, health()) for _ in range(PER_CONNECTION)]
    for call in calls:
        call.wait(1)
    anna, bert = room.join("anna", channel=channel), room.join("bert")
    bert.say("hello")
    anna.expect(("bert", "hello"))


def watchers(daemon, source):
    """As many as may come on one connection."""
    connection = http2.Connection(daemon.address(), source)
    streams = [connection.open(WATCH) for _ in range(PER_CONNECTION)]
    for stream in streams:
        connection.send(stream, health())
    connection.pump(lambda: all(s.data or s.ended for s in streams), "the status")
    assert [s.status for s in streams] == [None] * PER_CONNECTION
    return connection


def test_one_address_leaves_some_for_others(daemons, channels):
    daemon = daemons.start()
    crowd = [watchers(daemon, "127.0.9.1") for _ in range(PER_ADDRESS // PER_CONNECTION)]
    one_more = http2.Connection(daemon.address(), "127.0.9.1")
    stream = one_more.open(CHECK)
    one_more.send(stream, health())
    assert one_more.status(stream) == Code.RESOURCE_EXHAUSTED.value[0]
    assert check(channels()) == SERVING
    for connection in (*crowd, one_more):
        connection.close()


def test_there_are_few_such_calls_in_all(daemons, channels):
    daemon = daemons.start()
    crowd = [watchers(daemon, f"127.0.9.{1 + i * PER_CONNECTION // PER_ADDRESS}")
             for i in range(IN_ALL // PER_CONNECTION)]
    with pytest.raises(grpc.RpcError) as e:
        check(channels())
    assert e.value.code() == Code.RESOURCE_EXHAUSTED
    assert str(IN_ALL) in e.value.details()
    for connection in crowd:
        connection.close()
    channel, end = channels(), time.monotonic() + DEADLINE
    while True:  # until the daemon has noticed
        try:
            assert check(channel) == SERVING
            break
        except grpc.RpcError:
            assert time.monotonic() < end


# When to try again

def retry_info(call):
    """Seconds, as a call's trailers say; None if they do not. Checks all else that they hold."""
    trailers = dict(call.trailing_metadata())
    details = trailers.get("grpc-status-details-bin")
    if details is None:
        return None
    head = bytes([8, call.code().value[0]]) + field(2, call.details())
    assert details.startswith(head)
    m = re.fullmatch(rb"\x1a.\x0a(.)(type\.googleapis\.com/google\.rpc\.RetryInfo)\x12.\x0a.(.*)",
                     details[len(head):], re.S)
    assert m and m[1][0] == len(m[2])
    numbers = dict(varints(m[3]))
    return numbers.get(1, 0) + numbers.get(2, 0) / 1e9


def varints(data):
    """(field number, value) of a message that has only numbers."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        assert key & 7 == 0
        yield key >> 3, number()


def test_who_sends_too_fast_is_told_when_to_go_on(daemons, channels):
    daemons.start(limits={"rate_burst": 1, "rate_per_second": 1})
    send = pb_grpc.ChatroomServiceStub(channels()).Send
    request = pb.SendRequest(text="hello")
    send(request, metadata=bearer(ALICE_TOKEN), timeout=DEADLINE)
    with pytest.raises(grpc.RpcError) as e:
        for _ in range(1000):  # a second may pass between two of them, but not between so many
            send(request, metadata=bearer(ALICE_TOKEN), timeout=DEADLINE)
    assert e.value.code() == Code.RESOURCE_EXHAUSTED
    assert 0 < retry_info(e.value) <= 1.001


def test_the_end_says_when_to_come_back(house):
    anna, listener = house.connect("anna"), house.listen()
    house.daemon.process.terminate()
    for stream in (anna, listener):
        assert stream.end() == Code.UNAVAILABLE
        assert retry_info(stream.call) == 0.5 == stream.goodbye.retry_after_ms / 1000


def test_too_many_failed_logins_say_for_how_long(daemons, channels):
    daemons.start(limits={"auth_failures_per_minute": 1})
    stub = pb_grpc.ChatroomServiceStub(channels())
    codes = []
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as e:
            stub.ListMembers(pb.ListMembersRequest(), metadata=bearer("wrong"), timeout=DEADLINE)
        codes.append(e.value.code())
    assert codes == [Code.UNAUTHENTICATED, Code.RESOURCE_EXHAUSTED]
    assert 0 < retry_info(e.value) <= 60.001


def test_other_failures_do_not_ask_for_another_try(daemons, channels):
    daemons.start()
    channel = channels()
    for path, token in (("ListMembers", "wrong"), ("ListMembers", OPEN_TOKEN), ("Nothing", None)):
        with pytest.raises(grpc.RpcError) as e:
            channel.unary_unary(f"{SERVICE}/{path}")(b"", metadata=bearer(token), timeout=DEADLINE)
        assert retry_info(e.value) is None


def test_the_first_chatrooms_protocol_has_no_such_details(daemons):
    room = daemons.room(limits={"max_sessions_per_user": 1})
    first = room.join("alice", ALICE_TOKEN)
    second = room.try_join("alice", ALICE_TOKEN)
    assert second.end() == Code.RESOURCE_EXHAUSTED
    room.daemon.process.terminate()
    assert first.end() == Code.UNAVAILABLE
    for session in (first, second):
        assert retry_info(session.call) is None


# How the server goes away

def test_every_connection_is_told_that_the_server_goes_away(daemons):
    daemon = daemons.start()
    member, idle = (http2.Connection(daemon.address()) for _ in range(2))
    stream = member.open()
    member.send(stream, encode("anna", OPEN_TOKEN))
    member.pump(lambda: stream.headers, "to be let in")
    asked = idle.open(CHECK)
    idle.send(asked, health())
    idle.half_close(asked)
    assert idle.status(asked) == 0
    daemon.process.terminate()
    for connection in (member, idle):
        connection.pump(lambda c=connection: c.goaway is not None, "GOAWAY")
        assert connection.goaway == 0  # NO_ERROR
    assert member.status(stream) == Code.UNAVAILABLE.value[0]
    member.close()
    idle.close()
