"""Who a browser is for a day: a keyed digest of site, address and user agent.

Only for requests that ask for it (`?users=hashed`), and for events that name no user themselves.
The key, a salt, is random, changes at midnight UTC and is gone a day after that: from then on
nobody can find out whose address a digest was made of, or that two days' digests are one visitor's.
"""

from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import parse_qs

from shared.clock import DAY_MS
from shared.errors import InvalidInput
from shared.queue.event_queue import EventQueue

PARAMETER = "users"
HASHED = "hashed"
ASKED = f"{PARAMETER}={HASHED}"


class Salts:
    """The salts of today and yesterday: read from Redis once a day, shared by all processes."""

    def __init__(self, queue: EventQueue) -> None:
        self.queue = queue
        self.known: dict[int, bytes] = {}

    def of_day(self, day: int, now: int) -> bytes:
        """The salt of a day, today or yesterday, given by its first ms. Raises Unavailable."""
        salt = self.known.get(day)
        if salt is None:
            salt = self.queue.share_salt(day, day + 2 * DAY_MS - now)
            kept = {known: of for known, of in self.known.items() if known + 2 * DAY_MS > now}
            self.known = kept | {day: salt}
        return salt


class Browser(NamedTuple):
    """Whoever sent one request, for as long as that is answered."""

    salts: Salts
    address: str
    received_at: int

    def user_id(self, site_id: str, timestamp: int, user_agent: str | None) -> str:
        """The visitor of an event. The salt is that of the event's day: what happened before
        midnight and arrives after it is still the same visitor's. Raises Unavailable."""
        today = self.received_at - self.received_at % DAY_MS
        day = timestamp - timestamp % DAY_MS
        # Other days have no salt any more, or none yet.
        salt = self.salts.of_day(day if day == today - DAY_MS else today, self.received_at)
        visitor = f"{site_id}\0{self.address}\0{user_agent or ''}"
        return blake2b(visitor.encode(), key=salt, digest_size=16).hexdigest()


def asks_for_visitors(query: str) -> bool:
    """Whether a request's query string asks to tell visitors apart. Raises InvalidInput."""
    if query == ASKED:  # as the tracker asks
        return True
    asked = parse_qs(query, keep_blank_values=True).get(PARAMETER)
    if asked not in (None, [HASHED]):
        raise InvalidInput("bad_users", f"users must be {HASHED}, or absent", field=PARAMETER)
    return asked is not None
