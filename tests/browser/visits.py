"""Visits of a site that looks like one: what the dashboard is shown and photographed with."""

import random
from collections.abc import Iterator
from itertools import accumulate

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.event import PAGE_VIEW, Event, encode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings

CHUNK = 1000
PAGES = (
    "/", "/pricing", "/blog/counting-without-cookies", "/docs/getting-started", "/docs",
    "/blog", "/about", "/docs/self-hosting", "/changelog", "/blog/sqlite-or-mariadb",
    "/docs/api", "/contact", "/jobs", "/imprint", "/blog/what-a-visit-is",
)  # fmt: skip
SOURCES = (
    None, "https://www.google.com/", None, "https://news.ycombinator.com/item", None,
    "https://github.com/", "https://duckduckgo.com/", "https://www.reddit.com/r/selfhosted",
    "https://lobste.rs/", "https://www.linkedin.com/", "https://mastodon.social/",
    "https://www.bing.com/", "https://fosstodon.org/",
)  # fmt: skip
COUNTRIES = ("DE", "US", "FR", "GB", "NL", "IN", "BR", "JP", "ES", "PL", "CA", "SE")
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6"
FIREFOX = "Gecko/20100101 Firefox/144.0"
AGENTS = tuple(
    f"Mozilla/5.0 ({system}) {browser}"
    for system, browser in (
        ("Windows NT 10.0; Win64; x64", f"{CHROME} Safari/537.36"),
        ("iPhone; CPU iPhone OS 18_6 like Mac OS X", f"{WEBKIT} Mobile/15E148 Safari/604.1"),
        ("Linux; Android 15; Pixel 9", f"{CHROME} Mobile Safari/537.36"),
        ("Macintosh; Intel Mac OS X 10_15_7", f"{WEBKIT} Safari/605.1.15"),
        ("X11; Linux x86_64; rv:144.0", FIREFOX),
        ("Windows NT 10.0; Win64; x64", f"{CHROME} Safari/537.36 Edg/143.0.0.0"),
        ("Macintosh; Intel Mac OS X 10.15; rv:144.0", FIREFOX),
        ("iPad; CPU OS 18_6 like Mac OS X", f"{WEBKIT} Mobile/15E148 Safari/604.1"),
    )
)
CAMPAIGNS = (None,) * 8 + ("spring-launch", "newsletter-11", "podcast")
# Of a day's visits, in each hour: a quiet night, a morning, an afternoon, an evening.
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 11, 14, 15, 14, 12, 13, 14, 14, 12, 10, 9, 9, 8, 7, 5, 3)
WEEKEND = 0.62


def weights(number: int) -> list[float]:
    """Cumulative: the first comes about twice as often as the second."""
    return list(accumulate(1 / rank**0.9 for rank in range(1, number + 1)))


def visits(site: str, now: int, *, days: int, a_day: int, seed: int = 4) -> Iterator[Event]:
    """Events of the last days up to `now` (ms), some of them in the last minutes."""
    random_ = random.Random(seed)
    for age in range(days - 1, -1, -1):
        start = now - now % DAY_MS - age * DAY_MS
        is_weekend = (start // DAY_MS + 3) % 7 >= 5
        growth = 1 + 0.5 * (days - age) / days
        number = int(a_day * growth * (WEEKEND if is_weekend else 1) * random_.uniform(0.85, 1.15))
        for visit in range(number):
            hour = random_.choices(range(24), HOURS)[0]
            moment = start + hour * HOUR_MS + random_.randrange(HOUR_MS)
            yield from visit_of(site, random_, f"{seed}-{age}-{visit}", moment, now)
    for visit in range(14):
        moment = now - random_.randrange(4 * MINUTE_MS)
        yield from visit_of(site, random_, f"{seed}-live-{visit}", moment, now)


def visit_of(
    site: str, random_: random.Random, name: str, moment: int, now: int
) -> Iterator[Event]:
    user = f"visitor-{int(random_.triangular(0, 9000, 600))}"
    referrer = random_.choices(SOURCES, cum_weights=weights(len(SOURCES)))[0]
    agent = random_.choices(AGENTS, cum_weights=weights(len(AGENTS)))[0]
    country = random_.choices(COUNTRIES, cum_weights=weights(len(COUNTRIES)))[0]
    campaign = random_.choice(CAMPAIGNS)
    kinds = [PAGE_VIEW] * random_.choice((1, 1, 1, 2, 2, 3, 5))
    kinds += ["signup"] * (random_.random() < 0.03) + ["download"] * (random_.random() < 0.06)
    for number, kind in enumerate(kinds):
        at = moment + number * 40_000
        if at >= now:
            return
        yield Event(
            site, at, f"{name}-{number}", kind, at,
            path=random_.choices(PAGES, cum_weights=weights(len(PAGES)))[0],
            user_id=user, session_id=name, referrer=referrer if number == 0 else None,
            user_agent=agent, country=country,
            utm_campaign=campaign, utm_source="mail" if campaign else None,
            utm_medium="newsletter" if campaign else None,
        )  # fmt: skip


def push_all(settings: Settings, events: Iterator[Event]) -> int:
    """Accept the events as the door does; how many."""
    queue = EventQueue(settings)
    encoded = [encode_event(event) for event in events]
    for first in range(0, len(encoded), CHUNK):
        queue.push(encoded[first : first + CHUNK])
    queue.close()
    return len(encoded)
