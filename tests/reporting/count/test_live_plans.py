"""What the databases really read for a live answer: the window's events, not everything stored."""

from collections.abc import Callable, Sequence
from datetime import date

import pytest
from sqlalchemy import Connection, Engine, Select, insert
from sqlalchemy.dialects import mysql, sqlite

from reporting.ask.live_query import (
    AnalyticsQuery,
    RankingQuery,
    SessionsQuery,
    Window,
)
from reporting.ask.paging import Page
from reporting.count.live_sites import fetch_site_ids
from reporting.count.live_statements import (
    select_active,
    select_days,
    select_filtered_days,
    select_minute_counts,
    select_minutes,
    select_pages,
    select_sessions,
    select_site_ids,
    select_types,
    select_users,
    select_viewers,
)
from reporting.count.pending_statements import select_pending_heads
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.rollups import TOTAL, TOTAL_KEY
from shared.db.tables import events, events_by_day, events_by_minute, pending_counts, sites
from tests.oceanbase import is_oceanbase
from tests.reporting.plans import check_oceanbase, literal, rows_read

SITES = [f"site-{number}" for number in range(10)]
# Minutes and days before these are over, as far as a window is concerned.
OLD = 200
START = OLD * MINUTE_MS
END = START + 2 * MINUTE_MS
FIRST_DAY = OLD * DAY_MS
PAGE = Page("", 10)

Statement = Callable[[Sequence[str]], Select[*tuple[object, ...]]]


def all_sites() -> Window:
    return Window(None, START, END)


def filtered(site_ids: Sequence[str]) -> Select[*tuple[object, ...]]:
    day = date(1970, 1, 1)
    return select_filtered_days(
        AnalyticsQuery(None, "u", "k", day, day, day, PAGE), START, site_ids
    )


STATEMENTS: dict[str, Statement] = {
    "active": lambda ids: select_active(all_sites(), ids),
    "minutes": lambda ids: select_minutes(all_sites(), ids),
    "pages": lambda ids: select_pages(RankingQuery(all_sites(), 10), ids),
    "users": lambda ids: select_users(RankingQuery(all_sites(), 10), ids),
    "sessions": lambda ids: select_sessions(SessionsQuery(all_sites(), "u", 1000), ids),
    "minute_counts": lambda ids: select_minute_counts(all_sites(), "page_view", ids),
    "viewers": lambda ids: select_viewers(all_sites(), ids),
    "pending_heads": lambda ids: select_pending_heads(ids, (FIRST_DAY, FIRST_DAY + HOUR_MS)),
    "days": lambda ids: select_days(FIRST_DAY, ids, "a", "z"),
    "types": lambda ids: select_types(FIRST_DAY, ids, PAGE),
    "filtered_days": filtered,
}


@pytest.fixture
def filled(writing: Engine) -> Engine:
    """Of each site 200 old minutes and days and one to count, all with their event."""
    with writing.begin() as connection:
        for site_id in SITES:
            fill(connection, site_id)
    return writing


def fill(connection: Connection, site_id: str) -> None:
    numbers = range(OLD + 1)
    site = {"site_id": site_id}
    last = {"first_event": 0, "last_event": START}
    connection.execute(insert(sites), [{**site, "users": 0, **last}])
    stored = {**site, "event_type": "page_view", "received_at": 0, "user_id": "u"}
    at = [{"event_id": f"{n}", "timestamp": n * MINUTE_MS} for n in numbers]
    connection.execute(insert(events), [stored | moment for moment in at])
    counted = {**site, "event_type": "page_view", "events": 1}
    connection.execute(
        insert(events_by_minute), [{**counted, "bucket": n * MINUTE_MS} for n in numbers]
    )
    waiting = {**site, "events": 1, "views": 1, "stored_at": 0, "data": b"data"}
    connection.execute(
        insert(pending_counts),
        [
            waiting | {"bucket": at, "batch_id": "b", "first_event": at, "last_event": at}
            for at in (n * DAY_MS for n in numbers)
        ],
    )
    total = {**counted, "dimension": TOTAL, "value_key": TOTAL_KEY}
    connection.execute(insert(events_by_day), [{**total, "bucket": n * DAY_MS} for n in numbers])


@pytest.mark.parametrize("name", STATEMENTS)
def test_of_all_sites_only_the_range_of_each_is_read(filled: Engine, name: str) -> None:
    with filled.connect() as connection:
        statement = STATEMENTS[name](fetch_site_ids(connection, None, START))
        if connection.dialect.name == "sqlite":
            check_plan(connection, statement)
        elif is_oceanbase(connection):
            check_oceanbase(connection, statement, 20)
        else:
            # 2,010 rows are stored; 10 are in range, and each is found, read and perhaps sorted.
            assert rows_read(connection, statement) < 200


def check_plan(connection: Connection, statement: Select[*tuple[object, ...]]) -> None:
    explain = f"EXPLAIN QUERY PLAN {literal(connection, statement)}"
    plan = str(connection.exec_driver_sql(explain).all())
    assert "SCAN events" not in plan
    assert any(f"{bound}>?" in plan for bound in ("timestamp", "bucket"))


def test_sites_without_an_event_since_are_not_asked(writing: Engine) -> None:
    with writing.begin() as connection:
        for site_id, last in (("old", 99), ("recent", 100), ("later", 10**13)):
            row = {"site_id": site_id, "users": 0, "first_event": 0, "last_event": last}
            connection.execute(insert(sites), row)
        assert sorted(fetch_site_ids(connection, None, 100)) == ["later", "recent"]
        assert fetch_site_ids(connection, "any", 100) == ["any"]


def test_a_site_whose_events_wait_to_be_merged_is_asked(writing: Engine) -> None:
    """It may have no row of its own, or one that knows of none yet."""
    of_none = {"users": 3, "first_event": 2**63 - 1, "last_event": -1}
    waiting = {"bucket": 0, "batch_id": "b", "events": 1, "views": 1, "stored_at": 0, "data": b"d"}
    with writing.begin() as connection:
        for site_id in ("numbered", "none"):
            connection.execute(insert(sites), {"site_id": site_id, **of_none})
        for site_id, last in (("numbered", 100), ("new", 100), ("before", 99)):
            row = {"site_id": site_id, **waiting, "first_event": 0, "last_event": last}
            connection.execute(insert(pending_counts), row)
        assert fetch_site_ids(connection, None, 100) == ["new", "numbered"]


def test_every_statement_names_its_caller() -> None:
    statements = [make(["a"]) for make in STATEMENTS.values()]
    for statement in [*statements, select_site_ids(0)]:
        for dialect in (mysql.dialect(), sqlite.dialect()):
            assert "/* reporting." in str(statement.compile(dialect=dialect))
