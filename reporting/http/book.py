"""What reporting knows of what is set in the database: read again and again, and held on to while
the database does not answer."""

import logging
import math
import threading
import time
from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from shared.db.database import at_once, translated_errors
from shared.errors import Unavailable

log = logging.getLogger(__name__)

# How long the database is not asked again, and what it said goes.
KNOWN_SECONDS = 2.0
# Beyond that nobody goes by what was known while another asks anew.
OLD_SECONDS = 2 * KNOWN_SECONDS


class Book:
    """Threads share it. It is read from the first of some databases that answers: where it is
    written, before any that may lag behind."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = engines
        self.is_known = False
        self.asked_at = -math.inf
        self.lock = threading.Lock()

    def fill(self, connection: Connection) -> None:
        """Know what the database has."""
        raise NotImplementedError

    def look(self) -> None:
        """Know what there is, as of a moment ago, or as far as it was ever known."""
        if self.age() >= KNOWN_SECONDS and self.lock.acquire(blocking=self.age() >= OLD_SECONDS):
            try:
                if self.age() >= KNOWN_SECONDS:
                    self.read()
                    self.asked_at = time.monotonic()
            finally:
                self.lock.release()

    def ask_anew(self) -> None:
        """It has changed: let the next look find that."""
        self.asked_at = -math.inf

    def age(self) -> float:
        """Seconds since the database was asked."""
        return time.monotonic() - self.asked_at

    def read(self) -> None:
        for engine in self.engines:
            try:
                with at_once(), translated_errors(), engine.begin() as connection:
                    self.fill(connection)
            except Unavailable as error:
                log.debug("%s reads nothing new: %s", type(self).__name__, error)
                continue
            self.is_known = True
            return
