"""Who sent a request, and a word to the operator where nobody can tell.

All of whom that is unknown would otherwise be nobody, and the numbers wrong without a sign of it.
"""

import logging

from ingestion.visitor.addresses import Address, address_from, address_in_forwarded
from shared.clock import MINUTE_MS

FORWARDED = "forwarded"
# For how long /ready tells of the last one; at most once in such a time the log does.
TOLD_MS = 5 * MINUTE_MS
LOGGED_MS = MINUTE_MS

log = logging.getLogger(__name__)


class Senders:
    """Reads addresses where ADDRESS_HEADER says they are, and remembers when one was not."""

    def __init__(self, header: str) -> None:
        self.place = header or "the connection"
        self.absent = "is absent or empty" if header else "has none"
        self.read = address_in_forwarded if header.lower() == FORWARDED else address_from
        self.problem = ""
        self.seen_at = self.logged_at = -TOLD_MS

    def address(self, text: str | None, now: int) -> Address | None:
        """The address in a header's value or a connection's; None where it tells none."""
        try:
            if not text:
                raise ValueError(self.absent)
            return self.read(text)
        except ValueError as error:
            self.problem, self.seen_at = f"{self.place} {error}", now
        if now - self.logged_at >= LOGGED_MS:
            self.logged_at = now
            log.warning("%s", self.sentence())
        return None

    def warnings(self, now: int) -> list[str]:
        """What to tell the operator: nothing, or of the last request without an address."""
        return [self.sentence()] if now - self.seen_at < TOLD_MS else []

    def sentence(self) -> str:
        return (
            f"ADDRESS_HEADER: a visitor's address cannot be read: {self.problem}. "
            "Such visitors are nobody, and their country is not looked up."
        )
