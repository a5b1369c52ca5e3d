# SPDX-License-Identifier: MIT
"""SIGHUP: the new configuration or the old one, never half of it, and nobody is disconnected."""
import grpc
import pytest

from clients import refusal
from harness import OPEN_TOKEN, configuration
from http2 import Connection
from test_hostile import member, texts_of

Code = grpc.StatusCode


def test_a_reload_takes_in_new_tokens_and_drops_nobody(daemons):
    room = daemons.room()
    anna, bert = room.join("anna"), room.join("bert")
    assert refusal(room.try_join("carl", "new-token"))[0] == Code.UNAUTHENTICATED
    room.daemon.reload(configuration(tokens=[("*", OPEN_TOKEN), ("carl", "new-token")]))
    carl = room.join("carl", "new-token")
    anna.say("hello")
    bert.expect(("anna", "hello"))
    carl.expect(("anna", "hello"))


def test_a_reload_takes_away_tokens(daemons):
    room = daemons.room()
    room.join("anna", "token2").half_close()
    room.daemon.reload(configuration(tokens=[("*", OPEN_TOKEN)]))
    assert refusal(room.try_join("bert", "token2"))[0] == Code.UNAUTHENTICATED
    room.join("carl")


def test_a_reload_changes_limits(daemons):
    room = daemons.room(limits={"max_text": 100})
    anna, bert = room.join("anna"), room.join("bert")
    room.daemon.reload(configuration(limits={"max_text": 200}))
    anna.say("x" * 150)
    bert.expect(("anna", "x" * 150))
    anna.say("x" * 201)
    assert refusal(anna)[0] == Code.INVALID_ARGUMENT


def test_a_bad_file_changes_nothing_and_is_said(daemons):
    room = daemons.room()
    anna = room.join("anna")
    bad = configuration(tokens=[("*", "other-token")], limits={"max_text": "many"})
    room.daemon.reload(bad)
    room.daemon.wait_log(r"chatroom\.ini:\d+:.*max_text")
    anna.say("still here")
    room.join("bert", "token2")
    assert refusal(room.try_join("carl", "other-token"))[0] == Code.UNAUTHENTICATED


def test_a_missing_file_changes_nothing(daemons):
    import os
    room = daemons.room()
    room.join("anna")
    os.unlink(room.daemon.config_path)
    room.daemon.reload()
    room.join("bert")


def test_many_reloads_in_a_row(daemons):
    room = daemons.room()
    anna, bert = room.join("anna"), room.join("bert")
    for i in range(5):
        room.daemon.reload()
        anna.say(str(i))
        bert.expect(("anna", str(i)))


def test_a_reload_ends_sessions_whose_token_is_gone(daemons):
    room = daemons.room()
    anna, bert = room.join("anna", "token2"), room.join("bert", OPEN_TOKEN)
    room.daemon.reload(configuration(tokens=[("*", OPEN_TOKEN)]))
    assert refusal(anna)[0] == Code.UNAUTHENTICATED
    bert.say("still here")
    room.settle(bert)


def test_a_reload_puts_out_whom_it_does_not_allow_any_more(daemons):
    room = daemons.room()
    anna, bert = room.join("anna"), room.join("bert")
    mallory, stream = member(room, "mallory")  # from 127.0.9.1
    idle = Connection(room.daemon.address(), "127.0.9.2")
    asked = idle.open("/no/such")
    assert idle.status(asked) == Code.UNIMPLEMENTED.value[0]
    room.daemon.reload(configuration(server={"allow": "127.0.0.1"}))
    assert mallory.status(stream) == Code.PERMISSION_DENIED.value[0]
    for connection in (mallory, idle):
        with pytest.raises(AssertionError, match="The connection ended"):
            connection.pump(lambda: False, "its end")
        connection.close()
    anna.say("still here")
    bert.expect(("mallory", "mallory is in"), ("anna", "still here"))


def test_a_reload_that_allows_more_puts_out_nobody(daemons):
    room = daemons.room(server={"allow": "127.0.0.1"})
    anna = room.join("anna")
    room.daemon.reload(configuration(server={"allow": "127.0.0.0/8"}))
    bert, stream = member(room, "bert")
    anna.say("still here")
    room.settle(anna)
    bert.pump(lambda: texts_of(stream, "anna") == ["still here"], "what anna says")
    assert not stream.ended
    bert.close()
