"""Events of many kinds, counted; and whether what was counted is right."""

import random
from collections.abc import Callable, Iterable

from sqlalchemy import Engine

from footfall.rollups import patient_reader
from shared.clock import DAY_MS, HOUR_MS
from shared.db.database import writing_engine
from shared.errors import Unavailable
from shared.event import Event
from shared.settings import Settings
from tests.events import NOW, make_batch, make_event
from worker.batch.commit import commit_batch
from worker.stored.extent import Covered, Part, find_days
from worker.upkeep.rebuild import rebuild
from worker.verify.verify import verify

TODAY = NOW - NOW % DAY_MS
EVERYTHING = Part()
AGENTS = (
    None,
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6) AppleWebKit/605.1.15 Version/18.6 Safari/604.1",
)


def varied_events(
    seed: int, number: int, *, sites: str = "ab", days: int = 3, users: str = "user"
) -> list[Event]:
    """Of these sites and the last days, with and without users, paths and the rest."""
    random_ = random.Random(seed)
    pick = random_.choice
    return [
        make_event(
            n,
            event_id=f"{seed}-{n}",
            site_id=pick(sites),
            timestamp=TODAY - pick(range(days)) * DAY_MS + random_.randrange(5 * HOUR_MS),
            event_type=pick(["page_view", "page_view", "signup"]),
            path=pick([None, "/", "/A", "/a", "/größe"]),
            user_id=pick([None, *(f"{users}-{u}" for u in range(20))]),
            referrer=pick([None, "https://example.org/x"]),
            user_agent=pick(AGENTS),
            country=pick([None, "DE", "FR"]),
            utm_source=pick([None, "news"]),
        )
        for n in range(number)
    ]


def commit(engine: Engine, batch_id: str, events: Iterable[Event]) -> None:
    commit_batch(engine, make_batch(batch_id, *events), NOW)


def differences(settings: Settings, part: Part = EVERYTHING) -> list[str]:
    """The lines of `footfall verify`."""
    reader = patient_reader(settings)
    lines: list[str] = []
    verify(reader, part, say=lines.append)
    reader.dispose()
    return lines


def rebuild_all(engine: Engine, part: Part = EVERYTHING, *, in_full: bool = False) -> Covered:
    days = find_days(engine, part)
    reader = reader_beside(engine)
    try:
        return rebuild(
            reader,
            engine,
            days,
            are_all=part.has_all_days,
            on_day=lambda: None,
            in_full=in_full,
        )
    finally:
        reader.dispose()


def reader_beside(engine: Engine) -> Engine:
    """One of the same database."""
    return patient_reader(Settings(database_url=engine.url.render_as_string(hide_password=False)))


def insist(settings: Settings, work: Callable[[Engine], object]) -> None:
    """As a worker does: deadlocks and locks are tried again."""
    engine = writing_engine(settings)
    while True:
        try:
            work(engine)
            break
        except Unavailable:
            continue
    engine.dispose()
