"""What is answered from segments reads no event that a segment has, and no more of them than it
must. That the answers are exact is told in test_exactness.py."""

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, update

from reporting.ask.query import Query
from reporting.count import from_segments
from reporting.count.cover import Span
from reporting.count.from_segments import Past, fetch_past, portions
from shared.clock import DAY_MS, HOUR_MS
from shared.counts.segments import COLUMNS, TIME, USER, Segment, encode_column
from shared.db.tables import segment_columns
from shared.event import Event
from tests.counted import TODAY
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.asked import (
    breakdown_query_from,
    fetch_breakdown,
    fetch_series,
    fetch_stats,
    series_query_from,
    stats_query_from,
)
from tests.reporting.conftest import Store
from worker.stopping import StopFlag
from worker.upkeep import segments as building
from worker.upkeep.segments import build_segments

# Two conditions: no rollup holds the answer.
FILTERED = {"site_id": ["a"], "path": ["/"], "country": ["DE"]}
TOMORROW = TODAY + DAY_MS + HOUR_MS
FROM_EVENTS = ("matching", "totals", "steps", "values")


def events_at(*hours: float, batch: str = "") -> list[Event]:
    """One of site a in each of these hours of today."""
    return [
        make_event(
            event_id=f"{batch}{n}",
            site_id="a",
            timestamp=TODAY + int(hour * HOUR_MS),
            user_id=f"u{n % 3}",
            country="DE",
        )
        for n, hour in enumerate(hours)
    ]


def build(reading: Engine, writing: Engine, now: int = TOMORROW) -> None:
    merge(writing)
    assert build_segments(reading, writing, now, StopFlag())


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are used even where they have few events."""
    monkeypatch.setattr(from_segments, "ROWS_A_SEGMENT", 0)
    monkeypatch.setattr(from_segments, "ROWS_A_FETCHED", 0)


def query_of(**parameters: str) -> Query:
    return stats_query_from(FILTERED | {k: [v] for k, v in parameters.items()}, NOW)


@given(sizes=st.lists(st.integers(1, 1_500_000)))
def test_portions_are_of_many_segments_that_fit_in_memory(sizes: list[int]) -> None:
    segments = [Segment(n, n + 1, size) for n, size in enumerate(sizes)]
    found = list(portions(segments))
    assert [segment for some in found for segment in some] == segments
    numbers = [sum(segment.events for segment in some) for some in found]
    fits = from_segments.CHUNK_EVENTS
    assert all(
        number <= fits or len(some) == 1 for number, some in zip(numbers, found, strict=True)
    )
    for number, following in zip(numbers, found[1:], strict=False):
        assert number + following[0].events > fits


@pytest.mark.parametrize(
    ("in_segments", "in_gaps", "expected"),
    [
        ([], 0, False),
        ([], 100, False),
        ([299], 0, False),
        ([300], 0, True),
        ([599, 1], 0, True),
        ([598, 1], 0, False),
        ([700], 100, True),
        ([699], 100, False),
        ([100_000], 1_000_000, False),
    ],
)
def test_segments_are_worth_it_where_they_and_the_gaps_cost_less_than_all_events(
    in_segments: list[int], in_gaps: int, expected: bool
) -> None:
    segments = [Segment(n, n + 1, number) for n, number in enumerate(in_segments)]
    assert Past(segments, [(0, 1)], in_gaps).is_worth_it is expected


def spans_of(past: Past, start: int = TODAY) -> tuple[list[Span], list[tuple[float, float]], int]:
    """Hours of the day: of segments, and of gaps; and the events in gaps."""
    segments = [
        ((s.bucket - start) // HOUR_MS, (s.until - start) // HOUR_MS) for s in past.segments
    ]
    gaps = [((a - start) / HOUR_MS, (b - start) / HOUR_MS) for a, b in past.gaps]
    return segments, gaps, past.events_in_gaps


def test_gaps_are_hours_that_have_events_and_no_segment_in_force(
    reading: Engine, writing: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 3)
    store(*events_at(1, 1.5, 2, 5, 6.5, 7, 11, 12))
    store(make_event(site_id="b", timestamp=TODAY + 15 * HOUR_MS))
    query = query_of(date="2025-11-15")
    with reading.begin() as connection:
        assert spans_of(fetch_past(connection, query)) == ([], [(1, 3), (5, 8), (11, 13)], 8)
    build(reading, writing)
    with reading.begin() as connection:
        assert spans_of(fetch_past(connection, query)) == ([(1, 3), (5, 8), (11, 13)], [], 0)
    # The first: beside all segments. The second: in one, which is no longer in force.
    store(*events_at(3.9, 5.1, 20, 21.5, batch="late"))
    with reading.begin() as connection:
        past = fetch_past(connection, query)
    assert spans_of(past) == ([(1, 3), (11, 13)], [(3, 4), (5, 8), (20, 22)], 7)
    merge(writing)
    with reading.begin() as connection:
        assert fetch_past(connection, query) == past


@pytest.mark.parametrize(
    ("zone", "gaps", "events"),
    [
        ("UTC", [(0, 1), (18, 19), (23, 24)], 4),
        # From 18:30 the day before up to 18:30, and from 19:30.
        ("Asia/Kolkata", [(-5.5, -5), (-1, 1), (18, 18.5)], 5),
        ("Asia/Kathmandu", [(-5.75, -5), (-1, 1), (18, 18.25)], 5),
        ("America/St_Johns", [(18, 19), (23, 24), (27, 27.5)], 4),
    ],
)
def test_gaps_end_with_the_range(
    reading: Engine, store: Store, zone: str, gaps: list[Span], events: int
) -> None:
    """Their events are counted by whole hours, for no rollup knows less; it is but a guess."""
    store(*events_at(-6.5, -5.75, -0.5, 0.5, 18.1, 18.6, 23.5, 27.1, 28.5))
    with reading.begin() as connection:
        past = fetch_past(connection, query_of(date="2025-11-15", tz=zone))
    assert spans_of(past) == ([], gaps, events)


def test_a_segment_that_begins_before_the_range_is_in_it(
    reading: Engine, writing: Engine, store: Store
) -> None:
    store(*events_at(-20, -1, 5, 22))
    build(reading, writing)
    with reading.begin() as connection:
        kolkata = fetch_past(connection, query_of(date="2025-11-15", tz="Asia/Kolkata"))
        tokyo = fetch_past(connection, query_of(date="2025-11-16", tz="Asia/Tokyo"))
        earlier = fetch_past(connection, query_of(date="2025-11-13"))
    assert spans_of(kolkata) == ([(-20, 0), (5, 23)], [], 0)
    assert spans_of(tokyo) == ([(5, 23)], [], 0)
    assert earlier == Past([], [], 0)


def of_events(statements: list[str]) -> list[str]:
    return [
        sql for sql in statements if any(f"/* reporting.{name} */" in sql for name in FROM_EVENTS)
    ]


def ask_all(reading: Engine) -> None:
    """Whatever no rollup covers, of today."""
    asked = FILTERED | {"date": ["2025-11-15"]}
    assert fetch_stats(reading, stats_query_from(asked, NOW))["total_views"] == 4
    for interval in ("minute", "hour", "day"):
        fetch_series(reading, series_query_from(asked | {"interval": [interval]}, NOW))
    for dimension in ("path", "os", "event_type"):
        fetch_breakdown(reading, breakdown_query_from(asked | {"dimension": [dimension]}, NOW))


@pytest.mark.usefixtures("_always")
def test_a_late_event_counts_beside_a_segment_before_it_is_merged(
    reading: Engine, writing: Engine, store: Store
) -> None:
    store(*events_at(1, 5))
    build(reading, writing)
    query = query_of(date="2025-11-15")
    assert fetch_stats(reading, query)["total_events"] == 2
    store(*events_at(1.5, batch="late"))
    assert fetch_stats(reading, query)["total_events"] == 3
    merge(writing)
    assert fetch_stats(reading, query)["total_events"] == 3


@pytest.mark.usefixtures("_always")
def test_what_is_in_segments_is_not_read_from_the_events(
    reading: Engine, writing: Engine, store: Store, statements: list[str]
) -> None:
    store(*events_at(1, 5, 6, 9))
    ask_all(reading)
    assert of_events(statements)
    build(reading, writing)
    statements.clear()
    ask_all(reading)
    assert statements
    assert of_events(statements) == []
    assert not [sql for sql in statements if "FROM events " in sql]


@pytest.mark.usefixtures("_always")
def test_of_the_events_only_gaps_are_read(
    reading: Engine, writing: Engine, store: Store, statements: list[str]
) -> None:
    store(*events_at(1, 5, 6, 9, 9.5, 9.6))
    build(reading, writing)
    store(*events_at(11.5, 13, batch="late"))
    read: list[list[int]] = []

    def note(_c: object, _k: object, statement: str, parameters: Any, *_: object) -> None:
        if "/* reporting.matching */" in statement:
            given = parameters.values() if isinstance(parameters, dict) else parameters
            read.append([value - TODAY for value in given if isinstance(value, int)])

    event.listen(reading, "before_cursor_execute", note)
    assert fetch_stats(reading, query_of(date="2025-11-15"))["total_events"] == 8
    assert len(of_events(statements)) == len(read)
    # Of the totals and of the paths.
    assert read == 2 * [[11 * HOUR_MS, 12 * HOUR_MS], [13 * HOUR_MS, 14 * HOUR_MS]]


def test_where_segments_have_few_of_the_events_the_database_counts(
    reading: Engine, writing: Engine, store: Store, statements: list[str]
) -> None:
    store(*events_at(1, 5))
    build(reading, writing)
    store(*events_at(11, 12, batch="late"))
    assert fetch_stats(reading, query_of(date="2025-11-15"))["total_events"] == 4
    labels = [sql.split("*/")[0].split("/*")[1].strip() for sql in of_events(statements)]
    assert labels == ["reporting.totals", "reporting.values"]


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize(
    ("parameters", "columns"),
    [
        ({}, {"path", "country", "event_type", USER}),
        ({"event_type": "all"}, {"path", "country", USER}),
        ({"tz": "Asia/Kolkata"}, {"path", "country", "event_type", USER, TIME}),
        ({"event_type": "signup", "os": "iOS"}, {"path", "country", "os", "event_type", USER}),
    ],
)
def test_only_the_columns_that_matter_are_read(
    reading: Engine,
    writing: Engine,
    store: Store,
    statements: list[str],
    parameters: dict[str, str],
    columns: set[str],
) -> None:
    """Of a segment that the range cuts, also the times; what is in the others is no column here."""
    store(*events_at(1, 5, 18.4, 18.6))
    build(reading, writing)
    query = query_of(date="2025-11-15", **parameters)
    before = fetch_stats(reading, query)
    with writing.begin() as connection:
        unread = segment_columns.c.name.in_(set(COLUMNS) - columns)
        connection.execute(update(segment_columns).where(unread).values(data=b"no column"))
    statements.clear()
    assert fetch_stats(reading, query) == before
    assert of_events(statements) == []


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("damage", ["bytes", "numbers", "length", "none"])
def test_a_segment_that_cannot_be_read_is_read_from_the_events(
    reading: Engine,
    writing: Engine,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    store(*events_at(1, 5, 30))
    build(reading, writing)
    query = query_of(**{"from": "2025-11-15", "to": "2025-11-16"})
    before = fetch_stats(reading, query)
    data = {
        "bytes": b"no column",
        "numbers": encode_column(["/"], array("I", [0, 7])),
        "length": encode_column(["/"], array("I", [0, 0, 0, 0])),
    }.get(damage)
    with writing.begin() as connection:
        path = segment_columns.c.name == "path"
        damaged = update(segment_columns).values(data=data) if data else delete(segment_columns)
        connection.execute(damaged.where(path))
    assert fetch_stats(reading, query) == before
    assert "segment" in caplog.text
