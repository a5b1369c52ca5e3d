# SPDX-License-Identifier: MIT
"""The operator's hand without chatctl: stubs generated from admin.proto, on the control socket."""
import functools
import hashlib
import time

import grpc

from fake_admin import pb_grpc
from harness import DEADLINE


class Admin:
    """A connection to a daemon's control socket; its attributes are AdminService's methods."""

    def __init__(self, daemon):
        # Else grpcio would share one connection among all who are connected to one path.
        self.channel = grpc.insecure_channel(f"unix:{daemon.control}",
                                             [("grpc.use_local_subchannel_pool", 1),
                                              ("grpc.enable_retries", 0)])
        self._stub = pb_grpc.AdminServiceStub(self.channel)

    def __getattr__(self, method):
        call = getattr(self._stub, method)
        timed = functools.partial(call, timeout=DEADLINE)
        timed.future = call.future
        return timed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def token_id(self, secret):
        return hashlib.sha256(secret.encode()).hexdigest()[:12]

    def until(self, predicate):
        """Asks again and again; a refusal is a no."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                if predicate():
                    return
            except grpc.RpcError as e:
                assert time.monotonic() < end, e.details()
            assert time.monotonic() < end, "it does not come true"


def refused(call, request, **arguments):
    """(code, details) of a request that must be refused."""
    try:
        answer = call(request, **{"timeout": DEADLINE, **arguments})
    except grpc.RpcError as e:
        return e.code(), e.details()
    raise AssertionError(f"not refused: {answer}")
