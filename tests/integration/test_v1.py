# SPDX-License-Identifier: MIT
"""chatroom.v1: what sessions see of each other, and how they begin and end."""
import time

import grpc
import pytest

from clients import connect
from ctl import chatctl
from harness import ALICE_TOKEN, DEADLINE, OPEN_TOKEN, SLACK, scaled
from v1 import (BERTA_TOKEN, CAROL_TOKEN, SERVICE, bearer, failure, hello, new_id, pb, pb_grpc,
                refused)

Code = grpc.StatusCode


def repr_of(value):
    """A test's name, short."""
    return repr(str(value))[1:20]


# The welcome

def test_the_welcome_says_where_one_is(house):
    anna = house.connect("anna", start=0)
    welcome = anna.welcome
    assert (welcome.user, welcome.room) == ("anna", "lobby")
    assert welcome.session > 0
    assert welcome.epoch
    assert welcome.head == 0
    assert welcome.resume_secret
    assert welcome.max_text == 4096
    assert welcome.max_unacknowledged == 64
    bert = house.connect("bert")
    assert bert.welcome.session != welcome.session
    assert bert.welcome.epoch == welcome.epoch
    assert bert.welcome.resume_secret != welcome.resume_secret


def test_the_welcome_says_what_is_kept(house):
    anna = house.connect("anna")
    acks = [anna.say(str(i)) for i in range(3)]
    bert = house.connect("bert", start=0)
    assert (bert.welcome.first, bert.welcome.head) == (acks[0].id, acks[2].id)
    assert [ack.id for ack in acks] == [1, 2, 3]


def test_the_welcome_spells_the_user_as_it_is_spelled_here(house):
    assert house.connect("Jose\u0301").welcome.user == "Jos\u00e9"
    assert house.connect("ALICE", ALICE_TOKEN).welcome.user.casefold() == "alice"


@pytest.mark.parametrize("user", ["", "alice"])
def test_a_token_that_is_bound_to_a_name_needs_none(house, user):
    assert house.connect(user, ALICE_TOKEN).welcome.user == "alice"


@pytest.mark.parametrize("room", ["", "lobby"])
def test_the_lobby_is_the_room(house, room):
    session = house.session()
    session.hello("anna", room)
    assert session.joined().welcome.room == "lobby"


# Who is not let in

@pytest.mark.parametrize("token", [None, "", "wrong", "token1 ", "TOKEN1"])
def test_without_a_token_nobody_is_let_in(house, token):
    assert refused(house.try_connect("anna", token))[0] == Code.UNAUTHENTICATED


def test_a_token_in_the_hello_is_none(house):
    """There is one place for it here: the metadata."""
    session = house.session(token=None)
    session.put(hello("anna"))
    session.send(OPEN_TOKEN)
    assert refused(session)[0] == Code.UNAUTHENTICATED


def test_a_token_admits_its_own_name_only(house):
    assert refused(house.try_connect("bert", ALICE_TOKEN))[0] == Code.PERMISSION_DENIED
    assert refused(house.try_connect("alice", OPEN_TOKEN))[0] == Code.PERMISSION_DENIED


@pytest.mark.parametrize("name", ["", "two words", "@anna", "server", "Root", "x" * 33, "a\u202eb"])
def test_a_bad_name_is_refused(house, name):
    assert refused(house.try_connect(name))[0] == Code.INVALID_ARGUMENT


def test_a_name_that_is_not_utf8_is_refused(house):
    session = house.session()
    session.put(b"\x0a\x04\x0a\x02\xff\xfe")
    assert refused(session)[0] == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("other", ["anna", "ANNA"])
def test_a_name_that_is_held_is_refused(house, other):
    anna = house.connect("anna")
    assert refused(house.try_connect(other))[0] == Code.ALREADY_EXISTS
    assert refused(house.try_connect(other, "token2"))[0] == Code.ALREADY_EXISTS
    anna.ping()


def test_a_name_is_held_across_protocols(house):
    house.seed("anna")
    assert refused(house.try_connect("anna"))[0] == Code.ALREADY_EXISTS


def test_sessions_of_one_user_are_limited(houses):
    house = houses(limits={"max_sessions_per_user": 2})
    first = house.connect(token=ALICE_TOKEN)
    house.listen(ALICE_TOKEN)
    code, details = refused(house.try_connect(token=ALICE_TOKEN))
    assert code == Code.RESOURCE_EXHAUSTED
    assert "max_sessions_per_user" in details
    first.half_close()
    first.end()
    house.connect(token=ALICE_TOKEN)


def test_an_unknown_room_is_refused(house):
    session = house.session()
    session.hello("anna", "cellar")
    assert refused(session)[0] == Code.INVALID_ARGUMENT


def test_who_does_not_say_hello_in_time_is_refused(houses):
    limit = 0.3
    house = houses(limits={"join_timeout_ms": int(limit * 1000)})
    start = time.monotonic()
    session = house.session()
    assert refused(session)[0] == Code.UNAUTHENTICATED
    assert limit <= time.monotonic() - start <= limit * SLACK


def test_half_close_without_a_hello_is_not_a_join(house):
    session = house.session()
    session.half_close()
    assert refused(session)[0] in (Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT)


@pytest.mark.parametrize("first", [
    pb.ConnectRequest(send=pb.Outgoing(client_id="x", text="before hello")),
    pb.ConnectRequest(ping=pb.Ping(number=1)), pb.ConnectRequest(), b"\xff\xff\xff",
    b"\x0a\x7fshort"])
def test_what_comes_first_is_a_hello_or_it_is_refused(house, first):
    bert = house.connect("bert", start=0)
    session = house.session()
    session.put(first)
    session.put(hello("anna"))
    assert refused(session)[0] == Code.INVALID_ARGUMENT
    assert bert.say("is anybody there?").id == 1


def test_a_second_hello_ends_the_session(house):
    anna = house.connect("anna")
    anna.hello("anna")
    assert anna.end() == Code.INVALID_ARGUMENT
    house.connect("anna").ping()


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x12\x7fshort", b"\x10\x01", b"\x07",
                                  b"\x12\x02\x0a\x7f", b"\x12\xff\xff\xff\xff\x0f"])
def test_garbage_ends_the_session_and_harms_nobody(house, data):
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    anna.put(data)
    assert anna.end() == Code.INVALID_ARGUMENT
    bert.say("still here")
    house.connect("anna").ping()


# What is said

def test_everybody_gets_every_message_the_sender_too(house):
    sessions = [house.connect(name, start=0) for name in ("anna", "bert", "carla")]
    ack = sessions[0].say("hello", "mine-1")
    for session in sessions:
        message = session.receive()
        assert (message.id, message.time_ms) == (ack.id, ack.time_ms)
        assert (message.user, message.text, message.client_id) == ("anna", "hello", "mine-1")
    assert abs(ack.time_ms / 1000 - time.time()) < DEADLINE


def test_all_see_one_order_and_each_id_once(house):
    """Ids are dense: Stream sees to that for each. Here all are held against each other."""
    n, speakers = scaled(100), [house.connect(f"speaker{i}", start=0) for i in range(4)]
    listeners = [house.listen(token, start=0) for token in (ALICE_TOKEN, BERTA_TOKEN)]
    sent = [[speaker.send(f"{i} {j}") for j in range(n)] for i, speaker in enumerate(speakers)]
    acks = [[speaker.ack(client_id) for client_id in ids]
            for speaker, ids in zip(speakers, sent)]
    heard = [stream.read_to(4 * n) for stream in speakers + listeners]
    for other in heard[1:]:
        assert other == heard[0]
    assert [m.id for m in heard[0]] == list(range(1, 4 * n + 1))
    for i, speaker in enumerate(speakers):
        mine = [m for m in heard[0] if m.user == f"speaker{i}"]
        assert [m.text for m in mine] == [f"{i} {j}" for j in range(n)]
        assert [(m.client_id, m.id, m.time_ms) for m in mine] == \
            [(ack.client_id, ack.id, ack.time_ms) for ack in acks[i]]


def test_each_message_is_acknowledged_once(house):
    anna = house.connect("anna", start=0)
    n = scaled(300)
    ids = [anna.send(str(i)) for i in range(n)]
    anna.half_close()
    assert anna.end() == Code.OK
    assert [ack.client_id for ack in anna.acks] == ids
    assert [ack.id for ack in anna.acks] == list(range(1, n + 1))
    assert anna.notices == []


def test_both_protocols_share_the_room_and_its_order(house):
    listener = house.listen(start=0)
    old = [house.seed(f"old{i}") for i in range(2)]
    new = [house.connect(f"new{i}", start=0) for i in range(2)]
    first = new[0].welcome.head + 1
    n = scaled(50)
    for i in range(n):
        for session in old:
            session.say(f"{i}")
        for session in new:
            session.send(f"{i}")
    last = first + 4 * n - 1
    heard = [m for m in listener.read_to(last) if m.id >= first]
    for session in new:
        assert [m for m in session.read_to(last) if m.id >= first] == heard
    said = [(m.user, m.text) for m in heard]
    for i, session in enumerate(old):
        others = [message for message in said if message[0] != f"old{i}"]
        session.expect(*others)
    assert all(m.client_id == "" for m in heard if m.user.startswith("old"))
    assert all(m.client_id != "" for m in heard if m.user.startswith("new"))


def test_two_devices_of_one_user_are_two_sessions(house):
    phone, laptop = (house.connect("", ALICE_TOKEN, start=0) for _ in range(2))
    phone.say("from the phone", "same-id")
    assert laptop.receive().client_id == "same-id"


def test_a_ping_is_answered_with_its_number(house):
    anna = house.connect("anna")
    for number in (0, 1, 2**64 - 1):
        anna.put(pb.ConnectRequest(ping=pb.Ping(number=number)))
    anna.until(lambda: len(anna.pongs) == 3, "three pongs")
    assert anna.pongs == [0, 1, 2**64 - 1]


def test_a_fast_sender_is_slowed_and_loses_nothing(houses):
    burst, rate, n = 5, 20, 25
    house = houses(limits={"rate_burst": burst, "rate_per_second": rate})
    anna = house.connect("anna", start=0)
    start = time.monotonic()
    for i in range(n):
        anna.send(str(i))
    assert [m.text for m in anna.read_to(n)] == [str(i) for i in range(n)]
    # The bucket fills a little between the hello and the first message.
    assert (n - burst - 1) / rate <= time.monotonic() - start <= n / rate * SLACK


def test_a_burst_costs_few_responses(house):
    """A session that is behind takes all that it missed in batches."""
    n = scaled(1000, 100)
    house.fill(n)
    bert = house.connect("bert", start=pb.Resume(epoch=house.connect("x").welcome.epoch))
    assert len(bert.read_to(n)) == n
    assert bert.responses <= n / 5


# What is not taken

@pytest.mark.parametrize("text", ["", "a\x00b", "\x1b[2J", "bell\x07", "\x7f", "\r", "\u009b31m",
                                  "x" * 4097, "ä" * 2049, OPEN_TOKEN], ids=repr_of)
def test_a_bad_text_is_noticed_and_the_session_goes_on(house, text):
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    notice = anna.notice(anna.send(text, "bad-1"))
    assert (notice.client_id, notice.code) == ("bad-1", Code.INVALID_ARGUMENT.value[0])
    assert notice.text
    assert anna.say("and now something else", "good-1").id == 1
    bert.expect(("anna", "and now something else"))


@pytest.mark.parametrize("data", [b"\xff", b"ok so far \xc3", b"\xc0\x80", b"\xed\xa0\x80"])
def test_a_text_that_is_not_utf8_is_noticed(house, data):
    anna = house.connect("anna", start=0)
    inner = b"\x0a\x05bad-1\x12" + bytes([len(data)]) + data
    anna.put(b"\x12" + bytes([len(inner)]) + inner)
    assert anna.notice("bad-1").code == Code.INVALID_ARGUMENT.value[0]
    assert anna.say("good").id == 1


@pytest.mark.parametrize("client_id", ["", "x" * 37, "ä" * 19, "nul\0", "new\nline"])
def test_a_bad_client_id_is_noticed(house, client_id):
    anna = house.connect("anna", start=0)
    anna.send("hello", client_id)
    anna.until(lambda: anna.notices, "a notice")
    assert anna.notices[0].code == Code.INVALID_ARGUMENT.value[0]
    assert anna.say("good").id == 1
    assert [m.text for m in anna.read_to(1)] == ["good"]


def test_a_client_id_that_is_no_text_is_not_sent_back(house):
    anna = house.connect("anna", start=0)
    anna.put(b"\x12\x08\x0a\x03\xff\xfe\xfd\x12\x01x")
    anna.until(lambda: anna.notices, "a notice")
    assert (anna.notices[0].client_id, anna.notices[0].code) == \
        ("", Code.INVALID_ARGUMENT.value[0])
    anna.ping()


@pytest.mark.parametrize("client_id", ["x", "x" * 36, "ä" * 18, "0 1", "-"])
def test_a_good_client_id_comes_back(house, client_id):
    anna = house.connect("anna", start=0)
    assert anna.say("hello", client_id).client_id == client_id
    assert anna.receive().client_id == client_id


def test_the_longest_text_arrives(house):
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    anna.say("ä" * 2048)
    bert.expect(("anna", "ä" * 2048))


def test_newlines_and_tabs_arrive(house):
    anna = house.connect("anna", start=0)
    anna.say("a\tb\nc\n")
    anna.expect(("anna", "a\tb\nc\n"))


def test_the_limit_of_texts_is_told_and_kept(houses):
    house = houses(limits={"max_text": 100})
    anna = house.connect("anna", start=0)
    assert anna.welcome.max_text == 100
    anna.say("x" * 100)
    assert anna.notice(anna.send("x" * 101)).code == Code.INVALID_ARGUMENT.value[0]


def test_a_request_that_is_too_large_ends_the_session(houses):
    house = houses(limits={"max_text": 1000, "max_frame": 4096})
    anna = house.connect("anna")
    anna.send("x" * 5000)
    assert anna.end() == Code.RESOURCE_EXHAUSTED
    house.connect("anna").ping()


def test_fields_that_are_not_known_are_ignored(house):
    anna = house.connect("anna", start=0)
    inner = b"\x0a\x03abc\x12\x05hello\x1a\x03xyz\xa2\x06\x01x"
    anna.put(b"\x12" + bytes([len(inner)]) + inner + b"\xa0\x06\x01")
    assert anna.ack("abc").id == 1
    anna.expect(("anna", "hello"))


# How it ends

def test_half_close_gets_every_ack_and_then_ok(house):
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    ids = [anna.send(str(i)) for i in range(50)]
    anna.half_close()
    assert anna.end() == Code.OK
    assert [ack.client_id for ack in anna.acks] == ids
    bert.expect(*(("anna", str(i)) for i in range(50)))


def test_half_close_frees_the_name(house):
    for _ in range(3):
        anna = house.connect("anna")
        anna.half_close()
        assert anna.end() == Code.OK


def test_a_cancelled_session_leaves(house):
    anna, bert = house.connect("anna"), house.connect("bert")
    anna.cancel()
    house.eventually(lambda: house.comes_in("anna"), "the name is free again")
    bert.ping()


def test_a_drain_says_goodbye_and_when_to_come_back(house):
    sessions = [house.connect("anna"), house.listen(ALICE_TOKEN)]
    house.daemon.process.terminate()
    for session in sessions:
        assert session.end() == Code.UNAVAILABLE
        assert session.goodbye.code == Code.UNAVAILABLE.value[0]
        assert session.goodbye.retry_after_ms > 0
    assert house.daemon.exit_status() == 0


def test_what_was_acknowledged_before_a_drain_is_heard(house):
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    n = scaled(500)
    for i in range(n):
        anna.send(str(i))
    anna.until(lambda: len(anna.acks) > n // 2, "half of the acks")
    house.daemon.process.terminate()
    assert (anna.end(), bert.end()) == (Code.UNAVAILABLE, Code.UNAVAILABLE)
    heard = {m.id: m.client_id for m in bert.messages}
    assert all(heard[ack.id] == ack.client_id for ack in anna.acks)


def test_goaway_is_sent_when_draining(house):
    raw = house.raw("anna").joined()
    house.daemon.process.terminate()
    raw.connection.pump(lambda: raw.stream.ended and raw.connection.goaway is not None, "a GOAWAY")
    assert raw.stream.status == Code.UNAVAILABLE.value[0]
    raw.close()


def test_a_kick_says_goodbye_with_the_reason_and_not_to_come_back(house):
    victims = [house.connect(token=ALICE_TOKEN), house.listen(ALICE_TOKEN)]
    bert = house.connect("bert")
    done = chatctl("kick", "alice", "--reason", "be nice", socket=house.daemon.control)
    assert done.status == 0, done
    for alice in victims:
        assert alice.end() == Code.ABORTED
        assert "be nice" in alice.details
        assert alice.goodbye.code == Code.ABORTED.value[0]
        assert "be nice" in alice.goodbye.text
        assert alice.goodbye.retry_after_ms == 0
    bert.ping()


def test_v1_sessions_are_listed_as_such(house):
    house.connect("anna")
    done = chatctl("users", "--json", socket=house.daemon.control)
    assert '"v1"' in done.out, done


def test_closing_the_connection_harms_nobody(house):
    bert = house.connect("bert", start=0)
    for i in range(20):
        raw = house.raw(f"anna{i}")
        if i % 2:
            raw.joined()
        raw.abort()
    assert bert.say("still here").id == 1


# Send, Subscribe, ListMembers

def test_send_says_something_without_joining(house):
    bert = house.connect("bert", start=0)
    sent = house.stub().Send(pb.SendRequest(client_id="u1", text="hello"), timeout=DEADLINE,
                             metadata=bearer(ALICE_TOKEN))
    message = bert.receive()
    assert (message.id, message.time_ms) == (sent.id, sent.time_ms)
    assert (message.user, message.text, message.client_id) == ("alice", "hello", "u1")
    members = house.stub().ListMembers(pb.ListMembersRequest(), timeout=DEADLINE,
                                       metadata=bearer(ALICE_TOKEN)).members
    assert [m.user for m in members] == ["bert"]


@pytest.mark.parametrize("request_", [
    pb.SendRequest(client_id="u1", text=""), pb.SendRequest(client_id="u1", text="\x1b[2J"),
    pb.SendRequest(client_id="u1", text="x" * 4097),
    pb.SendRequest(client_id="x" * 37, text="hello"),
    pb.SendRequest(client_id="u1", text=ALICE_TOKEN)], ids=repr_of)
def test_send_refuses_what_is_bad(house, request_):
    bert = house.connect("bert", start=0)
    assert failure(house.stub().Send, request_, metadata=bearer(ALICE_TOKEN)) == \
        Code.INVALID_ARGUMENT
    assert bert.say("still here").id == 1


def test_send_without_a_client_id_is_another_message_each_time(house):
    request = pb.SendRequest(text="hello")
    stub = house.stub()
    assert [stub.Send(request, timeout=DEADLINE, metadata=bearer(ALICE_TOKEN)).id
            for _ in range(3)] == [1, 2, 3]


def test_send_refuses_garbage(house):
    send = house.channel().unary_unary(f"{SERVICE}/Send")
    for data in (b"\xff\xff\xff", b"\x0a\x01x\x12\x02\xff\xfe"):
        assert failure(send, data, metadata=bearer(ALICE_TOKEN)) == Code.INVALID_ARGUMENT


UNARY = [("Send", pb.SendRequest(client_id="u1", text="hello")),
         ("ListMembers", pb.ListMembersRequest())]


@pytest.mark.parametrize("method, request_", UNARY)
def test_a_token_without_a_name_is_not_enough(house, method, request_):
    call = getattr(house.stub(), method)
    assert failure(call, request_, metadata=bearer(OPEN_TOKEN)) == Code.PERMISSION_DENIED


@pytest.mark.parametrize("method, request_", UNARY)
@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_without_a_token_nothing_is_answered(house, method, request_, token):
    call = getattr(house.stub(), method)
    assert failure(call, request_, metadata=bearer(token)) == Code.UNAUTHENTICATED


def test_a_token_without_a_name_does_not_listen(house):
    subscribe = house.stub().Subscribe
    for token, code in ((OPEN_TOKEN, Code.PERMISSION_DENIED), (None, Code.UNAUTHENTICATED),
                        ("wrong", Code.UNAUTHENTICATED)):
        call = subscribe(pb.SubscribeRequest(), metadata=bearer(token), timeout=DEADLINE)
        with pytest.raises(grpc.RpcError) as e:
            next(call)
        assert e.value.code() == code


def test_who_listens_is_a_session_like_any_other(house):
    listener = house.listen(ALICE_TOKEN, start=0)
    assert listener.welcome.user == "alice"
    anna = house.connect("anna", start=0)
    for i in range(20):
        anna.say(str(i))
    listener.expect(*(("anna", str(i)) for i in range(20)))
    done = chatctl("kick", "alice", socket=house.daemon.control)
    assert done.status == 0, done
    assert listener.end() == Code.ABORTED


def test_members_are_listed_by_name_with_their_sessions(house):
    house.connect("zoe")
    for _ in range(2):
        house.connect("", ALICE_TOKEN)
    house.listen(BERTA_TOKEN)
    house.seed("mia")
    members = house.stub().ListMembers(pb.ListMembersRequest(), timeout=DEADLINE,
                                       metadata=bearer(CAROL_TOKEN)).members
    assert [(m.user, m.sessions) for m in members] == \
        [("alice", 2), ("berta", 1), ("mia", 1), ("zoe", 1)]


def test_guessing_tokens_is_limited_here_too(houses):
    house = houses(limits={"auth_failures_per_minute": 3})
    send, request = house.stub().Send, UNARY[0][1]
    codes = [failure(send, request, metadata=bearer(f"guess {i}")) for i in range(5)]
    assert codes == [Code.UNAUTHENTICATED] * 3 + [Code.RESOURCE_EXHAUSTED] * 2


def test_an_unknown_method_is_unimplemented(house):
    for path in (f"{SERVICE}/Leave", "/chatroom.v2.ChatroomService/Connect",
                 "/chatroom.v1.AdminService/ListUsers"):
        call = house.channel().unary_unary(path)
        assert failure(call, b"", metadata=bearer(ALICE_TOKEN)) == Code.UNIMPLEMENTED


def test_calls_without_end_are_not_kept(house):
    """Many small calls, one after the other and some at a time."""
    channel = connect(house.daemon.target)
    stub = pb_grpc.ChatroomServiceStub(channel)
    n = scaled(100)
    metadata = bearer(ALICE_TOKEN)
    calls = [stub.ListMembers.future(pb.ListMembersRequest(), metadata=metadata, timeout=DEADLINE)
             for _ in range(20)]
    for call in calls:
        call.result()
    ids = {stub.Send(pb.SendRequest(client_id=new_id(), text=str(i)), metadata=metadata,
                     timeout=DEADLINE).id for i in range(n)}
    assert ids == set(range(1, n + 1))
    channel.close()
