"""What is not merged is read once, counted as it comes and goes, and never more than there is. That
the answers are exact is told in test_exactness.py."""

import pytest
from sqlalchemy import Engine, insert, select, update

from reporting.ask.query import Query
from reporting.count import pending_rows, unmerged
from reporting.count.matching import Question
from reporting.count.unmerged import Counted, Unmerged
from shared.clock import DAY_MS, HOUR_MS
from shared.db.tables import dimension_values, pending_counts, sites
from shared.event import Event
from tests.counted import TODAY
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.asked import (
    breakdown_query_from,
    fetch_breakdown,
    fetch_sites,
    fetch_stats,
    stats_query_from,
)
from tests.reporting.conftest import Store
from tests.reporting.earlier_batches import merge_half
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger

DAY = {"site_id": ["a"], "date": ["2025-11-15"]}
QUERY = stats_query_from(DAY, NOW)


def events_at(*hours: float, name: str = "", path: str = "/") -> list[Event]:
    return [
        make_event(
            event_id=f"{name}{n}",
            site_id="a",
            timestamp=TODAY + int(hour * HOUR_MS),
            user_id=f"u{n % 3}",
            path=path,
        )
        for n, hour in enumerate(hours)
    ]


def labels(statements: list[str]) -> list[str]:
    return [sql.split("*/")[0].split("/*")[1].strip() for sql in statements if "/*" in sql]


def totals(reading: Engine, query: Query = QUERY) -> tuple[int, int]:
    answer = fetch_stats(reading, query)
    return answer["total_events"], answer["unique_users"]


def test_keys_are_read_once_an_answer_and_rows_once(
    reading: Engine, writing: Engine, store: Store, statements: list[str]
) -> None:
    store(*events_at(1, 5))
    assert totals(reading) == (2, 2)
    assert labels(statements).count("reporting.pending") == 1
    assert labels(statements).count("reporting.pending_rows") == 1
    statements.clear()
    assert totals(reading) == (2, 2)
    compared = stats_query_from(DAY | {"compare": ["previous"]}, NOW)
    assert totals(reading, compared) == (2, 2)
    assert labels(statements).count("reporting.pending") == 2
    assert "reporting.pending_rows" not in labels(statements)


def test_rows_that_come_are_added_and_those_that_go_are_not_counted_twice(
    reading: Engine, writing: Engine, store: Store
) -> None:
    """What was counted before is known by the rows it is of."""
    merger = Merger(writing, StopFlag())
    store(*events_at(1, 5))
    assert totals(reading) == (2, 2)
    store(*events_at(1.5, 2, 7, name="more", path="/more"))
    assert totals(reading) == (5, 3)
    merge_half(merger)
    assert totals(reading) == (5, 3)
    store(*events_at(1.7, name="last"))
    assert totals(reading) == (6, 3)
    merge(writing)
    assert totals(reading) == (6, 3)


def test_with_next_to_no_memory_answers_are_the_same(
    reading: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_rows, "MOST_BYTES", 1)
    monkeypatch.setattr(unmerged, "MOST_BYTES", 1)
    monkeypatch.setattr(unmerged, "CHUNK_EVENTS", 2)
    monkeypatch.setattr(pending_rows, "CHUNK_ROWS", 2)
    store(*events_at(1, 5, 6, 7, 8, 8.5, 8.6))
    for _ in range(2):
        assert totals(reading) == (7, 3)


def count(reading: Engine, *spans: tuple[int, int]) -> Counted:
    question = Question(QUERY, (QUERY.start, QUERY.end), with_users=True)
    with reading.begin() as connection:
        return Unmerged(connection, "a", (QUERY.start, QUERY.end)).count(question, spans)


def test_only_hours_in_the_spans_are_counted(reading: Engine, store: Store) -> None:
    store(*events_at(-1, 0, 1, 2, 5, 6, 7, 23, 24))
    spans = [(TODAY + start * HOUR_MS, TODAY + end * HOUR_MS) for start, end in ((1, 3), (5, 7))]
    assert count(reading, *spans).tally.events[0] == 4
    assert count(reading, (TODAY, TODAY + DAY_MS)).tally.events[0] == 7
    assert count(reading).tally.events[0] == 0


def test_what_is_known_is_not_changed_by_what_comes(reading: Engine, store: Store) -> None:
    """Another thread may be about to answer from it."""
    span = (QUERY.start, QUERY.end)
    store(*events_at(1, 1.5))
    before = count(reading, span)
    store(*events_at(1, 1.1, 1.2, name="more"))
    assert count(reading, span).tally.events[0] == 5
    assert (before.tally.events[0], len(before.tally.users[0])) == (2, 2)


def test_a_value_that_only_waits_has_its_text(
    reading: Engine, writing: Engine, store: Store
) -> None:
    store(*events_at(1, path="/known"))
    merge(writing)
    store(*events_at(2, 3, name="new", path="/größe"))
    with reading.begin() as connection:
        texts = connection.execute(select(dimension_values.c.value)).scalars().all()
    assert "/größe" not in texts
    asked = breakdown_query_from(DAY | {"dimension": ["path"]}, NOW)
    rows = [tuple(row.values()) for row in fetch_breakdown(reading, asked)["rows"]]
    assert rows == [("/größe", 2, 2), ("/known", 1, 1)]


def test_a_row_that_cannot_be_read_is_left_out_and_said(
    reading: Engine, writing: Engine, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store(*events_at(1, 1.1))
    store(*events_at(5, name="other"))
    with writing.begin() as connection:
        first = pending_counts.c.bucket == TODAY + HOUR_MS
        connection.execute(update(pending_counts).where(first).values(data=b"no columns"))
    assert totals(reading) == (1, 1)
    assert "pending_counts" in caplog.text


def test_sites_are_those_with_events_merged_or_not(
    reading: Engine, writing: Engine, store: Store
) -> None:
    """A row of `sites` may be there for the numbers of users of whom no event came."""
    of_none = {"site_id": "none", "users": 3, "first_event": 2**63 - 1, "last_event": -1}
    with writing.begin() as connection:
        connection.execute(insert(sites), of_none)
    assert fetch_sites(reading, NOW) == {"sites": []}
    store(make_event(1, site_id="new", timestamp=TODAY, user_id=None))
    store(*events_at(1, 2))
    merged_before = [
        {
            "site_id": "a",
            "first_event": "2025-11-15T01:00:00Z",
            "last_event": "2025-11-15T02:00:00Z",
            "total_events": 2,
            "total_views": 2,
        },
        {
            "site_id": "new",
            "first_event": "2025-11-15T00:00:00Z",
            "last_event": "2025-11-15T00:00:00Z",
            "total_events": 1,
            "total_views": 1,
        },
    ]
    assert fetch_sites(reading, NOW)["sites"] == merged_before
    merge(writing)
    assert fetch_sites(reading, NOW)["sites"] == merged_before
    store(make_event(7, site_id="a", timestamp=TODAY - 1, event_type="signup"))
    (first, _) = fetch_sites(reading, NOW)["sites"]
    assert first == merged_before[0] | {
        "first_event": "2025-11-14T23:59:59.999Z",
        "total_events": 3,
    }
