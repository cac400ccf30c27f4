"""Many spans are asked for at once, and answered as each by itself."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from reporting.count import each_span
from reporting.count.each_span import MOST_SPANS, fetch_each
from reporting.count.statements import select_edge_totals, select_edge_users, select_edge_values
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.asked import fetch_series, series_query_from, stats_query_from
from tests.reporting.conftest import Store

QUERY = stats_query_from({"site_id": ["a"], "country": ["DE"]}, NOW)
MIDNIGHT = NOW - NOW % DAY_MS
DAYS = MOST_SPANS + 20
# Of each day half an hour.
SPANS = [
    (start, start + HOUR_MS // 2) for start in range(MIDNIGHT, MIDNIGHT + DAYS * DAY_MS, DAY_MS)
]


@pytest.fixture
def filled(store: Store) -> None:
    """On each third day three events inside its half hour, and one right behind it."""
    store(
        *(
            make_event(
                4 * number + n,
                site_id="a",
                timestamp=start + moment,
                country=country,
                path="/ä ",
                user_id=user,
            )
            for number, (start, end) in enumerate(SPANS)
            if number % 3 == 0
            for n, (moment, country, user) in enumerate(
                [
                    (0, "DE", "u"),
                    (1, "FR", "v"),
                    (end - start - 1, "DE", None),
                    (end - start, "DE", "w"),
                ]
            )
        )
    )


@pytest.mark.usefixtures("filled")
def test_each_span_is_answered_as_by_itself(reading: Engine) -> None:
    with reading.begin() as connection:
        for select in (
            partial(select_edge_totals, QUERY),
            partial(select_edge_values, QUERY, "path"),
            partial(select_edge_users, QUERY, "path", ["/ä ", "/ä"]),
        ):
            alone = [
                (span[0], *row) for span in SPANS for row in connection.execute(select(span)).all()
            ]
            assert sorted(fetch_each(connection, select, "a", SPANS), key=str) == sorted(
                alone, key=str
            )
            assert any(2 in row or "/ä " in row for row in alone)


@pytest.mark.usefixtures("filled")
def test_thirty_years_of_a_zone_of_half_hours_are_few_statements(
    reading: Engine, statements: list[str]
) -> None:
    asked = {
        "from": ["1999-01-01"],
        "to": ["2028-12-31"],
        "interval": ["day"],
        "tz": ["Asia/Kolkata"],
    }
    points = fetch_series(reading, series_query_from({"site_id": ["a"], **asked}, NOW))["points"]
    assert sum(point["views"] for point in points) == 4 * len(SPANS[::3])
    assert {point["unique_users"] for point in points} == {0, 3}
    assert len(statements) < 40
    del statements[:]
    unknown = fetch_series(reading, series_query_from({"site_id": ["b"], **asked}, NOW))["points"]
    assert len(unknown) == len(points)
    assert not any(point["views"] for point in unknown)
    assert len(statements) < 12


def test_of_many_spans_those_without_events_are_not_asked_for(
    reading: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(each_span, "MANY_SPANS", 2)
    day = SPANS[5][0]
    store(make_event(1, site_id="a", timestamp=day, country="DE"))
    with reading.begin() as connection:
        select = partial(select_edge_totals, QUERY)
        assert list(fetch_each(connection, select, "a", SPANS)) == [(day, 1, 1)]
        assert list(fetch_each(connection, select, "b", SPANS)) == []


def test_an_hour_that_midnight_cuts_is_counted_once_on_each_side(
    store: Store, writing: Engine, reading: Engine
) -> None:
    """The rollups have the hour whole, among those of the days on both sides."""
    before, behind = (MIDNIGHT - 6 * HOUR_MS + minutes * MINUTE_MS for minutes in (10, 50))
    hours = [MIDNIGHT - hours * HOUR_MS for hours in (9, 2)]
    store(
        *(
            make_event(n, site_id="a", timestamp=moment, user_id=f"u{n}")
            for n, moment in enumerate([hours[0], before, behind, hours[1]])
        )
    )
    merge(writing)
    first = datetime.fromtimestamp(MIDNIGHT / 1000, UTC).date() - timedelta(days=1)
    asked = {"from": [f"{first}"], "to": [f"{first + timedelta(days=1)}"], "tz": ["Asia/Kolkata"]}
    query = series_query_from({"site_id": ["a"], "interval": ["day"], **asked}, NOW)
    points = fetch_series(reading, query)["points"]
    assert [(point["views"], point["unique_users"]) for point in points] == [(2, 2), (2, 2)]
