"""Events with callers' ids for workers that share a queue, and what must come of them.

Users are new all the time, and each is in many events at once: whoever works sees them first at the
same moment. Some events are late, some a crawler's, and some are posted again, right away or later.
"""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from shared.clock import DAY_MS, HOUR_MS, SECOND_MS

SITES = ("a.example", "b.example")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PATHS = ("/", "/A", "/a", "/größe", *(f"/p{number}" for number in range(60)))
LATE, CRAWLED, REPEATED = 0.09, 0.03, 0.25
# New users of a site come together, so many in so many events.
NEW_USERS, OF_EVENTS = 40, 200
# Of a repeated event: how many events later, where it is right away.
SOON = 500

Posted = dict[str, Any]


@dataclass
class Day:
    """What must be counted of a site and UTC day."""

    events: int = 0
    views: int = 0
    users: set[str] = field(default_factory=set)
    paths: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Traffic:
    """In the order in which it is posted; `days` by site and the day's first ms."""

    posted: list[Posted]
    ids: set[str]
    crawled: int
    days: dict[tuple[str, int], Day]

    @property
    def repeats(self) -> int:
        return len(self.posted) - self.crawled - len(self.ids)


def make_traffic(events: int, seed: int, now: int) -> Traffic:
    """`events` different ones, of the hours before `now`, in ms."""
    random_ = random.Random(seed)
    placed: list[tuple[float, int, Posted]] = []
    for number in range(events):
        made = make_event(random_, number, now)
        placed.append((number, number, made))
        if random_.random() < REPEATED:
            later = random_.randrange(SOON) if random_.random() < 0.8 else random_.randrange(events)
            placed.append((number + later, number, made))
    posted = [made for _, _, made in sorted(placed, key=lambda place: place[:2])]
    kept = [made for made in posted if made["user_agent"] != CRAWLER]
    once = {made["event_id"]: made for made in kept}
    return Traffic(posted, set(once), len(posted) - len(kept), days_of(list(once.values())))


def make_event(random_: random.Random, number: int, now: int) -> Posted:
    # A second of its own, so that nobody is a burst.
    moment = now - HOUR_MS - number * SECOND_MS
    if random_.random() < LATE:
        moment -= random_.randrange(HOUR_MS, 3 * DAY_MS) // SECOND_MS * SECOND_MS
    return {
        "event_id": f"e{number}",
        "site_id": random_.choice(SITES),
        "event_type": random_.choice(["page_view", "page_view", "page_view", "signup"]),
        "timestamp": moment,
        "path": random_.choice(PATHS),
        "user_id": f"u{number // OF_EVENTS}-{random_.randrange(NEW_USERS)}",
        "user_agent": CRAWLER if random_.random() < CRAWLED else AGENT,
    }


def days_of(events: list[Posted]) -> dict[tuple[str, int], Day]:
    days: dict[tuple[str, int], Day] = defaultdict(Day)
    for event in events:
        day = days[event["site_id"], event["timestamp"] // DAY_MS * DAY_MS]
        day.events += 1
        day.users.add(event["user_id"])
        if event["event_type"] == "page_view":
            day.views += 1
            day.paths[event["path"]] += 1
    return dict(days)
