# SPDX-License-Identifier: MIT
"""chatroom.v1: what sessions see of each other, and how they begin and end."""
import threading
import time

import grpc
import pytest

from clients import Session as SeedSession, connect
from ctl import chatctl
from harness import ALICE_TOKEN, DEADLINE, DRAIN, OPEN_TOKEN, SLACK, scaled
from v1 import (ALICE_TOKEN_2, BERTA_TOKEN, CAROL_TOKEN, FAST, SERVICE, bearer, hello, new_id, pb,
                pb_grpc, resume, tally)

Code = grpc.StatusCode


def refused(stream):
    """(code, details) of a stream that was not let in."""
    code = stream.end()
    assert code != Code.OK
    assert stream.welcome is None
    return code, stream.details


def failure(call, *arguments, **options):
    """The code of a unary call that fails."""
    with pytest.raises(grpc.RpcError) as e:
        call(*arguments, timeout=DEADLINE, **options)
    return e.value.code()


def seed(house, name, token=OPEN_TOKEN):
    """A member by the first chatroom's protocol, who is in the room."""
    hears = house.connect("herald", start=0)
    session = SeedSession(house.channel())
    session.send(name, token)
    text = session.sync()
    while hears.receive().text != text:
        pass
    hears.half_close()
    assert hears.end() == Code.OK
    return session


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
    seed(house, "anna")
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
    old = [seed(house, f"old{i}") for i in range(2)]
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
    house.eventually(lambda: comes_in(house, "anna"), "the name is free again")
    bert.ping()


def comes_in(house, name, **arguments):
    session = house.try_connect(name, **arguments)
    session.wait_for(lambda: session.welcome or session.code, "a welcome, or the end")
    if session.welcome is None:
        assert session.code == Code.ALREADY_EXISTS, session.details
    return session.welcome is not None


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
    seed(house, "mia")
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


# The same thing said again

def test_the_same_again_is_the_same_message(house):
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    first = anna.say("once", "one")
    anna.say("between", "two")
    assert anna.say("once", "one") == first
    assert anna.say("after", "three").id == 3
    assert [m.text for m in bert.read_to(3)] == ["once", "between", "after"]


def test_the_same_id_for_another_text_is_refused(house):
    anna = house.connect("anna", start=0)
    anna.say("once", "one")
    notice = anna.notice(anna.send("something else", "one"))
    assert (notice.client_id, notice.code) == ("one", Code.INVALID_ARGUMENT.value[0])
    assert anna.say("after").id == 2


def test_the_same_twice_at_a_time_is_the_same_message(house):
    anna = house.connect("anna", start=0)
    n = scaled(20)
    for i in range(n):
        anna.send(f"text {i}", f"twin-{i}")
        anna.send(f"text {i}", f"twin-{i}")
    last = anna.say("last")
    anna.half_close()
    assert anna.end() == Code.OK
    assert last.id == n + 1
    assert [m.text for m in anna.messages] == [f"text {i}" for i in range(n)] + ["last"]
    for i in range(n):
        answers = anna.answers(f"twin-{i}")
        assert len(answers) == 2 and answers[0] == answers[1], answers


def test_the_same_again_by_another_way_is_the_same_message(house):
    alice = house.connect("", ALICE_TOKEN, start=0)
    first = alice.say("once", "one")
    sent = house.stub().Send(pb.SendRequest(client_id="one", text="once"), timeout=DEADLINE,
                             metadata=bearer(ALICE_TOKEN))
    assert (sent.id, sent.time_ms) == (first.id, first.time_ms)
    assert failure(house.stub().Send, pb.SendRequest(client_id="one", text="other"),
                   metadata=bearer(ALICE_TOKEN)) == Code.INVALID_ARGUMENT
    other_device = house.connect("", ALICE_TOKEN, start=0)
    assert other_device.say("once", "one") == first


def test_the_same_id_of_another_is_another_message(house):
    """The key is the token, the user and the client's id."""
    sessions = [house.connect("anna", start=0), house.connect("bella", start=0),
                house.connect("", ALICE_TOKEN, start=0), house.connect("", ALICE_TOKEN_2, start=0),
                house.connect("", BERTA_TOKEN, start=0)]
    assert [session.say("hello", "one").id for session in sessions] == [1, 2, 3, 4, 5]
    assert tally(sessions[0].read_to(5))["alice", "hello"] == 2


def test_a_text_that_was_refused_may_be_said_right_with_the_same_id(house):
    anna = house.connect("anna", start=0)
    anna.notice(anna.send("\x1b", "one"))
    assert anna.say("better", "one").id == 1


@pytest.mark.parametrize("how", ["half-close", "cancel", "stop", "kill"])
def test_the_same_again_after_coming_back_is_the_same_message(house, how):
    anna = house.connect("anna", start=0)
    first = anna.say("once", "one")
    if how == "half-close":
        anna.half_close()
        anna.end()
    elif how == "cancel":
        anna.cancel()
        house.eventually(lambda: comes_in(house, "anna", start=resume(anna)), "she is back")
        house.streams[-1].half_close()
        house.streams[-1].end()
    elif how == "stop":
        house.restart()
    else:
        house.kill()
        house.start()
    back = house.connect("anna", start=resume(anna, after_id=0))
    assert back.say("once", "one") == first
    assert back.notice(back.send("twice", "one")).code == Code.INVALID_ARGUMENT.value[0]
    assert back.say("next", "two").id == first.id + 1
    assert [m.text for m in back.read_to(first.id + 1)] == ["once", "next"]


def test_what_many_say_at_once_again_and_again_is_there_once(house):
    """Threads that send the same requests through unary calls, as impatient clients do."""
    listener = house.listen(BERTA_TOKEN, start=0)
    stub = house.stub()
    n, results = scaled(40), [{} for _ in range(4)]

    def send(into):
        for i in range(n):
            into[i] = stub.Send(pb.SendRequest(client_id=f"c{i}", text=f"text {i}"),
                                metadata=bearer(ALICE_TOKEN), timeout=DEADLINE)

    threads = [threading.Thread(target=send, args=[into]) for into in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(into) == n for into in results)
    for into in results[1:]:
        assert into == results[0]
    assert len({sent.id for sent in results[0].values()}) == n
    house.connect("anna").say("last")
    assert len(listener.read_to(n + 1)) == n + 1


# Who reads slowly

def test_a_session_that_is_far_behind_is_not_cut_and_gets_everything(houses):
    """Its own pace: 64 KiB, then nothing, then the rest, while the room has long gone past."""
    house = houses(limits={**FAST, "max_lag_messages": 64})
    epoch = house.connect("anna", start=0).welcome.epoch
    last = house.fill(scaled(100000, 3000), "message {} " + "x" * 40)
    slow = house.raw("slow", start=pb.Resume(epoch=epoch), window=65535)
    slow.wait(lambda: slow.received + len(slow.stream.data) == 65535, "64 KiB")
    talker = house.connect("talker", start=0)
    for i in range(scaled(300)):
        last = talker.say(f"meanwhile {i}").id
    slow.grant(2**30)
    slow.wait(lambda: slow.messages[-1].id >= last, "everything")
    assert [m.id for m in slow.messages] == list(range(1, last + 1))
    slow.close()
    talker.ping()


def test_who_does_not_read_at_all_is_cut_after_a_while(houses):
    age = 1.0
    house = houses(limits={**FAST, "max_lag_age_ms": int(age * 1000)})
    anna = house.connect("anna", start=0)
    sleeper = house.raw("sleeper", start=0, window=1000).joined()
    start = time.monotonic()
    for _ in range(50):
        anna.say("x" * 1000)
    assert sleeper.status() == Code.RESOURCE_EXHAUSTED.value[0]
    assert age <= time.monotonic() - start <= age * SLACK
    sleeper.close()
    anna.ping()
    assert comes_in(house, "sleeper")


def test_who_has_nothing_to_read_is_not_cut(houses):
    """A closed window is no offence while there is nothing to say."""
    age, longer = 0.3, 1.2
    house = houses(limits={**FAST, "max_lag_age_ms": int(age * 1000),
                           "join_timeout_ms": int(longer * 1000)})
    anna = house.connect("anna", start=0)
    quiet = house.raw("quiet", start=0, window=1000).joined()
    quiet.window(0)
    start = time.monotonic()
    late = house.session()  # never says hello: a clock that the daemon goes by
    assert refused(late)[0] == Code.UNAUTHENTICATED
    assert time.monotonic() - start >= longer > 2 * age
    quiet.window(2**20)
    quiet.connection.flush()
    anna.say("at last")
    quiet.wait(lambda: quiet.messages, "a message")
    assert quiet.messages[0].text == "at last"
    quiet.close()


def test_who_reads_slowly_delays_nobody(houses):
    house = houses(limits={**FAST, "max_lag_age_ms": 60000})
    anna, bert = house.connect("anna", start=0), house.connect("bert", start=0)
    sleepers = [house.raw(f"sleeper{i}", start=0, window=1) for i in range(5)]
    for _ in range(scaled(200)):
        anna.say("x" * 1000)
        bert.receive()
    house.daemon.process.terminate()
    assert (anna.end(), bert.end()) == (Code.UNAVAILABLE, Code.UNAVAILABLE)
    assert house.daemon.stop() < DRAIN + 2
    for sleeper in sleepers:
        sleeper.close()


# Another's place

def test_a_secret_takes_the_place_of_a_session_that_seems_to_be_there(house):
    """The connection of the first hangs: nobody reads, nobody closes it."""
    hung = house.raw("anna", start=0).joined()
    bert = house.connect("bert", start=0)
    bert.say("while anna hangs")
    assert refused(house.try_connect("anna"))[0] == Code.ALREADY_EXISTS
    back = house.connect("anna", start=resume(hung, after_id=0))
    back.expect(("bert", "while anna hangs"))
    assert back.welcome.session != hung.welcome.session
    assert back.welcome.resume_secret != hung.welcome.resume_secret
    assert back.say("back again").id == 2
    assert hung.status() != Code.OK.value[0]
    hung.close()


def test_a_secret_takes_a_place_although_its_holder_does_not_read(house):
    hung = house.raw("anna", start=0, window=1000).joined()
    bert = house.connect("bert", start=0)
    for _ in range(20):
        last = bert.say("x" * 1000)
    back = house.connect("anna", start=resume(hung, after_id=0))
    assert len(back.read_to(last.id)) == 20
    hung.close()


def test_a_secret_takes_a_place_when_all_are_taken(houses):
    house = houses(limits={**FAST, "max_sessions_per_user": 2})
    first, second = (house.connect("", ALICE_TOKEN, start=0) for _ in range(2))
    assert refused(house.try_connect("", ALICE_TOKEN))[0] == Code.RESOURCE_EXHAUSTED
    back = house.connect("", ALICE_TOKEN, start=resume(first))
    assert first.end() != Code.OK
    assert second.code is None
    back.say("hello")
    second.expect(("alice", "hello"))


def test_a_listener_takes_a_listeners_place(houses):
    house = houses(limits={**FAST, "max_sessions_per_user": 1})
    first = house.listen(ALICE_TOKEN, start=0)
    second = house.listen(ALICE_TOKEN, start=resume(first))
    assert first.end() != Code.OK
    house.connect("anna").say("hello")
    second.expect(("anna", "hello"))


@pytest.mark.parametrize("token", ["token2", ALICE_TOKEN])
def test_a_secret_is_worth_nothing_with_another_token(house, token):
    anna = house.connect("anna", start=0)
    session = house.try_connect("anna", token, start=resume(anna))
    assert refused(session)[0] in (Code.ALREADY_EXISTS, Code.PERMISSION_DENIED)
    anna.ping()


def test_a_secret_does_not_let_in(house):
    anna = house.connect("anna", start=0)
    for token in (None, "wrong"):
        assert refused(house.try_connect("anna", token, start=resume(anna)))[0] == \
            Code.UNAUTHENTICATED
    anna.ping()


def test_a_secret_takes_the_place_of_the_same_user_only(house):
    anna = house.connect("anna", start=0)
    house.connect("bella", start=resume(anna)).ping()
    anna.ping()


def test_a_wrong_secret_is_no_secret(house):
    anna = house.connect("anna", start=0)
    secret = anna.welcome.resume_secret
    for wrong in ("", secret[:-1], secret + "x", "x" * len(secret), secret.swapcase()):
        if wrong != secret:
            session = house.try_connect("anna", start=resume(anna, secret=wrong))
            assert refused(session)[0] == Code.ALREADY_EXISTS
    anna.ping()


def test_no_secret_takes_the_place_of_a_session_without_one(house):
    anna = seed(house, "anna")
    mallory = house.try_connect("anna", start=pb.Resume(secret="\0" * 32))
    assert refused(mallory)[0] == Code.ALREADY_EXISTS
    assert anna.code is None


def test_a_secret_works_once(house):
    anna = house.connect("anna", start=0)
    back = house.connect("anna", start=resume(anna))
    assert anna.end() != Code.OK
    assert refused(house.try_connect("anna", start=resume(anna)))[0] == Code.ALREADY_EXISTS
    back.ping()


def test_a_secret_dies_with_a_kick(house):
    anna = house.connect("anna", start=0)
    assert chatctl("kick", "anna", socket=house.daemon.control).status == 0
    assert anna.end() == Code.ABORTED
    again = house.connect("anna", start=0)
    assert refused(house.try_connect("anna", start=resume(anna)))[0] == Code.ALREADY_EXISTS
    again.ping()


def test_a_secret_of_before_a_restart_harms_nothing(house):
    anna = house.connect("anna", start=0)
    anna.say("before")
    house.restart()
    back = house.connect("anna", start=resume(anna, after_id=0))
    back.expect(("anna", "before"))
    assert back.gaps == []


def test_secrets_are_not_logged(house):
    anna = house.connect("anna", start=0)
    back = house.connect("anna", start=resume(anna))
    house.stop()
    for secret in (anna.welcome.resume_secret, back.welcome.resume_secret):
        assert secret not in house.daemon.log_text()


# Presence

def present(session, *names):
    """Waits until exactly these are there, oneself aside."""
    def others():
        return session.present - {session.welcome.user}
    session.until(lambda: others() == set(names),
                  lambda: f"{sorted(names)} to be there; {sorted(others())} are")


def test_presence_is_told_to_those_who_want_it(house):
    quiet = house.connect("quiet")
    anna = house.connect("anna", presence=True)
    present(anna, "quiet")
    alice = house.listen(ALICE_TOKEN, presence=True)
    present(alice, "quiet", "anna")
    present(anna, "quiet", "alice")
    quiet.ping()
    assert quiet.presences == []


def test_presence_knows_the_members_of_both_protocols(house):
    anna = house.connect("anna", presence=True)
    session = SeedSession(house.channel())
    session.send("old", OPEN_TOKEN)
    present(anna, "old")


def test_who_joins_is_told_at_once_and_who_leaves_after_a_while(house):
    anna = house.connect("anna", presence=True)
    bert = house.connect("bert")
    start = time.monotonic()
    present(anna, "bert")
    assert time.monotonic() - start < 5
    left = time.monotonic()
    bert.half_close()
    bert.end()
    present(anna)
    assert 4.9 <= time.monotonic() - left <= 5 * SLACK


def test_who_comes_back_soon_was_never_gone(house):
    anna = house.connect("anna", presence=True)
    house.connect("dora")
    bert = house.connect("bert")
    present(anna, "bert", "dora")
    told = len(anna.presences)
    bert.half_close()
    bert.end()
    bert = house.connect("bert")
    house.streams[1].half_close()  # dora; behind her leaving, bert's would have been told
    present(anna, "bert")
    changes = anna.presences[told:]
    assert not any("bert" in [*change.joined, *change.left] for change in changes), changes
    bert.ping()


def test_another_session_of_one_who_is_there_is_not_told(house):
    anna = house.connect("anna", presence=True)
    phone = house.connect("", ALICE_TOKEN)
    present(anna, "alice")
    told = len(anna.presences)
    laptop = house.connect("", ALICE_TOKEN)
    phone.half_close()
    phone.end()
    dora = house.connect("dora")
    dora.half_close()
    dora.end()
    anna.until(lambda: any("dora" in change.left for change in anna.presences), "dora has left")
    assert not any("alice" in [*change.joined, *change.left] for change in anna.presences[told:])
    assert "alice" in anna.present
    laptop.ping()


def test_presence_is_coalesced_for_who_is_behind(houses):
    """Who cannot be told now gets one difference later, not every step."""
    house = houses(limits={**FAST, "max_lag_age_ms": 60000})
    watcher = house.raw("watcher", start=0, presence=True, window=1000).joined()
    talker = house.connect("talker", start=0)
    for _ in range(10):
        talker.say("x" * 1000)  # the window is shut now
    n = 40
    for i in range(n):
        house.connect(f"member{i}")
    told = len(watcher.presences)
    watcher.grant(2**20)
    watcher.wait(lambda: sum(len(p.joined) for p in watcher.presences) > n, "all members")
    there = [name for change in watcher.presences for name in change.joined]
    assert {f"member{i}" for i in range(n)} <= set(there)
    assert len(watcher.presences) - told < n / 4
    watcher.close()


def test_presence_is_off_above_two_hundred_members(houses):
    house = houses(limits={**FAST, "max_lag_age_ms": 60000})
    anna = house.connect("anna", presence=True)
    house.connect("bert")
    present(anna, "bert")
    crowd = [house.raw(f"member{i}", start=0, source=f"127.0.7.{1 + i}").joined()
             for i in range(205)]
    late = house.connect("late", presence=True)
    house.connect("later").say("one more thing")
    for session in (anna, late):
        session.until(lambda: any(m.text == "one more thing" for m in session.messages),
                      "the message")
        session.ping()
        assert "later" not in session.present
    assert "member0" not in late.present
    for raw in crowd:
        raw.close()
    present(anna, "bert", "late", "later")
    present(late, "anna", "bert", "later")
