"""Whatever is compared together, the same is found; and a comparison goes on where it was left."""

import msgspec
import pytest
from sqlalchemy import Engine, delete, update

from shared.clock import DAY_MS
from shared.counts.rollups import DAYS, HOURS, LEVELS
from shared.db.tables import events_by_minute
from shared.settings import Settings
from tests.counted import TODAY, commit, reader_beside, varied_events
from tests.merged import merge
from tests.segmented import build_all
from worker.stored.extent import Part
from worker.verify.verify import Verified, verify

SPOILT = (events_by_minute, *(table for level in LEVELS for table in (level.events, level.users)))
SPOILT_TABLES = {table.name for table in SPOILT}
# Some of the sites' days are together, or each by itself.
CASES = ((Part(), 60), (Part(start=TODAY - 2 * DAY_MS, end=TODAY), 1))


@pytest.fixture
def spoilt(engine: Engine, database_settings: Settings) -> Engine:
    """Three sites of six days, which are of two weeks, with a difference in every table."""
    commit(engine, "b", varied_events(1, 200, sites="abc", days=6))
    merge(engine)
    build_all(database_settings, engine)
    commit(engine, "late", varied_events(2, 30, sites="ac", days=6))
    with engine.begin() as connection:
        for table in (events_by_minute, *(level.events for level in LEVELS)):
            spoil = update(table).where(table.c.site_id == "b", table.c.event_type == "signup")
            connection.execute(spoil.values(events=table.c.events + 1))
        for table in (HOURS.users, DAYS.users):  # so the weeks differ from the days
            connection.execute(delete(table).where(table.c.site_id == "c"))
    return engine


def compare(
    engine: Engine, part: Part, most: int | None = None, *, stops: bool = False
) -> tuple[list[str], Verified]:
    """What is said but for how many more there are, and what it comes to; of a comparison that
    stops behind each portion, and is kept meanwhile, the same."""
    lines: list[str] = []
    sizes = {} if most is None else {"most": most}
    verified = Verified()
    reader = reader_beside(engine)
    portions = 0
    while True:
        before = verified.reached
        verified = verify(
            reader, part, say=lines.append, verified=verified, is_over=lambda _: stops, **sizes
        )
        if not stops or verified.reached == before:
            break
        portions += 1
        verified = msgspec.json.decode(msgspec.json.encode(verified), type=Verified)
    reader.dispose()
    assert portions > 2 or not stops
    return sorted(line for line in lines if " and " not in line), verified


def test_portions_of_any_size_find_the_same(spoilt: Engine) -> None:
    for part, most in CASES:
        _, whole = compare(spoilt, part)
        _, parts = compare(spoilt, part, most)
        assert parts.found == whole.found, part
        assert whole.found.keys() == SPOILT_TABLES
        assert (parts.events, parts.sites, parts.days) == (whole.events, whole.sites, whole.days)


def test_a_comparison_goes_on_where_it_stopped(spoilt: Engine) -> None:
    lines, whole = compare(spoilt, Part(), 60)
    stopped = compare(spoilt, Part(), 60, stops=True)
    assert (stopped[0], stopped[1].found, stopped[1].events) == (lines, whole.found, whole.events)
