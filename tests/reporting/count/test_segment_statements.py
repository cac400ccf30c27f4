"""How the databases execute what is asked of segments: along the primary key, and no other rows."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, insert
from sqlalchemy.dialects import mysql, sqlite

from reporting.count.from_segments import fetch_past
from reporting.count.segment_statements import select_columns, select_matching
from reporting.count.statements import Rows
from shared.clock import DAY_MS, HOUR_MS
from shared.counts.rollups import ROLLED_UP, TOTAL, TOTAL_KEY
from shared.counts.segments import COLUMNS, Segment, select_counts, select_segments
from shared.db.tables import events, events_by_hour, segment_columns, segments, users
from tests.events import NOW
from tests.oceanbase import is_oceanbase
from tests.reporting.asked import stats_query_from
from tests.reporting.plans import check_oceanbase, literal, rows_read

SITES = [f"site-{number}" for number in range(10)]
DAYS = 100
SITE = "site-3"
SPAN = (50 * DAY_MS, 52 * DAY_MS)
QUERY = stats_query_from({"site_id": [SITE], "path": ["/"], "country": ["DE"]}, NOW)
NAMES = {"path", "country"}

# What is searched, and by which columns of its key.
STATEMENTS: dict[str, tuple[Rows, list[str]]] = {
    "segments": (select_segments(SITE, *SPAN), ["segments (site_id=? AND bucket>? AND bucket<?)"]),
    "hours": (
        select_counts(events_by_hour, SITE, *SPAN),
        ["events_by_hour (site_id=? AND dimension=? AND bucket>? AND bucket<?)"],
    ),
    "columns": (
        select_columns(SITE, NAMES, [50 * DAY_MS, 51 * DAY_MS]),
        ["segment_columns (site_id=? AND name=? AND bucket=?)"],
    ),
    "matching": (
        select_matching(QUERY, "path", SPAN),
        ["events (site_id=? AND timestamp>? AND timestamp<?)", "users (site_id=? AND user_id=?)"],
    ),
}


@pytest.fixture
def filled(writing: Engine) -> Engine:
    """Of each site a hundred days, each with an hour, a user and a segment of one event."""
    with writing.begin() as connection:
        for site_id in SITES:
            fill(connection, site_id)
        if connection.dialect.name == "mysql":
            tables = "events, users, events_by_hour, segments, segment_columns"
            connection.exec_driver_sql(f"ANALYZE TABLE {tables}")
    return writing


def fill(connection: Connection, site_id: str) -> None:
    site = {"site_id": site_id}
    days = range(0, DAYS * DAY_MS, DAY_MS)
    of_type = {**site, "event_type": "page_view"}
    stored = [
        {**of_type, "received_at": 0, "timestamp": day, "event_id": "e", "user_id": f"u{day}"}
        for day in days
    ]
    hour = {**of_type, "dimension": TOTAL, "value_key": TOTAL_KEY, "events": 1}
    # More than a query has to do with: a value of each dimension.
    others = [hour | {"dimension": name, "value_key": b"k" * 16} for name in ROLLED_UP]
    rows = {
        events: stored,
        users: [{**site, "user_id": f"u{day}", "number": day // DAY_MS} for day in days],
        events_by_hour: [row | {"bucket": day} for row in (hour, *others) for day in days],
        segments: [{**site, **Segment(day, day + HOUR_MS, 1)._asdict()} for day in days],
        segment_columns: [
            {**site, "name": name, "bucket": day, "part": 0, "data": b"data"}
            for name in COLUMNS
            for day in days
        ],
    }
    for table, its_rows in rows.items():
        connection.execute(insert(table), its_rows)


@pytest.mark.parametrize("name", STATEMENTS)
def test_only_rows_of_the_range_are_read(filled: Engine, name: str) -> None:
    statement, searched = STATEMENTS[name]
    with filled.connect() as connection:
        if connection.dialect.name == "sqlite":
            check_sqlite(connection, statement, searched)
        elif is_oceanbase(connection):
            check_oceanbase(connection, statement, 20)
        else:
            check_mariadb(connection, statement)


def check_sqlite(connection: Connection, statement: Rows, searched: list[str]) -> None:
    sql = literal(connection, statement)
    details = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    steps = [detail for detail in details if detail.startswith(("SEARCH", "SCAN"))]
    for step in steps:
        assert step.startswith("SEARCH ")
        assert "USING PRIMARY KEY" in step or "USING INDEX sqlite_autoindex_" in step, step
    for expected in searched:
        table, key = expected.split(" ", 1)
        assert any(step.startswith(f"SEARCH {table} ") and key in step for step in steps), steps
    assert not any("TEMP B-TREE" in detail for detail in details), details


def check_mariadb(connection: Connection, statement: Rows) -> None:
    plan = connection.exec_driver_sql(f"EXPLAIN {literal(connection, statement)}").mappings().all()
    assert {row["key"] for row in plan} == {"PRIMARY"}, plan
    assert {row["type"] for row in plan} <= {"range", "ref", "eq_ref"}, plan
    # Of 1,000 events and segments, and ten times as many hours and columns.
    assert rows_read(connection, statement) < 20


@pytest.mark.parametrize("name", ["columns", "matching"])
def test_every_statement_names_its_caller(name: str) -> None:
    for dialect in (mysql.dialect(), sqlite.dialect()):
        assert "/* reporting." in str(STATEMENTS[name][0].compile(dialect=dialect))


def test_the_segments_that_have_any_hour_of_a_span_are_found(filled: Engine) -> None:
    """Half-open at both ends, in order, and only those with as many events as are counted."""
    with filled.begin() as connection:
        late = {"site_id": SITE, "dimension": TOTAL, "value_key": TOTAL_KEY, "events": 1}
        row = late | {"event_type": "signup", "bucket": 52 * DAY_MS}
        connection.execute(insert(events_by_hour).values(**row))
        for span, days in (
            ((50 * DAY_MS, 51 * DAY_MS), [50]),
            ((50 * DAY_MS + HOUR_MS - 1, 51 * DAY_MS + 1), [50, 51]),
            ((50 * DAY_MS + HOUR_MS, 51 * DAY_MS), []),
            ((50 * DAY_MS, 55 * DAY_MS), [50, 51, 53, 54]),
        ):
            query = replace(QUERY, start=span[0], end=span[1])
            assert fetch_past(connection, query).segments == [
                Segment(day * DAY_MS, day * DAY_MS + HOUR_MS, 1) for day in days
            ]
