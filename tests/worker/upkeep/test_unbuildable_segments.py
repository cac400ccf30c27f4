"""What cannot become a segment stays in `events`, and is in nobody's way."""

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import Engine, delete, select, update

from shared.clock import DAY_MS, HOUR_MS
from shared.counts import segments as shared_segments
from shared.counts.segments import Segment
from shared.db.database import reading_engine
from shared.db.tables import events, segment_columns, segments, sites, users
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, rebuild_all, varied_events
from tests.events import NOW
from tests.merged import merge
from tests.segmented import build_all, events_in, held, in_force, once
from worker.stopping import StopFlag
from worker.upkeep import segments as building
from worker.upkeep.retention import raise_pruned_before
from worker.upkeep.segments import Failed, build_segments

READING = "SELECT /* worker.segments */ events.timestamp"


@pytest.fixture
def reader(database_settings: Settings) -> Iterator[Engine]:
    engine = reading_engine(database_settings)
    yield engine
    engine.dispose()


def test_a_site_whose_events_are_not_all_counted_has_none_until_it_is_rebuilt(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 100))
    merge(engine)
    with engine.begin() as connection:
        connection.execute(delete(sites).where(sites.c.site_id == "a"))
        half_rebuilt = update(sites).where(sites.c.site_id == "b")
        connection.execute(half_rebuilt.values(first_event=TODAY, last_event=TODAY))
    assert build_all(database_settings, engine)
    assert held(engine, "a") == held(engine, "b") == []
    rebuild_all(engine)
    assert build_all(database_settings, engine)
    assert [len(in_force(engine, site)) for site in "ab"] == [3, 3]


def test_days_whose_events_may_be_pruned_have_none(
    engine: Engine, database_settings: Settings, reader: Engine
) -> None:
    commit(engine, "b", varied_events(1, 100, sites="a", days=4))
    raise_pruned_before(engine, {"a": TODAY - 2 * DAY_MS})
    later = partial(raise_pruned_before, engine, {"a": TODAY - DAY_MS})
    with once(reader, "after", READING, later):
        assert build_segments(reader, engine, NOW, StopFlag())
    assert [s.bucket - s.bucket % DAY_MS for s in held(engine)] == [TODAY - DAY_MS, TODAY]
    # Read before it was pruned, and about to be written after.
    commit(engine, "c", events_in(0.5, day=TODAY - DAY_MS, batch="late"))
    with once(reader, "after", READING, partial(raise_pruned_before, engine, {"a": TODAY})):
        assert build_segments(reader, engine, NOW, StopFlag())
    assert [s.bucket - s.bucket % DAY_MS for s in in_force(engine)] == [TODAY]


def test_events_whose_user_has_no_number_are_in_no_segment(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_in(1, 2, 3))
    commit(engine, "c", events_in(1, day=TODAY - DAY_MS))
    with engine.begin() as connection:
        connection.execute(delete(users).where(users.c.site_id == "a", users.c.user_id == "u2"))
    assert build_all(database_settings, engine)
    assert [s.bucket for s in held(engine)] == [TODAY - DAY_MS + HOUR_MS]
    rebuild_all(engine)
    assert build_all(database_settings, engine)
    assert [s.events for s in in_force(engine)] == [1, 3]
    assert differences(database_settings) == []


def test_events_that_no_rollup_counts_are_in_no_segment(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_in(1, 2, 3))
    with engine.begin() as connection:
        connection.execute(delete(events).where(events.c.timestamp == TODAY + 2 * HOUR_MS))
    assert build_all(database_settings, engine)
    assert held(engine) == []


def test_what_cannot_be_made_is_not_tried_again_before_another_hour_is_over(
    engine: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer ones that cannot be made leave time for the older ones."""
    commit(engine, "b", events_in(1, 2, 3))
    commit(engine, "c", events_in(1, day=TODAY - DAY_MS))
    with engine.begin() as connection:
        connection.execute(delete(events).where(events.c.timestamp == TODAY + 2 * HOUR_MS))
    monkeypatch.setattr(building, "BUDGET_SECONDS", 0.05)
    build = building.build
    tried: list[int] = []

    def build_slowly(
        reader: Engine, writer: Engine, site_id: str, segment: Segment, stopping: StopFlag
    ) -> bool:
        tried.append((segment.bucket - TODAY) // HOUR_MS)
        stopping.wait(0.06)
        return build(reader, writer, site_id, segment, stopping)

    monkeypatch.setattr(building, "build", build_slowly)
    failed: Failed = {}
    runs = [build_segments(reader, engine, NOW, StopFlag(), failed) for _ in range(3)]
    assert (runs, tried) == ([False, True, True], [1, -23])
    assert build_segments(reader, engine, NOW + HOUR_MS, StopFlag(), failed)
    assert tried == [1, -23, 1]
    assert len(failed) == 1


def test_a_day_that_is_rebuilt_meanwhile_is_in_no_segment_of_what_was_read(
    engine: Engine, database_settings: Settings, reader: Engine
) -> None:
    """There are as many events as before, of other paths."""
    commit(engine, "b", events_in(1, 2, 3))

    def change() -> None:
        with engine.begin() as connection:
            connection.execute(update(events).values(path="/changed"))
        rebuild_all(engine)

    with once(reader, "after", READING, change):
        assert build_segments(reader, engine, NOW, StopFlag())
    assert held(engine) == []
    assert build_segments(reader, engine, NOW, StopFlag())
    assert len(in_force(engine)) == 1
    assert differences(database_settings) == []


def test_columns_without_their_head_are_in_nobodys_way(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 50, sites="a"))
    build_all(database_settings, engine)
    with engine.begin() as connection:
        connection.execute(delete(segments))
    assert build_all(database_settings, engine)
    assert len(in_force(engine)) == 3
    assert differences(database_settings) == []


def test_an_hour_with_too_many_events_for_the_memory_is_left_out(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 1)
    monkeypatch.setattr(building, "MOST_EVENTS", 2)
    commit(engine, "b", events_in(1, 2, 2.1, 2.2, 3))
    assert build_all(database_settings, engine)
    assert [(s.bucket - TODAY) // HOUR_MS for s in held(engine)] == [1, 3]


def test_a_large_column_is_stored_in_parts(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_segments, "PART_BYTES", 7)
    commit(engine, "b", varied_events(1, 50, sites="a"))
    assert build_all(database_settings, engine)
    with engine.connect() as connection:
        parts = connection.scalars(select(segment_columns.c.data)).all()
    assert max(map(len, parts)) == 7
    assert differences(database_settings) == []
    commit(engine, "c", events_in(*([1] * 200), batch="late"))
    assert build_all(database_settings, engine)
    assert differences(database_settings) == []
