"""What the dearest questions are asked about: sites of every shape, in one database."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from sqlalchemy import Engine

from bench.history import SITE, History, write_events, write_history
from shared.clock import DAY_MS, HOUR_MS
from shared.db.database import reading_engine, writing_engine
from shared.event import PAGE_VIEW, Event
from shared.settings import Settings
from tests.migration import migrate
from worker.counting.users import UserNumbers
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger

PATHS, TYPES, LONG, WAITING = "paths.example", "types.example", "long.example", "waiting.example"
# Of which there is nothing.
UNKNOWN = "unknown.example"
YEARS = 30
# At a time in memory.
WRITTEN_EVENTS = 100_000


@dataclass(frozen=True)
class Shapes:
    """How many there are of each, `events` of one ordinary site with users, paths and 90 days;
    different paths, and types, of one event each on a day; sites of one event each; and events that
    are not merged. `last_day` is when the last day begins, in ms."""

    last_day: int
    events: int
    paths: int
    types: int
    sites: int
    waiting: int

    @property
    def site_ids(self) -> list[str]:
        return [SITE, PATHS, TYPES, LONG, WAITING, one_of_many(self.sites // 2), UNKNOWN]


def shapes_of(events: int, last_day: int) -> Shapes:
    """So many of each, in proportion, that with 5 million events each by itself is dear."""
    return Shapes(
        last_day,
        events,
        paths=events * 8 // 100,
        types=events * 4 // 100,
        sites=events * 5 // 100,
        waiting=events // 50,
    )


def one_of_many(number: int) -> str:
    return f"site-{number:06}.example"


def write_shapes(settings: Settings, shapes: Shapes) -> None:
    engine, reader = writing_engine(settings), reading_engine(settings)
    migrate(engine)
    write_history(engine, reader, History(shapes.events, shapes.last_day))
    numbers, merger = UserNumbers(engine), Merger(engine, StopFlag())
    for name, made in {
        "paths": events_of_paths(shapes),
        "types": events_of_types(shapes),
        "sites": events_of_sites(shapes),
        "long": events_of_years(shapes),
    }.items():
        write(engine, numbers, name, made)
        merger.merge_all()
    write(engine, numbers, "waiting", waiting_events(shapes))
    engine.dispose()
    reader.dispose()


def write(engine: Engine, numbers: UserNumbers, name: str, made: Iterator[Event]) -> None:
    for number in count():
        some = list(islice(made, WRITTEN_EVENTS))
        if not some:
            return
        write_events(engine, numbers, f"{name}-{number}", some)


def event_at(site_id: str, moment: int, number: int, path: str, event_type: str) -> Event:
    return Event(
        site_id,
        moment,
        f"{number:x}",
        event_type,
        moment,
        path=path,
        user_id=f"user-{number % 100_000}",
        session_id=f"session-{number % 100_000}",
        country="DE",
    )


def events_of_paths(shapes: Shapes) -> Iterator[Event]:
    for n in range(shapes.paths):
        moment = shapes.last_day + n * DAY_MS // shapes.paths
        yield event_at(PATHS, moment, n, f"/only-once/{n}", PAGE_VIEW)


def events_of_types(shapes: Shapes) -> Iterator[Event]:
    for n in range(shapes.types):
        moment = shapes.last_day + n * DAY_MS // shapes.types
        yield event_at(TYPES, moment, n, "/", f"type-{n}")


def events_of_sites(shapes: Shapes) -> Iterator[Event]:
    for n in range(shapes.sites):
        yield event_at(one_of_many(n), shapes.last_day + n % DAY_MS, n, "/", PAGE_VIEW)


def events_of_years(shapes: Shapes) -> Iterator[Event]:
    """One at another hour of each day."""
    days = YEARS * 365
    for n in range(days):
        moment = shapes.last_day - (days - 1 - n) * DAY_MS + n % 24 * HOUR_MS
        yield event_at(LONG, moment, n, f"/{n % 1000}", PAGE_VIEW)


def waiting_events(shapes: Shapes) -> Iterator[Event]:
    """Over 90 days, as after an outage."""
    first = shapes.last_day - 89 * DAY_MS
    for n in range(shapes.waiting):
        moment = first + n * 90 * DAY_MS // shapes.waiting
        yield event_at(WAITING, moment, n, f"/{n % 1000}", PAGE_VIEW)
