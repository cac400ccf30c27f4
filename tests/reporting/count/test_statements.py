"""How the databases execute what reporting asks: by ranges of keys, never a whole table."""

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import mysql, sqlite

from reporting.count.rollup_statements import (
    ViewsOf,
    select_bitmaps,
    select_buckets,
    select_most_viewed,
    select_recent_users,
    select_texts,
    select_value_buckets,
    select_value_views,
)
from reporting.count.statements import (
    Rows,
    select_edge_users,
    select_edge_values,
    select_outcomes,
    select_pruned_before,
    select_site_settings,
    select_site_totals,
    select_sites,
    select_steps,
    select_totals,
    select_values,
)
from shared.clock import DAY_MS
from shared.db.tables import events_by_day, users_by_day
from tests.events import NOW, make_event
from tests.oceanbase import is_oceanbase
from tests.reporting.asked import (
    breakdown_query_from,
    fetch_breakdown,
    fetch_series,
    fetch_stats,
    series_query_from,
    stats_query_from,
)
from tests.reporting.conftest import Store
from tests.reporting.plans import check_oceanbase, literal
from worker.upkeep.compaction import compact

QUERY = stats_query_from({"site_id": ["site-3"], "path": ["/"]}, NOW)
SPAN = (QUERY.start, QUERY.end)
KEY = b"k" * 16
PART = ViewsOf(events_by_day, "site-3", "path", "page_view", [SPAN])
RANGES: list[Rows] = [
    select_totals(QUERY, SPAN),
    select_steps(QUERY, 60_000),
    select_values(QUERY, "path", SPAN, with_users=True),
    select_edge_values(QUERY, "path", SPAN),
    select_edge_users(QUERY, "path", ["/"], SPAN),
    select_buckets(events_by_day, "site-3", "", [SPAN]),
    select_value_buckets(events_by_day, "site-3", "path", KEY, [QUERY.start]),
    select_value_views(*PART),
    select_bitmaps(users_by_day, "site-3", "path", [KEY], [SPAN]),
    select_recent_users("site-3", [SPAN]),
]
OTHERS = [
    select_most_viewed([PART, PART], 10),
    select_texts([KEY]),
    select_sites(),
    select_site_totals("site-3", "site-5"),
    select_outcomes(),
    select_site_settings(["site-3"]),
    select_pruned_before("site-3"),
]


def plan_of(connection: Connection, statement: Rows) -> str:
    explain = "EXPLAIN " if connection.dialect.name == "mysql" else "EXPLAIN QUERY PLAN "
    sql = explain + literal(connection, statement).replace("'kkkkkkkkkkkkkkkk'", "x'6b'")
    return str(connection.exec_driver_sql(sql).all())


@pytest.mark.parametrize("statement", RANGES)
def test_a_range_is_read_as_a_range(writing: Engine, store: Store, statement: Rows) -> None:
    """A table scan would cost the same on every site; so each must name the key's columns."""
    store(*(make_event(n, site_id=f"site-{n % 50}", user_id=f"u{n}") for n in range(2000)))
    with writing.connect() as connection:
        if connection.dialect.name == "mysql":
            connection.exec_driver_sql("ANALYZE TABLE events, events_by_day, users_by_day")
        plan = plan_of(connection, statement)
        if is_oceanbase(connection):
            check_oceanbase(connection, statement, 2000 // 50)
            return
    assert "PRIMARY" in plan or "(site_id=? AND " in plan, plan
    assert "SCAN" not in plan, plan
    assert "'ALL'" not in plan, plan


@pytest.mark.parametrize("statement", RANGES + OTHERS)
def test_every_statement_names_its_caller(statement: Rows) -> None:
    for dialect in (mysql.dialect(), sqlite.dialect()):
        assert "/* reporting." in str(statement.compile(dialect=dialect))


def test_whole_days_are_answered_without_the_events(
    reading: Engine, store: Store, statements: list[str]
) -> None:
    store(make_event(1))
    asked = {"site_id": ["site-a"], "from": ["2025-08-18"], "to": ["2025-11-15"]}
    fetch_stats(reading, stats_query_from(asked | {"compare": ["previous"]}, NOW))
    fetch_series(reading, series_query_from(asked, NOW))
    for dimension in ("path", "referrer", "event_type"):
        fetch_breakdown(reading, breakdown_query_from(asked | {"dimension": [dimension]}, NOW))
    fetch_series(reading, series_query_from(asked | {"path": ["/"]}, NOW))
    assert statements
    assert not [sql for sql in statements if "FROM events " in sql]


def test_ten_times_the_events_are_no_more_to_read(
    reading: Engine, writing: Engine, store: Store, statements: list[str]
) -> None:
    work = []
    for number in (200, 2000):
        site_id = f"site-{number}"
        store(
            *(
                make_event(
                    n,
                    site_id=site_id,
                    timestamp=NOW - n % 20 * DAY_MS,
                    path=f"/{n % 10}",
                    user_id=f"user-{n % 50}",
                )
                for n in range(number)
            )
        )
        compact(writing)
        asked = {"site_id": [site_id], "from": ["2025-08-18"], "to": ["2025-11-15"]}
        before, sent = rows_read(writing), len(statements)
        fetch_stats(reading, stats_query_from(asked, NOW))
        fetch_series(reading, series_query_from(asked, NOW))
        fetch_breakdown(reading, breakdown_query_from(asked | {"dimension": ["path"]}, NOW))
        work.append((rows_read(writing) - before, len(statements) - sent))
    (few_rows, few), (many_rows, many) = work
    assert many == few
    # Not ten times as many; MariaDB may choose another way through as few rows.
    assert many_rows <= 5 * few_rows


def rows_read(engine: Engine) -> int:
    """Rows that MariaDB's tables and indexes have handed out so far; the others do not count."""
    if engine.dialect.name == "sqlite":
        return 0
    with engine.connect() as connection:
        counters = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Handler_read%%'").all()
    return sum(int(row[1]) for row in counters)
