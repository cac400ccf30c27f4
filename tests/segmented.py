"""Segments made of what a database has, and which of them are there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, select

from shared.clock import HOUR_MS
from shared.counts.pending import read_pending
from shared.counts.rollups import TOTAL
from shared.counts.segments import Segment
from shared.db.database import reading_engine
from shared.db.tables import events_by_hour, pending_counts, segment_columns, segments
from shared.event import Event
from shared.settings import Settings
from tests.counted import TODAY
from tests.events import NOW, make_event
from worker.stopping import StopFlag
from worker.upkeep.segments import build_segments


def build_all(settings: Settings, engine: Engine, now: int = NOW) -> bool:
    """As the periodic process does."""
    reader = reading_engine(settings)
    is_done = build_segments(reader, engine, now, StopFlag())
    reader.dispose()
    return is_done


def held(engine: Engine, site_id: str = "a") -> list[Segment]:
    """A site's segments, in order."""
    statement = (
        select(segments.c.bucket, segments.c.until, segments.c.events)
        .where(segments.c.site_id == site_id)
        .order_by(segments.c.bucket)
    )
    with engine.connect() as connection:
        return [Segment(*row) for row in connection.execute(statement)]


def in_force(engine: Engine, site_id: str = "a") -> list[Segment]:
    """Those that have as many events as are counted in their hours, or wait to be."""
    merged, pending = events_by_hour.c, pending_counts.c
    counts = select(merged.bucket, merged.events).where(
        merged.site_id == site_id, merged.dimension == TOTAL
    )
    rows = select(pending.bucket, pending.events, pending.data).where(pending.site_id == site_id)
    with engine.connect() as connection:
        hours: list[Any] = list(connection.execute(counts))
        for row in connection.execute(rows):
            hours += [(moment, 1) for moment in read_pending(*row).moments()]
    return [
        segment
        for segment in held(engine, site_id)
        if segment.events == sum(n for hour, n in hours if segment.bucket <= hour < segment.until)
    ]


def held_columns(engine: Engine) -> set[tuple[str, int, str]]:
    """site_id, bucket and name of each column."""
    key = (segment_columns.c.site_id, segment_columns.c.bucket, segment_columns.c.name)
    with engine.connect() as connection:
        return {(site, bucket, name) for site, bucket, name in connection.execute(select(*key))}


@contextmanager
def once(engine: Engine, moment: str, words: str, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen `before` or `after` the first statement with these words."""
    happened = False

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal happened
        if not happened and words in " ".join(statement.split()):
            happened = True
            happens()

    event.listen(engine, f"{moment}_cursor_execute", look)
    yield
    event.remove(engine, f"{moment}_cursor_execute", look)
    assert happened, words


def events_in(*hours: float, day: int = TODAY, batch: str = "") -> list[Event]:
    """One of site a in each of these hours of a day."""
    return [
        make_event(
            n,
            event_id=f"{batch}{day}-{n}",
            site_id="a",
            timestamp=day + int(hour * HOUR_MS),
            user_id=f"u{n}",
        )
        for n, hour in enumerate(hours)
    ]
