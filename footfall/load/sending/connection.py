"""One HTTP/1.1 connection that is kept, carries one request at a time, and never blocks."""

import re
import socket
from typing import NamedTuple

from footfall.load.errors import CannotLoad

LENGTH = re.compile(rb"\r\nContent-Length: *([0-9]{1,9})\r\n", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nRetry-After: *([0-9]{1,6})\r\n", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nConnection: *close\r\n", re.IGNORECASE)
CHUNK_BYTES = 65_536
CONNECT_SECONDS = 2.0


class Answer(NamedTuple):
    """What came back; `retry_after` in seconds, 0 where the server named none."""

    status: int
    body: bytes
    retry_after: int = 0
    closes: bool = False


class Connection:
    """An open connection. Whatever fails raises OSError."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, CONNECT_SECONDS)
        self.socket.setblocking(False)
        # A request that is two segments must not wait for the first one's acknowledgement.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unsent = b""
        self.received = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def start(self, request: bytes) -> None:
        """Send what can be sent now; while something is `unsent`, call `send` once it is ready."""
        self.received = b""
        self.unsent = request
        self.send()

    def send(self) -> None:
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            return
        self.unsent = self.unsent[sent:]

    def receive(self) -> Answer | None:
        """The answer, once all of it is there."""
        try:
            some = self.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return None
        if not some:
            raise ConnectionResetError("closed without an answer")
        self.received += some
        return answer_in(self.received)

    def close(self) -> None:
        self.socket.close()


def answer_in(received: bytes) -> Answer | None:
    """The answer, if all of it has come. Raises CannotLoad for what no service of ours sends."""
    end = received.find(b"\r\n\r\n") + 2
    if end == 1:
        return None
    head = received[:end]
    length = LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 ") or length is None:
        raise CannotLoad("--url does not answer as ingestion does; check what listens there")
    body = received[end + 2 :]
    if len(body) < int(length[1]):
        return None
    wait = RETRY_AFTER.search(head)
    return Answer(int(head[9:12]), body, int(wait[1]) if wait else 0, bool(CLOSES.search(head)))
