"""The law of reporting: rollups and what is not merged = segments = raw events = a plain count,
whatever is asked."""

import math
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from reporting.ask.periods import boundaries_of
from reporting.ask.query import Query
from reporting.count import from_events, from_rollups, from_segments, ties
from reporting.count.decide import is_certain, is_covered
from reporting.count.unmerged import Unmerged
from shared.counts import sparse
from shared.db.tables import metadata
from shared.event import Event
from shared.fields import DIMENSIONS
from tests.events import make_event
from tests.merged import merge
from tests.oceanbase import is_oceanbase
from tests.reporting import plain
from tests.reporting.asked import (
    breakdown_query_from,
    fetch_breakdown,
    fetch_series,
    fetch_stats,
    series_query_from,
    stats_query_from,
)
from tests.reporting.conftest import Store
from tests.reporting.earlier_batches import count_as_before, merge_half
from worker.stopping import StopFlag
from worker.stored.sparse_days import fetch_grown, fetch_mixed
from worker.upkeep import segments
from worker.upkeep.compaction import compact
from worker.upkeep.filling import fill
from worker.upkeep.merging import Merger
from worker.upkeep.segments import build_segments

# Of a site's day with half a dozen events there are totals, and by the hour of one with a dozen.
pytestmark = pytest.mark.sparse(5, 14)

# The day on which Europe's clocks go back; America's do a week later.
MIDNIGHT = 1_761_436_800_000
NOON = MIDNIGHT + 12 * 3_600_000
END_OF_SEGMENTS = NOON + 25 * 3_600_000
DAY_MS = 86_400_000
QUARTER_MS = 900_000
# Of the day; most are about where days begin in one of the zones.
QUARTERS = [0, 1, 17, 41, 42, 50, 53, 54, 72, 73, 74, 75, 76, 87, 88, 89, 92, 93, 95]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
)

made_events = st.lists(
    st.fixed_dictionaries(
        {
            "site_id": st.sampled_from(["a", "a", "a", "a", "a", "b"]),
            "timestamp": st.builds(
                lambda day, quarter, ms: MIDNIGHT + day * DAY_MS + quarter * QUARTER_MS - ms,
                st.integers(-1, 1), st.sampled_from(QUARTERS), st.integers(0, 1),
            ),
            "event_type": st.sampled_from(["page_view", "page_view", "signup", "Page_View"]),
            "path": st.sampled_from([None, "/", "/a", "/A", "/a ", "/ä", "/🚀", "/\uffff"]),
            "user_id": st.sampled_from([None, "u", "U", "u ", "ü", *"0123456789"]),
        },
        optional={
            "referrer": st.sampled_from(["https://www.google.de/x", "https://example.org", "mail"]),
            "user_agent": st.sampled_from([FIREFOX, PHONE]),
            "country": st.sampled_from(["DE", "FR"]),
            "utm_source": st.sampled_from(["news", "News"]),
            "utm_medium": st.just("mail"),
            "hostname": st.sampled_from(["a.example", "A.example", "m\u00fcnchen.de"]),
            "utm_campaign": st.sampled_from(["spring", "summer"]),
        },
    ),
    min_size=25,
    max_size=60,
)  # fmt: skip
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
]
DAYS = [f"2025-10-{day}" for day in range(24, 29)]
ranges = st.one_of(
    st.sampled_from(DAYS[1:-1]).map(lambda day: {"date": day}),
    st.just({"from": "2025-10-18", "to": "2025-11-05"}),
    st.tuples(st.sampled_from(DAYS[:3]), st.sampled_from(DAYS[2:])).map(
        lambda days: {"from": days[0], "to": days[1]}
    ),
)
CONDITIONS = {
    "event_type": ["all", "signup", "page_view", "none"],
    "path": ["/", "/a", "/none"],
    "referrer": ["google.com", "mail"],
    "browser": ["Firefox"],
    "os": ["iOS"],
    "device": ["mobile"],
    "country": ["DE", "XX"],
    "utm_source": ["news"],
    "utm_campaign": ["spring"],
    "hostname": ["a.example", "m\u00fcnchen.de"],
}
condition = st.sampled_from([(name, value) for name in CONDITIONS for value in CONDITIONS[name]])
filters: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.just({}),
    condition.map(lambda chosen: dict([chosen])),
    st.lists(condition, min_size=2, max_size=2).map(dict),
)
asked = st.builds(
    lambda zone, days, chosen, limit: {
        "site_id": "a", "tz": zone, **days, **chosen, "limit": str(limit),
    },
    st.sampled_from(ZONES), ranges, filters, st.sampled_from([1, 2, 1000]),
)  # fmt: skip
MOST_EXAMPLES = {"oceanbase": 8}
law = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Site:
    """A database that is emptied, and filled in the steps in which events can come to be there."""

    def __init__(self, store: Store, writing: Engine, reading: Engine) -> None:
        self.store = store
        self.writing = writing
        self.reading = reading
        self.examples = 0
        with reading.connect() as connection:
            self.kind = "oceanbase" if is_oceanbase(connection) else reading.dialect.name

    def steps(self, made: list[dict[str, Any]]) -> Any:
        """The events so far: some counted by an earlier version, some not merged yet; half of these
        merged; all merged, compacted and in segments, save the last hours; with late ones beside,
        not merged, for which segments are no longer in force, or counted by an earlier version,
        also on sparse days; all merged and in segments, and of days that have grown, more.

        On OceanBase, which takes its time, there are no steps after so many examples."""
        self.examples += 1
        if self.examples > MOST_EXAMPLES.get(self.kind, math.inf):
            return
        with self.writing.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
        events = [make_event(number, **fields) for number, fields in enumerate(made)]
        early, late = events[: 2 * len(events) // 3], events[2 * len(events) // 3 :]
        self.store(*early[::3])
        count_as_before(self.writing)
        self.store(*early[1::3])
        self.store(*early[2::3])
        yield early
        merge_half(Merger(self.writing, StopFlag()))
        yield early
        self.merge_all()
        yield early
        self.store(*late[::4])
        count_as_before(self.writing)
        self.store(*late[2::4])
        self.store(*late[1::2], *early)  # which are duplicates
        yield events
        self.merge_all()
        fill(self.reading, self.writing, fetch_grown, StopFlag())
        fill(self.reading, self.writing, fetch_mixed, StopFlag())
        self.merge_all()
        yield events

    def merge_all(self) -> None:
        merge(self.writing)
        compact(self.writing)
        assert build_segments(self.reading, self.writing, END_OF_SEGMENTS, StopFlag())


@pytest.fixture
def site(store: Store, writing: Engine, reading: Engine, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its segments are small, and used even where they have few of the events."""
    monkeypatch.setattr(sparse, "GROWN", 2)
    monkeypatch.setattr(segments, "FULL_EVENTS", 8)
    monkeypatch.setattr(from_segments, "ROWS_A_SEGMENT", 0)
    monkeypatch.setattr(from_segments, "ROWS_A_FETCHED", 0)
    monkeypatch.setattr(from_segments, "CHUNK_EVENTS", 20)
    monkeypatch.setattr(ties, "FEW_VALUES", 3)  # of paths there are more, of countries fewer
    return Site(store, writing, reading)


def parse(parse_as: Any, parameters: dict[str, str], *but: str) -> Query:
    query: Query = parse_as({k: [v] for k, v in parameters.items() if k not in but}, NOON)
    return query


@law
@given(made=made_events, parameters=asked)
def test_stats(
    site: Site, reading: Engine, made: list[dict[str, Any]], parameters: dict[str, str]
) -> None:
    query = parse(stats_query_from, parameters)
    for events in site.steps(made):
        answer = fetch_stats(reading, query)
        expected = plain.stats(events, query)
        assert {name: answer[name] for name in expected} == expected


@law
@given(
    made=made_events,
    parameters=asked,
    interval=st.sampled_from(["minute", "hour", "day", "day", "week", "month"]),
    week_start=st.sampled_from(["monday", "sunday", "saturday"]),
)
def test_timeseries(
    site: Site,
    reading: Engine,
    made: list[dict[str, Any]],
    parameters: dict[str, str],
    interval: str,
    week_start: str,
) -> None:
    days = parse(series_query_from, parameters, "limit")
    assume(interval != "minute" or days.end - days.start < 3 * DAY_MS)
    by_what = {"interval": interval, "week_start": week_start}
    query = parse(series_query_from, parameters | by_what, "limit")
    for events in site.steps(made):
        found = fetch_series(reading, query)["points"]
        seen = {key_of(query, number, at): at for number, at in enumerate(found)}
        expected = plain.points(events, query)
        nothing = {"views": 0, "unique_users": 0}
        assert expected.keys() <= seen.keys()
        for key, point in seen.items():
            assert {name: point[name] for name in nothing} == expected.get(key, nothing)


def key_of(query: Query, number: int, point: dict[str, Any]) -> object:
    if query.interval in plain.STEPS:
        return number
    return datetime.fromisoformat(point["start"]).astimezone(query.zone).date()


@law
@given(
    made=made_events,
    parameters=asked,
    dimension=st.sampled_from(["path", *DIMENSIONS]),
)
def test_breakdown(
    site: Site,
    reading: Engine,
    made: list[dict[str, Any]],
    parameters: dict[str, str],
    dimension: str,
) -> None:
    query = parse(breakdown_query_from, parameters | {"dimension": dimension})
    for events in site.steps(made):
        assert fetch_breakdown(reading, query)["rows"] == plain.rows(events, query, dimension)


@law
@given(made=made_events, parameters=asked, interval=st.sampled_from(["day", "week"]))
def test_all_ways_answer_the_same(
    site: Site,
    reading: Engine,
    made: list[dict[str, Any]],
    parameters: dict[str, str],
    interval: str,
) -> None:
    query = parse(series_query_from, parameters | {"interval": interval}, "limit")
    boundaries = boundaries_of(query.first_day, query.last_day, query.zone, interval)
    for _ in site.steps(made):
        with reading.begin() as connection:
            raw = from_events.fetch_totals(connection, query, boundaries)
            unmerged = Unmerged(connection, query.site_id, (query.start, query.end))
            if is_covered(query) and is_certain(query, unmerged):
                assert from_rollups.fetch_totals(connection, query, boundaries) == raw
            past = from_segments.fetch_past(connection, query)
            assert from_segments.fetch_totals(connection, query, boundaries, past) == raw
            values = from_events.fetch_values(connection, query, "path", with_users=True)
            assert values == from_segments.fetch_values(
                connection, query, "path", past, with_users=True
            )
            if is_covered(query, "path") and is_certain(query, unmerged, "path"):
                assert values == from_rollups.fetch_values(
                    connection, query, "path", with_users=True
                )


def test_any_split_of_a_range_adds_up(reading: Engine, store: Store) -> None:
    """Views of parts add up to the whole's, in a zone where nothing falls on a whole hour."""
    store(*(event_at(number) for number in range(400)))
    whole = {"site_id": "a", "tz": "Asia/Kolkata", "from": "2025-10-20", "to": "2025-10-31"}
    total = fetch_stats(reading, parse(stats_query_from, whole))["total_views"]
    for last in range(20, 31):
        parts = ({"to": f"2025-10-{last}"}, {"from": f"2025-10-{last + 1}"})
        counted = [fetch_stats(reading, parse(stats_query_from, whole | part)) for part in parts]
        assert sum(part["total_views"] for part in counted) == total


def event_at(number: int) -> Event:
    moment = NOON + (number - 200) * 47 * 60_000
    return make_event(number, site_id="a", timestamp=moment, user_id=f"u{number % 7}")
