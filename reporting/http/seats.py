"""How many questions are answered at a time; the others stand in line, and a long line is refused.

What asks no question, such as `/health` and `/metrics`, needs no seat: threads are left for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import Unavailable

# Of each process: what its connections to the database are for, and a few of them stay free.
SEATS = 4
# Who would stand behind these would wait longer than anybody does.
LONGEST_LINE = 200
RETRY_AFTER_SECONDS = 5
BUSY = "busy"
BUSY_SENTENCE = "too many questions are asked at a time; ask again in a moment"


class Seats:
    """`patience_seconds` is how long a question may stand in line, behind at most so many."""

    def __init__(self, patience_seconds: float, longest_line: int = LONGEST_LINE) -> None:
        self.patience_seconds = patience_seconds
        self.longest_line = longest_line
        self.free = threading.Semaphore(SEATS)
        self.lock = threading.Lock()
        self.waiting = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have a seat for the block. Raises Unavailable where none gets free."""
        if not self.free.acquire(blocking=False):
            self.stand_in_line()
        try:
            yield
        finally:
            self.free.release()

    def stand_in_line(self) -> None:
        with self.lock:
            if self.waiting >= self.longest_line:
                raise busy()
            self.waiting += 1
        try:
            if not self.free.acquire(timeout=self.patience_seconds):
                raise busy()
        finally:
            with self.lock:
                self.waiting -= 1


def busy() -> Unavailable:
    return Unavailable(BUSY, BUSY_SENTENCE, retry_after_seconds=RETRY_AFTER_SECONDS)
