"""Made-up traffic of many sites in order of time, as the script for websites sends it: the same
each time for the same `Traffic`.

Nothing of it is remembered but how many users each site has had, so that it may be of any length.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

from footfall.load.traffic.catalogue import AGENTS, COUNTRIES, REFERRERS, Weighted, page_names, zipf
from shared.clock import DAY_MS
from shared.event import PAGE_VIEW, Event, encode_event

# Drawn at once: one by one, choosing a site of 5,000 would be most of the work.
CHUNK = 10_000
PATHS = 500
VIEWS = 0.9
# The share of events whose user the site has seen before.
RETURNING = 0.3
OTHER_TYPES = Weighted({"click": 6, "search": 2, "signup": 1, "download": 1})
# A day begins at its quietest, and is busiest at this share of it.
BUSIEST = 0.6
# Odd, so that it names as many users as there are numbers, in no order: each name lands elsewhere
# in an index, as random ones do.
SPREAD = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Traffic:
    """`events` events from `start` on, for `span_ms`, on so many sites: each in turn, or by Zipf's
    law (`is_zipf`), by which the first has twice as many as the second."""

    events: int
    start: int
    span_ms: int
    sites: int = 1
    is_zipf: bool = False
    seed: int = 1


def site_name(number: int) -> str:
    """The first, number 0, is the largest."""
    return f"site-{number}.example"


def payloads(traffic: Traffic) -> Iterator[bytes]:
    """As they wait in Redis."""
    return map(encode_event, make_traffic(traffic))


def make_traffic(traffic: Traffic) -> Iterator[Event]:
    random_ = random.Random(traffic.seed)
    users = [0] * traffic.sites
    paths = Weighted(dict(zip(page_names(PATHS), zipf(PATHS), strict=True)))
    for number, site in enumerate(draw_sites(traffic, random_)):
        is_new = not users[site] or random_.random() >= RETURNING
        users[site] += is_new
        user = name_of(site, users[site] if is_new else random_.randint(1, users[site]))
        moment = traffic.start + moment_of(number + random_.random(), traffic)
        path = paths.draw(random_)
        yield Event(
            site_name(site),
            moment,
            f"{random_.getrandbits(128):032x}",
            PAGE_VIEW if random_.random() < VIEWS else OTHER_TYPES.draw(random_),
            moment,
            has_caller_id=True,
            path=path,
            user_id=f"{user:016x}{user * SPREAD & MASK:016x}",
            session_id=f"{user:016x}{moment // DAY_MS:016x}",
            referrer=REFERRERS.draw(random_) if is_new else None,
            title=f"{path.rpartition('/')[2].title() or 'Home'} of site {site}" if is_new else None,
            # Whoever comes again has the browser that they had.
            user_agent=AGENTS.at((user & 0xFFFF) / 0x10000),
            country=COUNTRIES.at((user >> 16 & 0xFFFF) / 0x10000),
        )


def draw_sites(traffic: Traffic, random_: random.Random) -> Iterator[int]:
    """The number of each event's site."""
    numbers = range(traffic.sites)
    weights = list(accumulate(zipf(traffic.sites)))
    for first in range(0, traffic.events, CHUNK):
        some = range(first, min(first + CHUNK, traffic.events))
        if traffic.is_zipf:
            yield from random_.choices(numbers, cum_weights=weights, k=len(some))
        else:
            yield from (number % traffic.sites for number in some)


def name_of(site: int, number: int) -> int:
    """64 bits that are one user's of all sites."""
    return ((site << 32 | number) * SPREAD) & MASK


def moment_of(place: float, traffic: Traffic) -> int:
    """When the event at this place happens, in ms since the start; later places are never earlier.
    Days have their waves, where there is a whole one."""
    at = place / traffic.events * traffic.span_ms
    if traffic.span_ms < DAY_MS:
        return int(at)
    day, rest = divmod(at, DAY_MS)
    return int(day * DAY_MS + wave(rest / DAY_MS) * (DAY_MS - 1))


def wave(share: float) -> float:
    """Of a day's events, when the last of this share has happened: a triangle's quantile."""
    if share < BUSIEST:
        return sqrt(share * BUSIEST)
    return 1 - sqrt((1 - share) * (1 - BUSIEST))
