# SPDX-License-Identifier: MIT
"""Many members, many streams, many messages."""
import asyncio
import hashlib
import threading
import time

import grpc
import pytest

from clients import SYNC, connect
from harness import DEADLINE, OPEN_TOKEN, WORKERS, scaled
from http2 import Connection, Crowd, grpc_messages
from wire import Message, encode

WIDE = {"max_connections_per_address": 10000, "rate_burst": 100000, "rate_per_second": 100000,
        "max_lag_messages": 20000, "max_lag_bytes": 64 << 20}


def test_the_eleventh_member_joins(room):
    """The first chatroom had ten threads."""
    members = [room.join(f"member{i}") for i in range(11)]
    members[10].say("eleventh")
    for member in members[:10]:
        member.expect(("member10", "eleventh"))


def source(i):
    """Peers share limits by address: many clients come from many."""
    return f"127.0.{1 + i // 200}.{1 + i % 200}"


def crowd(daemon, n, per_connection=1, name="member"):
    """n members of the room on raw connections: (crowd, [(connection, stream)])."""
    members = []
    connections = []
    for i in range(n):
        if i % per_connection == 0:
            connections.append(Connection(daemon.address(), source(len(connections))))
        stream = connections[-1].open()
        connections[-1].send(stream, encode(f"{name}{i}", OPEN_TOKEN))
        members.append((connections[-1], stream))
    return Crowd(connections), members


def said(stream):
    """(user, text) of all that a raw stream got."""
    return [(m.user, m.text) for m in map(Message.FromString, grpc_messages(stream.data))]


def until_all_hear(room, crowd_, members, speaker):
    """Has somebody talk until every member has heard him once: then all are in the room."""
    sent = 0.0
    while not all(stream.data for _, stream in members):
        ended = [stream for _, stream in members if stream.ended]
        assert not ended, f"{len(ended)} not let in, the first with status {ended[0].status}"
        if time.monotonic() - sent > 0.2:
            sent = time.monotonic()
            speaker.sync()
        before = sum(1 for _, stream in members if stream.data)
        crowd_.pump(lambda: sum(1 for _, s in members if s.data) > before
                    or any(s.ended for _, s in members)
                    or time.monotonic() - sent > 0.2, "somebody hears")


def test_the_five_hundredth_member_joins(room):
    speaker = room.join("speaker")
    n = scaled(500)
    everybody, members = crowd(room.daemon, n)
    until_all_hear(room, everybody, members, speaker)
    connection, last = members[-1]
    connection.send(last, encode("", "I am the last"))
    connection.flush()
    speaker.expect((f"member{n - 1}", "I am the last"))
    everybody.pump(lambda: all((f"member{n - 1}", "I am the last") in said(stream)
                               for _, stream in members[:-1]), "all hear the last one")
    everybody.close()


def join_64(room, first_alone):
    async def run():
        async with grpc.aio.insecure_channel(room.daemon.target) as channel:
            join = channel.stream_stream("/chat.Chat/Join")
            calls = [join(timeout=DEADLINE) for _ in range(64)]

            async def enter(i):
                await calls[i].write(encode(f"member{i}", OPEN_TOKEN))
                await calls[i].write(encode("", f"{i} is in"))

            if first_alone:
                await enter(0)
                room.witness.expect(("member0", "0 is in"))
            await asyncio.gather(*map(enter, range(first_alone, 64)))
            heard = {room.witness.receive() for _ in range(first_alone, 64)}
            assert heard == {(f"member{i}", f"{i} is in") for i in range(first_alone, 64)}

            async def wait_for_closing(i):
                while True:
                    data = await calls[i].read()
                    assert data is not grpc.aio.EOF, await calls[i].details()
                    if Message.FromString(data).text == "closing":
                        return

            room.join("closer").say("closing")
            await asyncio.gather(*map(wait_for_closing, range(64)))
            for call in calls:
                await call.done_writing()
            assert {await call.code() for call in calls} == {grpc.StatusCode.OK}

    asyncio.run(asyncio.wait_for(run(), DEADLINE * 2))


def test_64_joins_at_once_on_one_fresh_connection(room):
    join_64(room, first_alone=0)


def test_64_joins_on_one_connection_after_a_first_one(room):
    join_64(room, first_alone=1)


def test_64_joins_in_one_packet(room):
    """Nothing between the connection and the 64th call: no SETTINGS from the server yet."""
    connection = Connection(room.daemon.address(), source(0))
    streams = []
    for i in range(64):
        streams.append(connection.open())
        connection.send(streams[i], encode(f"member{i}", OPEN_TOKEN))
        connection.send(streams[i], encode("", f"{i} is in"))
    connection.flush()
    heard = {room.witness.receive() for _ in range(64)}
    assert heard == {(f"member{i}", f"{i} is in") for i in range(64)}
    for stream in streams:
        connection.half_close(stream)
    connection.flush()
    assert {connection.status(stream) for stream in streams} == {0}
    connection.close()


@pytest.mark.parametrize("n, each, workers", [(1000, 200, WORKERS), (200, 50, 1), (200, 50, 2),
                                              (200, 50, 8)])
def test_all_receivers_get_every_message_in_one_order(daemons, n, each, workers):
    """10 senders at once: all receivers' sequences have the same SHA-256."""
    senders, each = 10, scaled(each, 20)
    n = scaled(n, 20)
    room = daemons.room(limits=WIDE, server={"workers": workers})
    everybody, members = crowd(room.daemon, n)
    until_all_hear(room, everybody, members, room.join("speaker"))

    start = threading.Barrier(senders)

    def send(i):
        with connect(room.daemon.target) as channel:
            def messages():
                yield encode(f"sender{i}", OPEN_TOKEN)
                start.wait(DEADLINE)
                for k in range(each):
                    yield encode("", f"message {k:4} of sender {i}")
            for _ in channel.stream_stream("/chat.Chat/Join")(messages()):
                pass  # the others' messages

    threads = [threading.Thread(target=send, args=(i,)) for i in range(senders)]
    for thread in threads:
        thread.start()

    bodies = [encode(f"sender{i}", f"message {k:4} of sender {i}")
              for i in range(senders) for k in range(each)]
    total = sum(5 + len(body) for body in bodies)

    def complete(stream):
        return len(stream.data) >= total and payload_size(stream) >= total

    waiting = {stream for _, stream in members}

    def all_complete():
        ended = [stream for stream in waiting if stream.ended]
        assert not ended, f"{len(ended)} cut, the first with status {ended[0].status}"
        waiting.difference_update([stream for stream in waiting if complete(stream)])
        return not waiting

    everybody.pump(all_complete, lambda: f"{len(waiting)} of {n} receivers wait for more")
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()

    digests = {}
    for _, stream in members:
        sequence = [message for message in grpc_messages(stream.data) if not is_sync(message)]
        digest = hashlib.sha256(b"".join(sequence)).hexdigest()
        digests.setdefault(digest, sequence)
        assert len(sequence) == senders * each
    assert len(digests) == 1
    sequence = next(iter(digests.values()))
    assert sorted(sequence) == sorted(bodies)
    for i in range(senders):
        mine = f" of sender {i}".encode()
        assert [m for m in sequence if m.endswith(mine)] == \
            [encode(f"sender{i}", f"message {k:4} of sender {i}") for k in range(each)]
    everybody.close()


def is_sync(message):
    return SYNC.encode() in message


def payload_size(stream):
    """Bytes of a stream without what only showed that its member was in."""
    return len(stream.data) - sum(5 + len(message) for message in grpc_messages(stream.data[:4096])
                                  if is_sync(message))
