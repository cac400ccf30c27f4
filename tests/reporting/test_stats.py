"""The numbers, against a count in plain Python, on both databases."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.dialects import mysql, sqlite

from reporting.query import StatsQuery, stats_query_from
from reporting.statements import select_sites, select_top_paths, select_totals
from reporting.stats import fetch_sites, fetch_stats
from shared.event import Event
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

HOUR_MS = 3_600_000


def plain_count(events: list[Event], query: StatsQuery) -> dict[str, Any]:
    within = [e for e in events if query.start <= e.timestamp < query.end]
    mine = [e for e in within if e.site_id == query.site_id]
    views = [e for e in mine if query.views_type in (None, e.event_type)]
    users = [e for e in mine if query.users_type in (None, e.event_type)]
    paths = Counter(e.path for e in views if e.path is not None)
    ranked = sorted(paths.items(), key=lambda item: (-item[1], item[0].encode()))
    return {
        "total_views": len(views),
        "unique_users": len({e.user_id for e in users if e.user_id is not None}),
        "top_paths": [{"path": path, "views": n} for path, n in ranked[: query.limit]],
        "total_events": len(mine),
    }


made_events = st.lists(
    st.builds(
        lambda site, hours, kind, path, user: {
            "site_id": site,
            "timestamp": NOW + hours * HOUR_MS // 2,
            "event_type": kind,
            "path": path,
            "user_id": user,
        },
        st.sampled_from(["a", "b"]),
        st.integers(-150, 40),
        st.sampled_from(["page_view", "signup", "Page_View"]),
        st.sampled_from([None, "/", "/a", "/A", "/a ", "/ä", "/🚀", "/\uffff"]),
        st.sampled_from([None, "u", "U", "u ", "ü", "1"]),
    ),
    max_size=60,
)
asked = st.fixed_dictionaries(
    {"site_id": st.sampled_from(["a", "b", "c"])},
    optional={
        "tz": st.sampled_from(["UTC", "Asia/Kolkata", "Pacific/Chatham", "America/New_York"]),
        "from": st.sampled_from(["2025-11-12", "2025-11-14", "2025-11-15"]),
        "limit": st.sampled_from(["1", "3", "1000"]),
        "event_type": st.sampled_from(["all", "signup", "page_view", "none"]),
    },
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=made_events, parameters=asked)
def test_answers_equal_a_plain_count(
    store: Store,
    reading: Engine,
    writing: Engine,
    made: list[Any],
    parameters: dict[str, str],
) -> None:
    with writing.begin() as connection:
        for table in ("events", "batch_ledger"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    events = [make_event(number, **fields) for number, fields in enumerate(made)]
    store(*events)
    query = stats_query_from({name: [value] for name, value in parameters.items()}, NOW)
    answer = fetch_stats(reading, query)
    expected = plain_count(events, query)
    assert {name: answer[name] for name in expected} == expected


def test_an_unknown_site_has_zeros_and_no_paths(reading: Engine) -> None:
    answer = fetch_stats(reading, stats_query_from({"site_id": ["nowhere"]}, NOW))
    assert answer == {
        "site_id": "nowhere",
        "date": "2025-11-15",
        "total_views": 0,
        "unique_users": 0,
        "top_paths": [],
        "total_events": 0,
    }


def test_sites_are_listed_with_first_and_last_event(reading: Engine, store: Store) -> None:
    store(
        make_event(1, site_id="b", timestamp=NOW),
        make_event(2, site_id="a", timestamp=NOW - 1),
        make_event(3, site_id="a", timestamp=NOW + 1000, event_type="signup"),
    )
    assert fetch_sites(reading) == [
        {
            "site_id": "a",
            "first_event": "2025-11-15T09:46:39.999Z",
            "last_event": "2025-11-15T09:46:41Z",
            "total_events": 2,
            "total_views": 1,
        },
        {
            "site_id": "b",
            "first_event": "2025-11-15T09:46:40Z",
            "last_event": "2025-11-15T09:46:40Z",
            "total_events": 1,
            "total_views": 1,
        },
    ]


def test_a_site_s_days_are_read_as_one_range_of_the_primary_key(writing: Engine) -> None:
    """MariaDB's and SQLite's own plans; a table scan would cost the same on every site."""
    query = stats_query_from({"site_id": ["a"]}, NOW)
    for statement in (select_totals(query), select_top_paths(query)):
        with writing.connect() as connection:
            explain = "EXPLAIN " if connection.dialect.name == "mysql" else "EXPLAIN QUERY PLAN "
            compiled = statement.compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            plan = str(connection.exec_driver_sql(explain + str(compiled).replace("%%", "%")).all())
        assert "PRIMARY" in plan or "USING INDEX sqlite_autoindex_events_1" in plan
        assert "SCAN events" not in plan


def test_every_statement_names_its_caller() -> None:
    query = stats_query_from({"site_id": ["a"]}, NOW)
    for statement in (select_totals(query), select_top_paths(replace(query)), select_sites()):
        for dialect in (mysql.dialect(), sqlite.dialect()):
            assert "/* reporting." in str(statement.compile(dialect=dialect))
