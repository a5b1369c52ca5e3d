# SPDX-License-Identifier: MIT
"""What members of a room see of each other."""
import grpc
import pytest

from clients import PATHS, Session, StubSession
from harness import ALICE_TOKEN, DEADLINE, OPEN_TOKEN
from wire import chat_pb2

OK = grpc.StatusCode.OK


def test_three_users_talk_over_the_three_paths(room):
    users = {name: room.join(name, path=path)
             for name, path in zip(["anna", "bert", "carl"], PATHS)}
    for speaker, session in users.items():
        session.say(f"I am {speaker}")
        for listener, other in users.items():
            if listener != speaker:
                other.expect((speaker, f"I am {speaker}"))


@pytest.mark.parametrize("kind", [Session, StubSession])
def test_two_users_talk(room, kind):
    anna, bert = room.join("anna", kind=kind), room.join("bert", kind=kind)
    anna.say("hello")
    bert.expect(("anna", "hello"))
    bert.say("Grüße, 日本, 👋")
    anna.expect(("bert", "Grüße, 日本, 👋"))


def test_the_first_chatrooms_own_client_works(room):
    """Its code, but for the terminal: stubs, a generator for what it sends, a loop that prints."""
    bert = room.join("bert")
    lines = iter(["Hello everyone!", "bye"])

    def outgoing():
        yield chat_pb2.Message(user="Ada", text=OPEN_TOKEN)
        for line in lines:
            yield chat_pb2.Message(user="Ada", text=line)

    from wire import chat_pb2_grpc
    stub = chat_pb2_grpc.ChatStub(room.channel())
    responses = stub.Join(outgoing(), timeout=DEADLINE)
    bert.expect(("Ada", "Hello everyone!"), ("Ada", "bye"))
    assert [f"{m.user}: {m.text}" for m in responses if m.user != "Ada"] == []


def test_nobody_hears_himself(room):
    anna, bert = room.join("anna"), room.join("bert")
    anna.say("one")
    bert.expect(("anna", "one"))
    bert.say("two")
    anna.expect(("bert", "two"))


def test_two_devices_of_one_user_see_each_other(room):
    phone = room.join("alice", ALICE_TOKEN)
    laptop = room.join("alice", ALICE_TOKEN)
    phone.say("from the phone")
    laptop.expect(("alice", "from the phone"))
    laptop.say("from the laptop")
    phone.expect(("alice", "from the laptop"))


def test_a_forged_user_is_stamped_over(room):
    mallory, bert = room.join("mallory"), room.join("bert")
    mallory.send("alice", "I am Alice")
    mallory.send("server", "I am the server")
    mallory.send("no such \u202e name!", "nor is this looked at")
    bert.expect(("mallory", "I am Alice"), ("mallory", "I am the server"),
                ("mallory", "nor is this looked at"))


def test_a_message_without_a_user_is_the_senders(room):
    anna, bert = room.join("anna"), room.join("bert")
    anna.send("", "no user field at all")
    bert.expect(("anna", "no user field at all"))


def test_fields_that_the_protocol_does_not_have_are_ignored(room):
    anna, bert = room.join("anna"), room.join("bert")
    extra = b"\x18\x2a" + b"\x22\x03abc" + b"\xa2\x06\x04\xff\xfe\x00\x01"  # fields 3, 4, 100
    anna.send_bytes(extra + b"\x12\x05hello" + extra)
    bert.expect(("anna", "hello"))


def test_the_last_of_a_repeated_field_counts(room):
    """As proto3 has it for a field that is not repeated."""
    anna, bert = room.join("anna"), room.join("bert")
    anna.send_bytes(b"\x12\x05first\x12\x04last")
    bert.expect(("anna", "last"))


def test_newlines_and_tabs_arrive(room):
    anna, bert = room.join("anna"), room.join("bert")
    anna.say("a\tb\nc\n")
    bert.expect(("anna", "a\tb\nc\n"))


def test_the_longest_text_arrives(daemons):
    room = daemons.room(limits={"max_text": 4096})
    anna, bert = room.join("anna"), room.join("bert")
    text = "ä" * 2048
    anna.say(text)
    bert.expect(("anna", text))


def test_all_see_one_order(daemons):
    room = daemons.room(limits={"rate_burst": 1000, "rate_per_second": 1000})
    speakers = [room.join(f"speaker{i}") for i in range(5)]
    listeners = [room.join(f"listener{i}") for i in range(3)]
    for i in range(40):
        for speaker in speakers:
            speaker.say(str(i))
    heard = [[listener.receive() for _ in range(200)] for listener in listeners]
    assert heard[0] == heard[1] == heard[2]
    for n in range(5):
        assert [text for user, text in heard[0] if user == f"speaker{n}"] == \
            [str(i) for i in range(40)]


def test_who_joins_later_hears_only_what_is_said_later(room):
    anna = room.join("anna")
    anna.say("before")
    room.settle(anna)  # it is in the room's order by now
    bert = room.join("bert")
    anna.say("after")
    bert.expect(("anna", "after"))


def test_half_close_leaves_with_ok_after_everything_was_said(room):
    anna, bert = room.join("anna"), room.join("bert")
    anna.say("bye")
    anna.half_close()
    assert anna.end() == OK
    bert.expect(("anna", "bye"))
    bert.say("anna?")
    room.settle(bert)
    assert anna.rest() == []


def test_half_close_gets_what_was_said_before(room):
    """Nothing that was in the room's order before one left is kept from him."""
    anna, bert = room.join("anna"), room.join("bert")
    for i in range(10):
        bert.say(str(i))
    room.settle(bert)
    anna.half_close()
    assert anna.end() == OK
    assert anna.rest() == [("bert", str(i)) for i in range(10)]


def test_a_name_is_free_again_after_leaving(room):
    for _ in range(3):
        anna = room.join("anna")
        anna.half_close()
        assert anna.end() == OK


def test_an_abrupt_disconnect_harms_nobody_and_frees_the_name(room):
    bert = room.join("bert")
    for i in range(3):
        channel = room.channel()
        anna = room.join("anna", channel=channel)
        anna.say(f"round {i}")
        bert.expect(("anna", f"round {i}"))
        channel.close()
        room.daemon.wait_for(lambda: rejoin(room, "anna"), "the name is free again")
    bert.say("still here")
    room.settle(bert)


def rejoin(room, name):
    session = room.try_join(name)
    if not room.is_heard(session):
        assert session.code == grpc.StatusCode.ALREADY_EXISTS
        return False
    session.half_close()
    session.end()
    return True


def test_a_cancelled_call_leaves_the_room(room):
    bert, carl = room.join("bert"), room.join("carl")
    bert.cancel()
    assert bert.end() == grpc.StatusCode.CANCELLED
    carl.say("one")
    room.settle(carl)
    assert bert.rest() == []


def test_a_bearer_token_bound_to_a_name_joins_at_once(room):
    bert = room.join("bert")
    alice = room.session(metadata=[("authorization", f"Bearer {ALICE_TOKEN}")])
    # She says nothing, so how does one know she is in? By what she hears.
    with alice.changed:
        while not alice.syncs:
            assert alice.code is None, alice.details
            bert.sync()
            alice.changed.wait(0.1)
    bert.say("hello")
    alice.expect(("bert", "hello"))
    alice.say("first text is chat")
    bert.expect(("alice", "first text is chat"))


def test_with_an_open_bearer_token_the_first_message_names_the_user_and_is_chat(room):
    bert = room.join("bert")
    anna = room.session(metadata=[("authorization", f"Bearer {OPEN_TOKEN}")])
    anna.send("anna", "hello at once")
    bert.expect(("anna", "hello at once"))
    anna.send("", "and again")
    bert.expect(("anna", "and again"))


def test_with_an_open_bearer_token_an_empty_first_text_is_no_chat(room):
    bert = room.join("bert")
    anna = room.session(metadata=[("authorization", f"Bearer {OPEN_TOKEN}")])
    anna.send("anna", "")
    anna.send("anna", "hello")
    bert.expect(("anna", "hello"))


@pytest.mark.parametrize("token", [OPEN_TOKEN, "token2", ALICE_TOKEN])
def test_with_a_bearer_token_a_known_token_in_the_first_text_is_no_chat(room, token):
    bert = room.join("bert")
    anna = room.session(metadata=[("authorization", f"Bearer {OPEN_TOKEN}")])
    anna.send("anna", token)
    anna.send("anna", "hello")
    heard = bert.receive()
    assert heard == ("anna", "hello")


def test_what_follows_the_first_message_at_once_is_chat(room):
    bert = room.join("bert")
    anna = room.session()
    anna.send("anna", OPEN_TOKEN)
    for i in range(5):
        anna.say(str(i))
    anna.half_close()
    bert.expect(*(("anna", str(i)) for i in range(5)))
    assert anna.end() == OK
