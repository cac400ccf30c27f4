"""What a request's events are charged to: their sites, the address they came from, the key.

Redis holds the limits, in the call that takes the events; while it is away, nobody has one. What it
has found reached is refused here without asking it again, for as long as it said.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

from ingestion.protocols.protocol import Outcome
from ingestion.reading.request import Request
from ingestion.sites.site_book import SiteBook
from ingestion.visitor.addresses import Address
from ingestion.visitor.visitors import Salts
from shared.clock import DAY_MS, iso_from_ms
from shared.keys.keys import Key
from shared.queue.limits import Charge, Charges, Of, OverLimit
from shared.settings import Settings

# Of limits that are reached; with more, Redis is asked for each again.
MOST_REACHED = 10_000
# Of an IPv6 address, whose the network is: one household has all addresses behind it.
NETWORK_BITS = 64
DIGEST_BYTES = 12


class Limits:
    """Asked by the threads that answer."""

    def __init__(
        self,
        settings: Settings,
        sites: SiteBook,
        address_of: Callable[[Request, int], Address | None],
        salts: Salts,
    ) -> None:
        self.of_site = settings.site_events_per_second
        self.of_address = settings.address_events_per_second
        self.sites = sites
        self.address_of = address_of
        self.salts = salts
        # Where there is no salt yet: then an address has a limit of its own in each process.
        self.own_salt = secrets.token_bytes(DIGEST_BYTES)
        # Until when each, with how much it was of, by `time.monotonic`.
        self.reached: dict[tuple[str, int], float] = {}

    def sender(self, request: Request, now: int) -> str:
        """The digest of the address from where it came, of a UTC day; empty where that has no
        limit, or is not known. `now` is in ms. Raises OverLimit."""
        if not self.of_address or (address := self.address_of(request, now)) is None:
            return ""
        salt = self.salts.known.get(now - now % DAY_MS, self.own_salt)
        name = address.packed if address.version == 4 else address.packed[: NETWORK_BITS // 8]
        sender = blake2b(name, key=salt, digest_size=DIGEST_BYTES).hexdigest()
        self.refuse_known(Charge(Of.ADDRESS, sender, 0, self.of_address))
        return sender

    def charges(self, outcome: Outcome, now: int) -> Charges:
        """Raises OverLimit where one of the limits is known to be reached."""
        charges: list[Charge] = []
        if self.of_site or self.sites.limits:
            for site_id, events in Counter(outcome.site_ids).items():
                if most := self.sites.limits.get(site_id, self.of_site):
                    charges.append(Charge(Of.SITE, site_id, events, most))
        events = len(outcome.encoded)
        if outcome.sender:
            charges.append(Charge(Of.ADDRESS, outcome.sender, events, self.of_address))
        key = outcome.key
        if key is not None and key.events_per_day:
            charges.append(Charge(Of.KEY, daily_name(key, now), events, key.events_per_day))
        if self.reached:
            for charge in charges:
                self.refuse_known(charge)
        return charges

    def refuse_known(self, charge: Charge) -> None:
        reached = charge.limit, charge.most
        until = self.reached.get(reached)
        if until is None:
            return
        left = until - time.monotonic()
        if left > 0:
            raise OverLimit(charge, left * 1000)
        self.reached.pop(reached, None)

    def note(self, error: OverLimit) -> None:
        """A limit is reached, as Redis has said, or this process."""
        charge = error.charge
        if charge.of is Of.KEY and charge.events > 1:
            return  # it may still take less
        if len(self.reached) >= MOST_REACHED:
            self.reached = {}
        self.reached[charge.limit, charge.most] = time.monotonic() + error.wait_ms / 1000


def daily_name(key: Key, now: int) -> str:
    return f"{key.key_id}:{iso_from_ms(now)[:10]}"
