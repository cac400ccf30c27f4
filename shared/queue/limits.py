"""How many events whoever has a limit may bring: a site or an address each second, a key each day.

A push says what it charges to whom, and Redis, in that same call, refuses a request of which one
limit is reached, or else takes and charges it: see scripts.py. A rate is held by the generic cell
rate algorithm (ITU-T I.371, annex A, as virtual scheduling): of each name one moment is kept, up to
which what came would have taken at that rate. It may lie BURST_MS ahead; a request that still finds
it there is taken whole, and what it has too much is waited for by those that come later.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from shared.errors import Unavailable

# So many seconds' worth may come at once.
BURST_MS = 10_000


class Of(StrEnum):
    """Whose limit it is."""

    SITE = "s"
    ADDRESS = "a"
    KEY = "k"


class Charge(NamedTuple):
    """So many events of one that has a limit: `most` a second, and of a key a UTC day. A key is
    named with the day, an address by a digest."""

    of: Of
    name: str
    events: int
    most: int

    @property
    def limit(self) -> str:
        """Under which it is kept. With another rate, one begins anew."""
        rate = "" if self.of is Of.KEY else f":{self.most}"
        return f"{self.of}{rate}:{self.name}"


Charges = Sequence[Charge]

SENTENCES = {
    Of.SITE: (
        "site_limit",
        "site_id {} may have {} events a second (SITE_EVENTS_PER_SECOND, or its own setting)",
    ),
    Of.ADDRESS: (
        "address_limit",
        "one address may send {1} events a second (ADDRESS_EVENTS_PER_SECOND)",
    ),
    Of.KEY: ("key_quota", "this key may bring {1} events a day, in UTC"),
}


class OverLimit(Unavailable):
    """A request found a limit reached, for `wait_ms` still: nothing of it is kept, and the same is
    taken later."""

    status = 429

    def __init__(self, charge: Charge, wait_ms: float) -> None:
        seconds = max(1, math.ceil(wait_ms / 1000))
        code, sentence = SENTENCES[charge.of]
        message = f"{sentence.format(charge.name, charge.most)}: send the same again in {seconds} s"
        super().__init__(code, message, retry_after_seconds=seconds)
        self.charge = charge
        self.wait_ms = wait_ms
