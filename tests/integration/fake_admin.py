# SPDX-License-Identifier: MIT
"""AdminService as admin.proto has it, on a Unix socket, played by Python.

This is a fake of the daemon, for what chatctl does with its answers: also with those that a real
daemon gives once in a year (not durable, out of time, text that is no text). It keeps to the
contract in admin.proto and knows nothing else of the daemon; what the two do together is tested in
test_operator.py.
"""
import atexit
import concurrent.futures
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import grpc

from wire import ROOT


def _generate():
    folder = tempfile.mkdtemp(prefix="chatroom-admin-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    proto = os.path.join(ROOT, "proto")
    subprocess.run(["protoc", f"-I{proto}", f"--python_out={folder}", f"--grpc_python_out={folder}",
                    f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}",
                    os.path.join(proto, "chatroom", "v1", "admin.proto")], check=True)
    sys.path.insert(0, folder)
    return (importlib.import_module("chatroom.v1.admin_pb2"),
            importlib.import_module("chatroom.v1.admin_pb2_grpc"))


pb, pb_grpc = _generate()
HOUR_MS = 3600 * 1000
METHODS = [m.name for m in pb.DESCRIPTOR.services_by_name["AdminService"].methods]


class FakeAdmin(pb_grpc.AdminServiceServicer):
    """Answers each method with what `answers` has for it, after what `refusals` has for it: a
    status and a text. Both may be changed at any time. `requests` is what came, in order."""

    def __init__(self, path, threads=8):
        self.path = path
        self.requests = []  # (method, request, {metadata})
        self.refusals = {}  # method: (code, text, whether the answer comes along)
        self.answers = {method: getattr(pb, f"{method}Response")() for method in METHODS}
        self.held = threading.Event()  # while it is clear, answers wait
        self.held.set()
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(threads))
        pb_grpc.add_AdminServiceServicer_to_server(self, self._server)
        assert self._server.add_insecure_port(f"unix:{path}")
        self._server.start()

    def answer(self, method, request, context):
        self.requests.append((method, request, dict(context.invocation_metadata())))
        self.held.wait(30)
        if method in self.refusals:
            code, text, with_answer = self.refusals[method]
            if not with_answer:
                context.abort(code, text)
            context.set_code(code)
            context.set_details(text)
        return self.answers[method]

    def refuse(self, method, code, text, with_answer=False):
        self.refusals[method] = (code, text, with_answer)

    def set(self, method, **fields):
        self.answers[method] = getattr(pb, f"{method}Response")(**fields)

    def last(self, method):
        return [request for name, request, _ in self.requests if name == method][-1]

    def metadata(self):
        return self.requests[-1][2]

    def stop(self):
        self.held.set()
        self._server.stop(None).wait()


def _method(name):
    return lambda self, request, context: self.answer(name, request, context)


for _name in METHODS:
    setattr(FakeAdmin, _name, _method(_name))
