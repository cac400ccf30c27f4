"""TLS in front of a server that has none, as stunnel would be."""

import contextlib
import socket
import ssl
import threading
from typing import Self

from tests.certificates import Certified


class TlsFront:
    """Takes TLS on a port of its own, and hands on what comes to another port."""

    def __init__(self, certified: Certified, port: int) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certified.cert, certified.key)
        self.behind = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                plain, _ = self.listener.accept()
                threading.Thread(target=self.join, args=(plain,), daemon=True).start()

    def join(self, plain: socket.socket) -> None:
        with contextlib.ExitStack() as opened:
            opened.callback(plain.close)
            with contextlib.suppress(OSError):
                front = opened.enter_context(self.context.wrap_socket(plain, server_side=True))
                behind = opened.enter_context(socket.create_connection(self.behind))
                back = threading.Thread(target=hand_on, args=(behind, front), daemon=True)
                back.start()
                hand_on(front, behind)
                back.join()

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def hand_on(source: socket.socket, target: socket.socket) -> None:
    """Until either ends; then neither goes on."""
    with contextlib.suppress(OSError):
        while received := source.recv(65_536):
            target.sendall(received)
    for each in (source, target):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(each, socket.SHUT_RDWR)
