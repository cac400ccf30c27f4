"""Who a browser is for a day, or as long as its site wants: a keyed digest of site, address and
user agent.

Only for requests that ask for it (`?users=hashed`), and for events that name no user themselves.
The key, a salt, is random, changes when the period is over and is gone a day after that: from then
on nobody can find out whose address a digest was made of, or that two periods' digests are one
visitor's.
"""

from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import parse_qs

from ingestion.visitor.salts import Salts
from shared.errors import InvalidInput
from shared.sites.settings import DAY

PARAMETER = "users"
HASHED = "hashed"
ASKED = f"{PARAMETER}={HASHED}"


class Browser(NamedTuple):
    """Whoever sent one request, for as long as that is answered."""

    salts: Salts
    address: str
    received_at: int

    def user_id(
        self, site_id: str, timestamp: int, user_agent: str | None, period: str = DAY
    ) -> str:
        """The visitor of an event, the same for a period. The salt is that of when it happened:
        what happened before midnight and arrives after it is still the same visitor's. Raises
        Unavailable."""
        salt = self.salts.of[period].of_moment(timestamp, self.received_at)
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
