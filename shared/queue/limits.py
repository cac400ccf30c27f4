"""How many events whoever has a limit may bring: a site or an address each second, a key each day.

A push says what it charges to whom, and Redis, in that same call, refuses a request of which one
limit is reached, or else takes and charges it: see scripts.py. A rate is held by the generic cell
rate algorithm (ITU-T I.371, annex A, as virtual scheduling): of each name one moment is kept, up to
which what came would have taken at that rate. It may lie BURST_MS ahead; a request that still finds
it there is taken whole, and what it has too much is waited for by those that come later.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.errors import Unavailable

# So many seconds' worth may come at once.
BURST_MS = 10_000
# So much of a rate is charged at once, in advance, where a request has less.
LEASE_MS = 50


class Of:
    """Whose limit it is. No enumeration: to hash a member of one is a call of Python, and these are
    looked up for each event."""

    SITE: Final = "s"
    ADDRESS: Final = "a"
    KEY: Final = "k"


class Limit:
    """What somebody may bring, `most` a second, or of a key each UTC day, and what this process
    knows of it. A key is named with its `day`, an address by a digest.

    So many are `leased`: charged, and have not come yet. The moments are by `time.monotonic`: until
    then a request waits to hear of another lease, it is reached, or has too little for a lease.
    """

    __slots__ = (
        "day",
        "leased",
        "leasing_until",
        "most",
        "name",
        "of",
        "reached_until",
        "scarce_until",
    )

    def __init__(self, of: str, name: str, most: int, day: int = 0) -> None:
        self.of = of
        self.name = name
        self.most = most
        self.day = day
        self.leased = 0
        self.leasing_until = self.reached_until = self.scarce_until = 0.0

    @property
    def key(self) -> str:
        """Under which Redis keeps it. With another rate, one begins anew."""
        rate = "" if self.of == Of.KEY else f":{self.most}"
        return f"{self.of}{rate}:{self.name}"


class Charge(NamedTuple):
    """So many events of one that has a limit; `spare` of them have not come yet."""

    limit: Limit
    events: int
    spare: int = 0


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
        limit = charge.limit
        # Without those to spare, the same may be taken at once.
        is_tried_again = limit.of == Of.KEY and charge.spare > 0
        seconds = 1 if is_tried_again else max(1, math.ceil(wait_ms / 1000))
        code, sentence = SENTENCES[limit.of]
        message = f"{sentence.format(limit.name, limit.most)}: send the same again in {seconds} s"
        super().__init__(code, message, retry_after_seconds=seconds)
        self.charge = charge
        self.wait_ms = wait_ms
