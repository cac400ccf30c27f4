"""A site with a past: the same page views on every database, put there by the worker's own code."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import Engine

from shared.clock import DAY_MS
from shared.event import PAGE_VIEW, Event
from worker.batch.commit import Opened, count_rows, number_users
from worker.batch.insert import insert_rows, row_from
from worker.counting.users import UserNumbers
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger
from worker.upkeep.segments import GRACE_MS, build_segments

SITE = "bench.example"
BATCH_ROWS = 20_000
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari"
    for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Mac OS X 14_1")
    for version in range(120, 144)
]
REFERRERS = [None, None, None, *(f"https://site-{n}.example/page" for n in range(40))]
COUNTRIES = ["DE", "FR", "US", "IN", "BR", "JP", "GB", "ES"]
CAMPAIGNS = [None] * 9 + ["spring"]


@dataclass(frozen=True)
class History:
    """How much a site has behind it; `last_day` is when its last day begins, in ms."""

    events: int
    last_day: int
    days: int = 90
    users: int = 200_000
    paths: int = 500


def zipf(number: int) -> list[float]:
    """Cumulative weights by which the first of `number` comes twice as often as the second."""
    return list(accumulate(1 / rank for rank in range(1, number + 1)))


def make_days(history: History) -> Iterator[list[Event]]:
    """The events of each day in turn, in the order of their keys."""
    random_ = random.Random(history.events)
    users, paths = range(history.users), range(history.paths)
    # Half as steep: of 200,000 users the first must not be a tenth of all views.
    user_weights = list(accumulate(rank**-0.5 for rank in range(1, history.users + 1)))
    path_weights = zipf(history.paths)
    each_day = history.events // history.days
    for day in range(history.days):
        start = history.last_day - (history.days - 1 - day) * DAY_MS
        # More in the afternoon than at night.
        moments = sorted(
            int(random_.triangular(0, DAY_MS - 1, DAY_MS * 0.6)) for _ in range(each_day)
        )
        yield [
            Event(
                SITE,
                start + moment,
                f"{day:x}-{number:x}",
                PAGE_VIEW,
                start + moment,
                path=f"/page/{path}",
                user_id=f"user-{user}",
                session_id=f"session-{user}",
                referrer=random_.choice(REFERRERS),
                user_agent=random_.choice(AGENTS),
                country=random_.choice(COUNTRIES),
                utm_campaign=random_.choice(CAMPAIGNS),
            )
            for number, (moment, path, user) in enumerate(
                zip(
                    moments,
                    random_.choices(paths, cum_weights=path_weights, k=each_day),
                    random_.choices(users, cum_weights=user_weights, k=each_day),
                    strict=True,
                )
            )
        ]


def write_history(engine: Engine, reader: Engine, history: History) -> None:
    """Store it as batches are stored, only larger ones, and do the periodic work."""
    numbers, merger = UserNumbers(engine), Merger(engine, StopFlag())
    for day, events in enumerate(make_days(history)):
        write_events(engine, numbers, f"{day}", events)
        merger.merge_all()
    while not build_segments(reader, engine, history.last_day + DAY_MS + GRACE_MS, StopFlag()):
        pass


def write_events(engine: Engine, numbers: UserNumbers, name: str, events: Sequence[Event]) -> None:
    """Store events, in the order of their keys, as batches whose ids begin with `name`."""
    for first in range(0, len(events), BATCH_ROWS):
        batch = list(events[first : first + BATCH_ROWS])
        opened = Opened(f"{name}-{first}", batch, [], [], [], number_users(numbers, batch))
        rows = [row_from(event) for event in batch]
        with engine.begin() as connection:
            insert_rows(connection, rows)
            count_rows(connection, opened, rows, burst_limit=0, now=0)
