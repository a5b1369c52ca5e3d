# SPDX-License-Identifier: MIT
"""The system's bus, with a systemd on it that has no unit at all."""
import socket
import struct
import threading

RETURN, ERROR = 2, 3


def _padded(data, to):
    return data + bytes(-len(data) % to)


def _string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def _reply(kind, to, error=None, text=None):
    fields = struct.pack("<BB2sI", 5, 1, b"u\0", to)
    if error:
        fields = _padded(fields, 8) + struct.pack("<BB2s", 4, 1, b"s\0") + _string(error)
    if text:
        fields = _padded(fields, 8) + struct.pack("<BB2s", 8, 1, b"g\0") + b"\1s\0"
    body = _string(text) if text else b""
    head = struct.pack("<cBBBIII", b"l", kind, 1, 1, len(body), to, len(fields))
    return _padded(head + fields, 8) + body


class FakeBus:
    """For one who comes."""

    def __init__(self, path):
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"}
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rb") as incoming:
            for line in incoming:
                if line == b"BEGIN\r\n":
                    break
            connection.sendall(b"DATA\r\nOK " + b"1" * 32 + b"\r\nAGREE_UNIX_FD\r\n")
            while head := incoming.read(16):
                body, serial, fields = struct.unpack_from("<III", head, 4)
                rest = incoming.read(fields + -fields % 8 + body)
                connection.sendall(
                    _reply(RETURN, serial, text=":1.1") if b"Hello\0" in rest else
                    _reply(ERROR, serial, error="org.freedesktop.systemd1.NoSuchUnit"))

    def close(self):
        self._listening.close()
