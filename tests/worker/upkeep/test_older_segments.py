"""Segments that an earlier version made, before there was some field: exact, and made anew where
nobody knows what they lack. `device`, the last column, stands for that field."""

from typing import Any

import pytest
from sqlalchemy import Engine, delete, update

from reporting.count import from_segments
from reporting.count.from_segments import fetch_past
from shared.counts.segments import COLUMNS, USER, Segment
from shared.db.database import reading_engine
from shared.db.tables import events, segment_columns, segments
from shared.settings import Settings
from tests.counted import commit, differences, varied_events
from tests.events import NOW
from tests.reporting.asked import breakdown_query_from
from tests.segmented import build_all, held
from worker.stored.segment_rows import void_segments

NEWEST = COLUMNS[-1]
BEFORE = len(COLUMNS) - 1


@pytest.fixture
def built(engine: Engine, database_settings: Settings) -> Engine:
    """Events without any value of the newest field, in segments."""
    commit(engine, "b", [e for e in varied_events(3, 90) if e.user_agent is None])
    build_all(database_settings, engine)
    return engine


def age(engine: Engine, *, known: int) -> None:
    """Let the segments be those of a version before the newest field."""
    with engine.begin() as connection:
        connection.execute(delete(segment_columns).where(segment_columns.c.name == NEWEST))
        aged = update(segments).values(made_columns=BEFORE, known_columns=known)
        connection.execute(aged)


def fill(engine: Engine) -> None:
    """Let all events have a value after all."""
    with engine.begin() as connection:
        connection.execute(update(events).values({NEWEST: "tablet"}))


def rows_of(settings: Settings) -> tuple[list[tuple[Any, ...]], list[Segment]]:
    """The breakdown by the newest field, and from which segments it was counted."""
    asked = {"site_id": ["a"], "from": ["2025-11-13"], "to": ["2025-11-15"], "country": ["DE"]}
    query = breakdown_query_from(asked | {"dimension": [NEWEST], "event_type": ["all"]}, NOW)
    engine = reading_engine(settings)
    try:
        with engine.begin() as connection:
            past = fetch_past(connection, query)
            values = from_segments.fetch_values(connection, query, NEWEST, past, with_users=True)
            return [tuple(value) for value in values], past.segments
    finally:
        engine.dispose()


def test_nobody_has_a_value_of_what_came_later(built: Engine, database_settings: Settings) -> None:
    age(built, known=len(COLUMNS))
    values, used = rows_of(database_settings)
    assert values == []
    assert [segment.bucket for segment in used] == [segment.bucket for segment in held(built)]
    assert differences(database_settings) == []
    assert build_all(database_settings, built)
    assert rows_of(database_settings)[1] == used  # nothing is made anew for that


def test_what_a_version_makes_that_does_not_know_the_field_yet_is_made_anew(
    built: Engine, database_settings: Settings
) -> None:
    age(built, known=BEFORE)
    fill(built)
    expected = rows_of(database_settings)
    assert expected[0][0][0] == "tablet"
    assert expected[1] == []
    assert build_all(database_settings, built)
    values, used = rows_of(database_settings)
    assert values == expected[0]
    assert [(s.made_columns, s.known_columns) for s in used] == [(len(COLUMNS),) * 2] * 3


def test_the_defaults_are_those_of_a_version_that_knows_of_neither_column(
    built: Engine, database_settings: Settings
) -> None:
    with built.begin() as connection:
        rows = connection.execute(segments.select()).all()
        connection.execute(delete(segments))
        for row in rows:
            written = {name: row._mapping[name] for name in ("site_id", "bucket", "until")}
            connection.execute(segments.insert(), {**written, "events": row.events})
    assert rows_of(database_settings)[1] == []
    assert build_all(database_settings, built)
    assert len(rows_of(database_settings)[1]) == 3


def test_a_field_that_is_filled_in_later_is_in_segments_once_they_are_taken_away(
    built: Engine, database_settings: Settings
) -> None:
    age(built, known=len(COLUMNS))
    fill(built)
    assert any(f"column='{NEWEST}'" in line for line in differences(database_settings))
    with built.begin() as connection:
        for site_id in "ab":
            void_segments(connection, site_id)
    expected = rows_of(database_settings)[0]
    assert build_all(database_settings, built)
    values, used = rows_of(database_settings)
    assert (values, len(used)) == (expected, 3)


def test_a_column_that_was_made_and_is_gone_is_damage(
    built: Engine, database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with built.begin() as connection:
        connection.execute(delete(segment_columns).where(segment_columns.c.name == NEWEST))
    fill(built)
    assert rows_of(database_settings)[0][0][0] == "tablet"
    assert "segment" in caplog.text
    assert any("expected a column" in line for line in differences(database_settings))


def test_columns_that_every_version_made_are_never_taken_for_empty() -> None:
    aged = Segment(0, 1, 1, made_columns=BEFORE)
    assert aged.without_values == (NEWEST,)
    assert USER not in aged.without_values
