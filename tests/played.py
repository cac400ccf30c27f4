"""Played servers: what answers at a database's address where there is no such server to be had."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SALT = b"0123456789abcdefghij"
OK = b"\0\0\0\0\0\0\0"
# Protocol 4.1, secure connection, plug-ins: what servers of this century announce.
CAPABILITIES = 0x0200 | 0x8000 | 0x80000
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
MORE_DATA = b"\x01"
FULL_LOGIN = b"\x04"
WANTS_KEY = b"\x02"
HASH = hashes.SHA1()  # that of the protocol


class PlayedServer:
    """Hands each connection to `play`, until the end of the block."""

    def __init__(self, play: Callable[[socket.socket], None]) -> None:
        self.play = play
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # the listener was shut
                return
            with connection, contextlib.suppress(OSError):  # the client has gone
                self.play(connection)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def saying(words: bytes) -> PlayedServer:
    """One that says something to whoever comes, and hangs up."""
    return PlayedServer(lambda connection: connection.sendall(words))


class Sha2Login:
    """A MySQL 8 that takes one password by its default way to log in, on a connection in the clear,
    and of all statements only those that set something."""

    def __init__(self, password: str) -> None:
        self.password = password.encode()
        self.key = rsa.generate_private_key(65_537, 2048)

    def __call__(self, connection: socket.socket) -> None:
        send(connection, 0, greeting())
        receive(connection)
        send(connection, 2, MORE_DATA + FULL_LOGIN)
        assert receive(connection) == WANTS_KEY
        public = self.key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        send(connection, 4, MORE_DATA + pem)
        if self.decrypted(receive(connection)) != self.password + b"\0":
            send(connection, 6, refused(1045, "Access denied"))
            return
        send(connection, 6, OK)
        while statement := receive(connection)[1:]:
            is_known = statement.startswith(b"SET ")
            send(connection, 1, OK if is_known else refused(1105, "logged in, and no more"))

    def decrypted(self, answer: bytes) -> bytes:
        mask = padding.OAEP(padding.MGF1(HASH), HASH, None)
        hidden = self.key.decrypt(answer, mask)
        return bytes(c ^ SALT[n % len(SALT)] for n, c in enumerate(hidden))


def greeting() -> bytes:
    low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
    about = struct.pack("<HBHHB10x", low, 255, 0, high, len(SALT) + 1)
    begin = b"\x0a8.4.3\0" + struct.pack("<I", 1) + SALT[:8] + b"\0"
    return begin + about + SALT[8:] + b"\0caching_sha2_password\0"


def refused(code: int, sentence: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#HY000" + sentence.encode()


def send(connection: socket.socket, number: int, payload: bytes) -> None:
    length = len(payload).to_bytes(3, "little")
    connection.sendall(length + bytes([number]) + payload)


def receive(connection: socket.socket) -> bytes:
    """The next packet; empty at the end."""
    head = connection.recv(4, socket.MSG_WAITALL)
    return connection.recv(int.from_bytes(head[:3], "little"), socket.MSG_WAITALL)
