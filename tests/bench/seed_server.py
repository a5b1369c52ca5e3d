# SPDX-License-Identifier: MIT
"""The first chatroom's design in Python, for comparison: a thread and a queue for each client.

Every client's messages go into every client's queue, the sender's own included. Its pool of ten
workers, which is as many clients as it takes, is made as large as asked for.

    seed_server.py DIRECTORY WORKERS      (DIRECTORY: where chat_pb2.py is)
"""

import queue
import sys
import threading
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])
import chat_pb2  # noqa: E402  pylint: disable=wrong-import-position,import-error

TOKENS = {"bench"}


class Chat:
    def __init__(self):
        self.queues = []
        self.lock = threading.Lock()

    def listen(self, requests, own):
        try:
            for message in requests:
                with self.lock:
                    for each in self.queues:
                        each.put(message)
        except grpc.RpcError:
            pass
        with self.lock:
            self.queues.remove(own)
        own.put(None)

    def join(self, requests, context):
        if next(requests).text not in TOKENS:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "Invalid token")
        own = queue.Queue()
        with self.lock:
            self.queues.append(own)
        context.send_initial_metadata(())
        threading.Thread(target=self.listen, args=(requests, own), daemon=True).start()
        yield from iter(own.get, None)


def main():
    join = grpc.stream_stream_rpc_method_handler(
        Chat().join,
        request_deserializer=chat_pb2.Message.FromString,
        response_serializer=chat_pb2.Message.SerializeToString)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=int(sys.argv[2])))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("chat.Chat", {"Join": join})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"Listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
    server.wait_for_termination()


main()
