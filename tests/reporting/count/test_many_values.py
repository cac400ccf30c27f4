"""A site none of whose pages is popular: all have as many views as the last that is told."""

import tracemalloc

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from reporting.count import ties
from shared.clock import DAY_MS, MINUTE_MS
from shared.event import Event
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting import plain
from tests.reporting.asked import breakdown_query_from, fetch_breakdown
from tests.reporting.conftest import Store

YESTERDAY = NOW - DAY_MS
VALUES = 3000
LONG = "x" * 2000


def test_the_first_by_value_are_told_and_the_texts_of_all_are_never_in_memory(
    store: Store, reports: FlaskClient
) -> None:
    store(
        *(
            make_event(number, timestamp=YESTERDAY + number, path=f"/{number:04}/{LONG}")
            for number in reversed(range(VALUES))
        ),
        make_event(VALUES, timestamp=YESTERDAY, path="/2000/" + LONG),
    )
    question = "/stats/breakdown?site_id=site-a&dimension=path&limit=3&date=2025-11-14"
    reports.get(question)  # what the first question makes for good
    tracemalloc.start()
    try:
        answer = reports.get(question).get_json()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    found = [(row["value"].partition("/x")[0], row["views"]) for row in answer["rows"]]
    assert found == [("/2000", 2), ("/0000", 1), ("/0001", 1)]
    assert peak_bytes < VALUES * len(LONG) / 1.5


def test_ties_are_cut_right_where_some_have_more_views_that_no_rollup_knows(
    store: Store, writing: Engine, reading: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages are viewed twice, save some that are viewed once, three times, or not by a rollup:
    in hours that a half-hour's zone cuts, and in rows that wait to be merged."""
    monkeypatch.setattr(ties, "FEW_VALUES", 50)
    day = {"site_id": ["site-a"], "date": ["2025-11-14"], "tz": ["Asia/Kolkata"]}
    start = breakdown_query_from(day | {"dimension": ["path"]}, NOW).start
    numbers = iter(range(10_000))

    def views(path: int, *minutes: int) -> list[Event]:
        moments = (start + minute * MINUTE_MS for minute in minutes)
        fields = ({"timestamp": moment, "path": f"/{path:03}"} for moment in moments)
        return [make_event(next(numbers), **its) for its in fields]

    merged = [event for path in range(5, 200) for event in views(path, 40, 700)]
    merged += [*views(0, 300), *views(1, 10), *views(2, 10), *views(7, 20), *views(150, 800)]
    store(*merged)
    merge(writing)
    waiting = [*views(0, 100), *views(2, 900), *views(3, 200), *views(6, 60), *views(180, 5)]
    store(*waiting)
    for limit in ("1", "4", "7", "100"):
        query = breakdown_query_from(day | {"dimension": ["path"], "limit": [limit]}, NOW)
        expected = plain.rows([*merged, *waiting], query, "path")
        assert fetch_breakdown(reading, query)["rows"] == expected
