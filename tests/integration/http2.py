# SPDX-License-Identifier: MIT
"""HTTP/2 and gRPC framing over a plain socket, written from RFC 9113 and the gRPC protocol text.

For what no gRPC library would do (never read, never acknowledge, send what is not UTF-8) and for
what it would do too slowly (a thousand receivers in one process).
"""
import select
import socket
import struct
import time

import hpack

from harness import DEADLINE

DATA, HEADERS, _, RST_STREAM, SETTINGS, _, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW_SIZE = 4
LARGEST_WINDOW = 2**31 - 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, kind, flags,
                       stream) + payload


def grpc_message(payload, compressed=False):
    return struct.pack(">?I", compressed, len(payload)) + payload


def grpc_messages(data):
    """The messages in a stream's bytes."""
    at = 0
    while at + 5 <= len(data):
        _, size = struct.unpack_from(">?I", data, at)
        if at + 5 + size > len(data):
            return
        yield bytes(data[at + 5:at + 5 + size])
        at += 5 + size


class Stream:
    def __init__(self, number):
        self.number = number
        self.data = bytearray()  # of all DATA frames
        self.headers = []  # one list per header block: the last one has the status
        self.reset = None
        self.ended = False
        self.window = 0  # that the server granted beyond its initial window, less what was sent

    @property
    def status(self):
        for block in reversed(self.headers):
            for name, value in block:
                if name == "grpc-status":
                    return int(value)
        return None


class Connection:
    def __init__(self, address, source=None, window=LARGEST_WINDOW, acknowledge=True,
                 receive_buffer=None):
        local = isinstance(address, str)  # the path of a Unix socket
        self.socket = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        if source:
            # Else each socket would take a port that no other may use, whatever its peer.
            self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            self.socket.bind((source, 0))
        self.socket.connect(address)
        if not local:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.streams = {}
        self.closed = False
        self.goaway = None
        self.pongs = 0
        self.window = 65535  # that the server grants to this connection
        self._initial_window = 65535
        self._acknowledge = acknowledge
        self._next = 1
        self._buffer = b""
        self._block = b""
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder()
        self._output = PREFACE + frame(SETTINGS, 0, 0,
                                       struct.pack(">HI", INITIAL_WINDOW_SIZE, window))
        if window > 65535:
            self._output += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", window - 65535))

    # Out: collected until flush(), so that a test decides what shares a packet.

    def open(self, path="/chat.Chat/Join", metadata=()):
        stream = Stream(self._next)
        self._next += 2
        self.streams[stream.number] = stream
        block = self._encoder.encode([
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("te", "trailers"), ("content-type", "application/grpc"), *metadata])
        self._output += frame(HEADERS, END_HEADERS, stream.number, block)
        return stream

    def send(self, stream, payload, compressed=False):
        self.data(stream, grpc_message(payload, compressed))

    def data(self, stream, data):
        self._output += frame(DATA, 0, stream.number, data)
        self.window -= len(data)
        stream.window -= len(data)

    def may_send(self, stream):
        """How many bytes flow control leaves."""
        return max(0, min(self.window, stream.window + self._initial_window))

    def half_close(self, stream):
        self._output += frame(DATA, END_STREAM, stream.number)

    def cancel(self, stream):
        self._output += frame(RST_STREAM, 0, stream.number, struct.pack(">I", 8))

    def raw(self, data):
        self._output += data

    def flush(self):
        output, self._output = self._output, b""
        self.socket.sendall(output)

    # In

    def receive(self):
        """Reads once and takes in what came. False at the end of the connection."""
        try:
            data = self.socket.recv(1 << 18)
        except (ConnectionError, BlockingIOError) as e:
            if isinstance(e, BlockingIOError):
                return True
            data = b""
        if not data:
            self.closed = True
            return False
        self._take(data)
        if self._output:
            self.flush()
        return True

    def _take(self, data):
        if self._buffer:
            data = self._buffer + data
        at, end = 0, len(data)
        while at + 9 <= end:
            high, low, kind, flags, number = struct.unpack_from(">HBBBI", data, at)
            size = high << 8 | low
            if at + 9 + size > end:
                break
            payload = data[at + 9:at + 9 + size]
            at += 9 + size
            if kind == DATA:  # nearly all of them
                stream = self.streams[number]
                stream.data += payload
                if flags & END_STREAM:
                    stream.ended = True
            else:
                self._control(kind, flags, number, payload)
        self._buffer = data[at:]

    def _control(self, kind, flags, number, payload):
        if kind in (HEADERS, CONTINUATION):
            self._block += payload
            stream = self.streams[number]
            if flags & END_HEADERS:
                stream.headers.append([(str(n), str(v)) for n, v in
                                       self._decoder.decode(self._block)])
                self._block = b""
            if kind == HEADERS and flags & END_STREAM:
                stream.ended = True
        elif kind == RST_STREAM:
            self.streams[number].reset = struct.unpack(">I", payload)[0]
            self.streams[number].ended = True
        elif kind == SETTINGS and not flags & ACK:
            settings = dict(struct.iter_unpack(">HI", payload))
            self._initial_window = settings.get(INITIAL_WINDOW_SIZE, self._initial_window)
            if self._acknowledge:
                self._output += frame(SETTINGS, ACK, 0)
        elif kind == WINDOW_UPDATE:
            of = self.streams[number] if number else self
            of.window += struct.unpack(">I", payload)[0]
        elif kind == PING and not flags & ACK:
            self._output += frame(PING, ACK, 0, payload)
        elif kind == PING:
            self.pongs += 1
        elif kind == GOAWAY:
            self.goaway = struct.unpack_from(">I", payload, 4)[0]

    def pump(self, predicate, what, seconds=DEADLINE):
        """Flushes, then reads until predicate() holds."""
        self.flush()
        end = time.monotonic() + seconds
        while not predicate():
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {seconds:g} s: {what}")
            self.socket.settimeout(left)
            try:
                more = self.receive()
            except TimeoutError:
                continue
            if not more and not predicate():
                raise AssertionError(f"The connection ended before: {what}")

    def status(self, stream):
        """Waits for the end of a call: its gRPC status, or None when it was reset."""
        self.pump(lambda: stream.ended, f"the end of stream {stream.number}")
        return stream.status

    def close(self):
        self.socket.close()

    def abort(self):
        """Ends the connection the rude way, with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Crowd:
    """Many connections, read together."""

    def __init__(self, connections):
        self.connections = list(connections)
        self._epoll = select.epoll()
        self._by_fd = {}
        for c in self.connections:
            c.flush()
            c.socket.setblocking(False)
            self._by_fd[c.socket.fileno()] = c
            self._epoll.register(c.socket, select.EPOLLIN)

    def flush(self):
        for c in self.connections:
            c.flush()

    def pump(self, predicate, what, seconds=DEADLINE):
        """Reads until predicate() holds; the deadline starts anew whenever something comes."""
        end = time.monotonic() + seconds
        while not predicate():
            ready = self._epoll.poll(max(0, min(0.1, end - time.monotonic())))
            for fd, _ in ready:
                if not self._by_fd[fd].receive():
                    self._epoll.unregister(fd)
            if ready:
                end = time.monotonic() + seconds
            elif time.monotonic() > end:
                raise AssertionError(f"nothing for {seconds:g} s, waiting for: "
                                     f"{what() if callable(what) else what}")

    def close(self):
        self._epoll.close()
        for c in self.connections:
            c.close()
