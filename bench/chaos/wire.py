"""A TCP proxy that can be cut, held, half closed or shut: what stands between two processes."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from tests.servers import free_port

READ_BYTES = 65_536
LOOK_SECONDS = 0.2

Connect = Callable[[], socket.socket]


def to_port(port: int) -> Connect:
    return lambda: socket.create_connection(("127.0.0.1", port))


def to_socket(path: str) -> Connect:
    """To a Unix socket."""

    def connect() -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        found.connect(path)
        return found

    return connect


class Wire:
    """Listens on a port of this machine, and passes on to where `connect` leads."""

    def __init__(self, connect: Connect) -> None:
        self.connect = connect
        self.port = free_port()
        self.lock = threading.Lock()
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.flows = threading.Event()
        self.flows.set()
        self.is_shut = False
        self.is_over = False

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.listener.settimeout(LOOK_SECONDS)
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        self.listener.close()
        self.heal()
        self.cut()

    def listen(self) -> None:
        while not self.is_over:
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            try:
                if self.is_shut:
                    raise ConnectionRefusedError
                server = self.connect()
            except OSError:
                client.close()
                continue
            with self.lock:
                self.pairs.add((client, server))
            for here, there in ((client, server), (server, client)):
                threading.Thread(target=self.pass_on, args=(here, there), daemon=True).start()

    def pass_on(self, here: socket.socket, there: socket.socket) -> None:
        """One way of a connection, until it ends; then the other is told so."""
        with contextlib.suppress(OSError):
            while some := here.recv(READ_BYTES):
                self.flows.wait()
                there.sendall(some)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_WR)
        self.forget(here, there)

    def forget(self, here: socket.socket, there: socket.socket) -> None:
        """Close both once neither way is left."""
        with self.lock:
            for pair in ((here, there), (there, here)):
                if pair in self.pairs:
                    self.pairs.remove(pair)
                    return
        for one in (here, there):
            one.close()

    def cut(self) -> None:
        """End all connections at once, whatever is under way."""
        self.end(socket.SHUT_RDWR)

    def half_close(self) -> None:
        """Let no client say anything more on its connection."""
        self.end(socket.SHUT_RD)

    def end(self, how: int) -> None:
        with self.lock:
            pairs = list(self.pairs)
        for client, server in pairs:
            for one in (client, server) if how == socket.SHUT_RDWR else (client,):
                with contextlib.suppress(OSError):
                    one.shutdown(how)

    def hold(self) -> None:
        """Keep everything back until it is healed."""
        self.flows.clear()

    def shut(self) -> None:
        """Take no new connection until it is healed."""
        self.is_shut = True
        self.cut()

    def heal(self) -> None:
        self.is_shut = False
        self.flows.set()
