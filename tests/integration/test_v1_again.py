# SPDX-License-Identifier: MIT
"""chatroom.v1: what is sent again is the same message, and who comes back has his place."""
import threading

import grpc
import pytest

from ctl import chatctl
from harness import ALICE_TOKEN, DEADLINE, scaled
from v1 import ALICE_TOKEN_2, BERTA_TOKEN, FAST, bearer, failure, pb, refused, resume, tally

Code = grpc.StatusCode


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
        house.eventually(lambda: house.comes_in("anna", start=resume(anna)), "she is back")
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
    anna = house.seed("anna")
    mallory = house.try_connect("anna", start=pb.Resume(secret="\0" * 32))
    assert refused(mallory)[0] == Code.ALREADY_EXISTS
    assert anna.code is None


def test_a_secret_works_once(house):
    anna = house.connect("anna", start=0)
    back = house.connect("anna", start=resume(anna))
    assert anna.end() != Code.OK
    assert refused(house.try_connect("anna", start=resume(anna)))[0] == Code.ALREADY_EXISTS
    back.ping()


def out_of_reach(house, name, start):
    """A session whose peer does not take what it is sent, as after the network has gone."""
    raw = house.raw(name, start=start, receive_buffer=2048)
    house.eventually(lambda: house.lists(name), f"{name} to be in")
    house.fill(100, "x" * 300)
    return raw


def test_who_was_not_reached_by_the_new_secret_comes_back_with_the_old_one(house):
    """The network goes again before the welcome is there, and then once more."""
    def comes_in():
        return house.comes_in("anna", start=resume(anna), channel=channel)

    anna, channel = house.connect("anna", start=0), house.channel()
    lost = out_of_reach(house, "anna", resume(anna))
    assert anna.end() == Code.ABORTED
    house.eventually(comes_in, "anna to come in")
    house.streams[-1].cancel()
    house.eventually(lambda: not house.lists("anna"), "anna to be gone")
    lost_too = out_of_reach(house, "anna", resume(anna))
    for wrong in ({"start": resume(anna, secret="x" * 32)},
                  {"start": resume(anna), "token": "token2"}):
        assert refused(house.try_connect("anna", **wrong))[0] == Code.ALREADY_EXISTS
    house.eventually(comes_in, "anna to come in")
    house.streams[-1].ping()
    lost.abort()
    lost_too.abort()


def test_a_secret_dies_with_a_kick(house):
    anna = house.connect("anna", start=0)
    assert chatctl("kick", "anna", socket=house.daemon.control).status == 0
    assert anna.end() == Code.ABORTED
    again = house.connect("anna", start=0)
    assert refused(house.try_connect("anna", start=resume(anna)))[0] == Code.ALREADY_EXISTS
    again.ping()


def test_a_secret_dies_with_the_token(house):
    alice = house.connect("", ALICE_TOKEN, start=0)
    assert chatctl("revoke", "alice", socket=house.daemon.control).status == 0
    assert alice.end() == Code.UNAUTHENTICATED
    assert (alice.goodbye.code, alice.goodbye.retry_after_ms) == (Code.UNAUTHENTICATED.value[0], 0)
    assert refused(house.try_connect("", ALICE_TOKEN, start=resume(alice)))[0] == \
        Code.UNAUTHENTICATED


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
