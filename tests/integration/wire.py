# SPDX-License-Identifier: MIT
"""Python's own view of the protocols: protoc makes it from their descriptions."""
import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


PROTO = os.path.join(ROOT, "proto")


def stubs(path, proto=PROTO):
    """The two modules, messages and stubs, that protoc makes from a description in that folder."""
    folder = tempfile.mkdtemp(prefix="chatroom-wire-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["protoc", f"-I{proto}", f"--python_out={folder}", f"--grpc_python_out={folder}",
                    f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}",
                    os.path.join(proto, path)], check=True)
    sys.path.insert(0, folder)
    module = path.removesuffix(".proto").replace("/", ".")
    return importlib.import_module(f"{module}_pb2"), importlib.import_module(f"{module}_pb2_grpc")


chat_pb2, chat_pb2_grpc = stubs("chat.proto")
Message = chat_pb2.Message


def encode(user, text):
    """The bytes of one Message; user and text may be bytes that no string could hold."""
    return field(1, user) + field(2, text)


def field(number, value):
    """A field of text or bytes; nothing if it is empty."""
    value = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + _varint(len(value)) + value if value else b""


def _varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])
