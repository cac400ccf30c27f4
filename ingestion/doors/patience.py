"""An end to bodies that do not arrive, for WSGI servers whose threads wait for them."""

import contextlib
import itertools
import socket
import threading
import time

from ingestion.reading.body import BODY_SECONDS

LOOK_SECONDS = 1.0


class Patience:
    """Ends the reading of what takes longer than `seconds`; the thread that waited goes on."""

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        self.seconds = seconds
        self.numbers = itertools.count()
        # In the order of their beginnings, and so of their ends.
        self.reading: dict[int, tuple[socket.socket, float]] = {}
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def begin(self, connection: socket.socket) -> int:
        """Reading begins; returns what to end it with."""
        if self.thread is None:
            self.start()
        number = next(self.numbers)
        self.reading[number] = (connection, time.monotonic() + self.seconds)
        return number

    def end(self, number: int) -> bool:
        """Reading is over; whether it had to be ended."""
        return self.reading.pop(number, None) is None

    def start(self) -> None:
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self.look_for_ever, daemon=True)
                self.thread.start()

    def look_for_ever(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        now = time.monotonic()
        for number, (connection, until) in list(self.reading.items()):
            if until > now:
                return
            if self.reading.pop(number, None) is not None:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
