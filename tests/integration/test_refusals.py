# SPDX-License-Identifier: MIT
"""Who is not let in, what is not passed on, and with which status: DESIGN.md's table of codes."""
import time

import grpc
import pytest

from clients import PATHS, refusal
from harness import ALICE_TOKEN, OPEN_TOKEN, SLACK
from http2 import Connection
from wire import encode

Code = grpc.StatusCode


def joins(room, name="somebody"):
    """The room goes on for others."""
    room.join(name).half_close()


@pytest.mark.parametrize("token", ["wrong", "", "token1 ", "TOKEN1", "token", "a" * 4000])
def test_a_wrong_token_is_refused(room, token):
    code, _ = refusal(room.try_join("anna", token))
    assert code == Code.UNAUTHENTICATED
    joins(room, "anna")


def test_all_wrong_tokens_are_refused_in_the_same_words(daemons):
    room = daemons.room(limits={"auth_failures_per_minute": 1000})
    details = {refusal(room.try_join(name, token))
               for name in ("anna", "alice", "nobody") for token in ("", "wrong", "token3")}
    assert len(details) == 1


@pytest.mark.parametrize("path", PATHS)
def test_without_a_first_message_the_join_times_out(daemons, path):
    limit = 0.3
    room = daemons.room(limits={"join_timeout_ms": int(limit * 1000)})
    start = time.monotonic()
    session = room.session(path=path)
    code, _ = refusal(session)
    took = time.monotonic() - start
    assert code == Code.UNAUTHENTICATED
    assert limit <= took <= limit * SLACK
    joins(room)


def test_half_close_without_a_first_message_is_not_a_join(room):
    session = room.session()
    session.half_close()
    code, _ = refusal(session)
    assert code == Code.UNAUTHENTICATED


@pytest.mark.parametrize("other", ["anna", "ANNA", "Anna", "aNNa"])
def test_a_name_is_held_by_one_whatever_its_case(room, other):
    anna = room.join("anna")
    code, _ = refusal(room.try_join(other))
    assert code == Code.ALREADY_EXISTS
    anna.say("still here")
    room.settle(anna)


@pytest.mark.parametrize("held, wanted", [
    ("Jos\u00e9", "Jose\u0301"), ("Jose\u0301", "JOS\u00c9"), ("stra\u00dfe", "STRASSE"),
    ("\u1e69", "s\u0307\u0323")])
def test_a_name_is_held_by_one_whatever_its_normal_form(room, held, wanted):
    room.join(held)
    code, _ = refusal(room.try_join(wanted))
    assert code == Code.ALREADY_EXISTS


def test_a_name_is_shown_in_its_composed_form(room):
    bert = room.join("bert")
    room.join("Jose\u0301").say("hello")
    bert.expect(("Jos\u00e9", "hello"))


@pytest.mark.parametrize("name", [
    "", " ", "two words", "tab\tbed", "new\nline", "nul\x00", "bell\x07", "esc\x1b[31m", "del\x7f",
    "c1\u0085", "@anna", "*", "#room", "/quit", "-f", "a=b", "a:b", "a;b", "no\u00a0break",
    "right\u202eleft", "zero\u200bwidth", "joiner\u200d", "bom\ufeff", "x" * 33, "ä" * 17,
    "server", "Server", "SYSTEM", "admin", "root", "chatroom"])
def test_a_bad_name_is_refused(room, name):
    code, _ = refusal(room.try_join(name))
    assert code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("name", [b"\xff", b"anna\x80", b"\xc0\xaf", b"\xed\xa0\x80",
                                  b"\xf4\x90\x80\x80", b"an\x00na"])
def test_a_name_that_is_not_utf8_is_refused(room, name):
    code, _ = refusal(room.try_join(name))
    assert code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["x", "x" * 32, "ä" * 16, "a-b", "o'neil", "名前", "a.b_c+d"])
def test_a_good_name_is_accepted(room, name):
    bert = room.join("bert")
    room.join(name).say("hello")
    bert.expect((name, "hello"))


def test_a_token_for_another_name_is_refused(room):
    code, _ = refusal(room.try_join("bert", ALICE_TOKEN))
    assert code == Code.PERMISSION_DENIED


@pytest.mark.parametrize("name", ["alice", "Alice", "ALICE"])
def test_a_name_that_is_bound_to_a_token_is_not_for_others(room, name):
    code, _ = refusal(room.try_join(name, OPEN_TOKEN))
    assert code == Code.PERMISSION_DENIED


def test_a_bearer_token_admits_its_user_whatever_the_message_says(room):
    bert = room.join("bert")
    session = room.session(metadata=[("authorization", f"Bearer {ALICE_TOKEN}")])
    session.send("carl", "hello")
    bert.expect(("alice", "hello"))


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Bearer", "Basic dG9rZW4xOg=="])
def test_a_wrong_bearer_token_is_refused(room, header):
    session = room.session(metadata=[("authorization", header)])
    session.send("anna", "hello")
    code, _ = refusal(session)
    assert code == Code.UNAUTHENTICATED


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_bearer_scheme_is_known_in_any_case(room, scheme):
    bert = room.join("bert")
    session = room.session(metadata=[("authorization", f"{scheme} {OPEN_TOKEN}")])
    session.send("anna", "hello")
    bert.expect(("anna", "hello"))


def ends_with(room, code, send):
    """A member who does what must not be done is out; nobody hears it; all others go on."""
    anna, bert = room.join("anna"), room.join("bert")
    send(anna)
    assert refusal(anna)[0] == code
    bert.say("still here")
    room.settle(bert)
    assert room.witness.heard() == [("bert", "still here")]
    joins(room, "anna")


@pytest.mark.parametrize("data", [b"\xff", b"ok so far \xc3", b"\xc0\x80", b"\xed\xa0\x80",
                                  b"\xf5\x80\x80\x80"])
def test_a_text_that_is_not_utf8_is_refused(room, data):
    ends_with(room, Code.INVALID_ARGUMENT, lambda anna: anna.send_bytes(encode("", data)))


@pytest.mark.parametrize("text", ["a\x00b", "\x00", "end\x00", "\x1b[2J", "bell\x07", "\x7f", "\r",
                                  "c1 \u009b31m"])
def test_a_text_with_control_characters_is_refused(room, text):
    ends_with(room, Code.INVALID_ARGUMENT, lambda anna: anna.say(text))


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x12\x7fshort", b"\x0a",
                                  b"\x12\xff\xff\xff\xff\x0f", b"\x10\x01", b"\x07"])
def test_what_is_no_message_is_refused(room, data):
    """Cut short, a length past the end, a number where text belongs, a wire type that is not."""
    ends_with(room, Code.INVALID_ARGUMENT, lambda anna: anna.send_bytes(data))


def test_what_is_no_message_is_refused_as_a_first_message_too(room):
    session = room.session()
    session.send_bytes(b"\xff\xff\xff")
    assert refusal(session)[0] == Code.INVALID_ARGUMENT


def test_a_text_that_is_too_long_is_refused_with_our_words(daemons):
    room = daemons.room(limits={"max_text": 100})
    anna, bert = room.join("anna"), room.join("bert")
    bert.say("x" * 100)
    anna.expect(("bert", "x" * 100))
    bert.say("x" * 101)
    code, details = refusal(bert)
    assert code == Code.INVALID_ARGUMENT
    assert "long" in details


def test_a_message_that_is_too_large_is_refused(daemons):
    room = daemons.room(limits={"max_text": 1000, "max_frame": 4096})
    ends_with(room, Code.RESOURCE_EXHAUSTED, lambda anna: anna.say("x" * 5000))


def test_an_own_token_is_not_passed_on(room):
    ends_with(room, Code.INVALID_ARGUMENT, lambda anna: anna.say(OPEN_TOKEN))


def test_an_own_bearer_token_is_not_passed_on(room):
    bert = room.join("bert")
    alice = room.session(metadata=[("authorization", f"Bearer {ALICE_TOKEN}")])
    alice.say("hello")
    bert.expect(("alice", "hello"))
    alice.say(ALICE_TOKEN)
    assert refusal(alice)[0] == Code.INVALID_ARGUMENT
    bert.say("still here")
    room.witness.wait_sync(bert.sync())
    alice = room.join("alice", ALICE_TOKEN)
    bert.say("and now")
    alice.expect(("bert", "and now"))


def test_a_compressed_message_is_refused(room):
    """By a client whose channel compresses, as any gRPC library can be told to."""
    bert = room.join("bert")
    anna = room.session(compression=grpc.Compression.Gzip)
    anna.send("anna", OPEN_TOKEN)
    anna.say("x" * 2000)
    assert refusal(anna)[0] == Code.UNIMPLEMENTED
    room.settle(bert)
    assert room.witness.heard() == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "identity"])
def test_a_message_that_says_it_is_compressed_is_refused(room, encoding):
    bert = room.join("bert")
    c = Connection(room.daemon.address())
    stream = c.open(metadata=[("grpc-encoding", encoding)])
    c.send(stream, encode("anna", OPEN_TOKEN))
    c.send(stream, b"\x1f\x8b" + b"\x00" * 40, compressed=True)
    assert c.status(stream) == Code.UNIMPLEMENTED.value[0]
    c.close()
    room.settle(bert)
    assert room.witness.heard() == []


def test_what_says_it_is_compressed_is_no_chat_although_it_could_be(room):
    bert = room.join("bert")
    c = Connection(room.daemon.address())
    stream = c.open()
    c.send(stream, encode("anna", OPEN_TOKEN))
    c.send(stream, encode("", "hello"), compressed=True)
    assert c.status(stream) == Code.UNIMPLEMENTED.value[0]
    c.close()
    room.settle(bert)
    assert room.witness.heard() == []


@pytest.mark.parametrize("path", [
    "/chat.Chat/Leave", "/chat.Chat/", "/chat.Chat", "/", "/chat.Chat/join", "/Chat/Join",
    "/chat.Chat/Join/", "/grpc.nothing.Service/Method"])
def test_an_unknown_method_is_unimplemented(room, path):
    session = room.session(path=path)
    session.send("anna", OPEN_TOKEN)
    assert refusal(session)[0] == Code.UNIMPLEMENTED


def test_unknown_methods_do_not_pile_up(room):
    c = Connection(room.daemon.address())
    for _ in range(100):
        stream = c.open(path="/no/such")
        assert c.status(stream) == Code.UNIMPLEMENTED.value[0]
    c.close()
    joins(room)
