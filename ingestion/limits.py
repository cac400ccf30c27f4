"""What a request's events are charged to: their sites, the address they came from, the key.

Redis holds the limits, in the call that takes the events; while it is away, nobody has one. That
call is not charged for each event: whoever has a limit is charged some in advance, LEASE_MS of its
rate, and this process lets as many through by itself. So no limit is exceeded, a process costs
Redis at most twenty charges a second for each, and what is lost where it ends is less than one.
What Redis has found reached is refused here without asking again, for as long as it said.
"""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from ingestion.protocols.protocol import Outcome
from ingestion.reading.request import Request
from ingestion.sites.site_book import SiteBook
from ingestion.visitor.salts import PeriodSalts
from ingestion.visitor.senders import Senders
from shared.clock import DAY_MS
from shared.keys.keys import Key
from shared.queue.limits import LEASE_MS, Charge, Charges, Limit, Of, OverLimit
from shared.queue.push_command import PUSH_SECONDS
from shared.settings import Settings

# Of a day's number, this part is charged in advance.
DAILY_LEASES = 10_000
# Limits of a kind of which anything is remembered; with more, Redis is asked for each again.
MOST_KNOWN = 10_000
DIGEST_BYTES = 12
NO_DAY = -1

Name = TypeVar("Name", str, int)


class Charged(NamedTuple):
    """What Redis is to charge for a request, and what was charged in advance."""

    charges: Charges
    leased: Sequence[tuple[Limit, int]]

    def settle(self) -> None:
        """Redis has charged it: what it has to spare is leased."""
        for limit, _, spare in self.charges:
            if spare:
                limit.leased += spare
                limit.leasing_until = 0.0

    def give_back(self) -> None:
        """What it took of leases, for nothing of the request is kept."""
        for limit, events in self.leased:
            limit.leased += events


NOTHING = Charged((), ())


class Limits:
    """Asked by the threads that answer."""

    def __init__(
        self, settings: Settings, sites: SiteBook, senders: Senders, salts: PeriodSalts
    ) -> None:
        self.of_site = settings.site_events_per_second
        self.of_address = settings.address_events_per_second
        self.sites = sites
        self.senders = senders
        self.salts = salts
        # Without it nobody can tell of which address a name was made; and where there is no salt
        # yet, an address has a limit of its own in each process.
        self.own_salt = secrets.token_bytes(DIGEST_BYTES)
        self.by_site: dict[str, Limit] = {}
        self.by_address: dict[int, Limit] = {}
        self.by_key: dict[str, Limit] = {}

    def of_request(self, request: Request, key: Key | None, now: int) -> Sequence[Limit]:
        """Those of whoever sent it, with this key: of the address or its network, and of the key;
        `now` is in ms. Raises OverLimit where one is known to be reached."""
        limits: list[Limit] = []
        if self.of_address:
            network = self.senders.network(request.peer, request.headers.get, now)
            if network:
                limits.append(self.of_network(network, now // DAY_MS))
        if key is not None and key.events_per_day:
            limits.append(self.of_key(key, key.events_per_day, now // DAY_MS))
        for limit in limits:
            if limit.reached_until:
                refuse_reached(limit)
        return limits

    def of_network(self, network: str, day: int) -> Limit:
        name = hash((self.own_salt, network))
        limit = self.by_address.get(name)
        if limit is None or limit.day != day:
            salt = self.salts.known.get(day * DAY_MS)
            key = salt or self.own_salt
            digest = blake2b(network.encode(), key=key, digest_size=DIGEST_BYTES).hexdigest()
            # Without a salt, of no day: looked up again, until there is one.
            limit = Limit(Of.ADDRESS, digest, self.of_address, day if salt else NO_DAY)
            remember(self.by_address, name, limit)
        return limit

    def of_key(self, key: Key, most: int, day: int) -> Limit:
        limit = self.by_key.get(key.key_id)
        if limit is None or limit.day != day or limit.most != most:
            limit = Limit(Of.KEY, f"{key.key_id}:{day}", most, day)
            remember(self.by_key, key.key_id, limit)
        return limit

    def charges(self, outcome: Outcome) -> Charged:
        """What its events are charged, here and in Redis. Raises OverLimit where a limit is known
        to be reached."""
        if not outcome.limits and not self.of_site and not self.sites.limits:
            return NOTHING
        wanted = [(limit, len(outcome.encoded)) for limit in outcome.limits]
        for site_id, events in counted(outcome.site_ids):
            if most := self.sites.limits.get(site_id, self.of_site):
                limit = self.by_site.get(site_id)
                if limit is None or limit.most != most:
                    limit = Limit(Of.SITE, site_id, most)
                    remember(self.by_site, site_id, limit)
                if limit.reached_until:
                    refuse_reached(limit)
                wanted.append((limit, events))
        charges: list[Charge] = []
        leased: list[tuple[Limit, int]] = []
        for taken in wanted:
            limit, events = taken
            if limit.leased >= events:
                limit.leased -= events
                leased.append(taken)
            else:
                charges.append(charge(limit, events))
        return Charged(charges, leased)


def charge(limit: Limit, events: int) -> Charge:
    """What Redis is told, with a lease where nobody else asks for that one."""
    now = time.monotonic()
    lease = 0
    if now >= max(limit.leasing_until, limit.scarce_until):
        is_daily = limit.of == Of.KEY
        lease = limit.most // DAILY_LEASES if is_daily else limit.most * LEASE_MS // 1000
    if lease <= events:
        return Charge(limit, events)
    limit.leasing_until = now + PUSH_SECONDS
    return Charge(limit, lease, lease - events)


def refuse_reached(limit: Limit) -> None:
    left = limit.reached_until - time.monotonic()
    if left > 0:
        raise OverLimit(Charge(limit, 1), left * 1000)
    limit.reached_until = 0.0


def note_reached(error: OverLimit) -> None:
    """A limit is reached, as Redis has said, or this process."""
    limit, events, spare = error.charge
    until = time.monotonic() + error.wait_ms / 1000
    if limit.of != Of.KEY:
        limit.reached_until = until
    elif spare:  # it may take the same without them
        limit.scarce_until = until
    elif events == 1:  # of a day's number, fewer may be left
        limit.reached_until = until


def remember(known: dict[Name, Limit], name: Name, limit: Limit) -> None:
    if len(known) >= MOST_KNOWN:
        known.clear()
    known[name] = limit


def counted(site_ids: Sequence[str]) -> Iterable[tuple[str, int]]:
    return ((site_ids[0], 1),) if len(site_ids) == 1 else Counter(site_ids).items()
