"""How the databases execute what is asked of rows that wait to be merged: with ranges of a site's
hours, and never by reading the data of those that are only counted."""

import pytest
from sqlalchemy import Connection, Engine, insert
from sqlalchemy.dialects import mysql, sqlite

from reporting.ask.paging import Page, SitesQuery
from reporting.count.from_segments import LABEL
from reporting.count.pending_statements import (
    select_pending,
    select_pending_heads,
    select_pending_site_ids,
    select_pending_sites,
    select_unmerged,
)
from reporting.count.statements import Rows
from shared.clock import HOUR_MS
from shared.counts.pending_hours import select_hours, select_of_several
from shared.db.tables import pending_counts
from tests.oceanbase import is_oceanbase
from tests.reporting.plans import check_oceanbase, literal, rows_read

SITES = [f"site-{number}" for number in range(10)]
HOURS = 100
SPAN = (50 * HOUR_MS, 52 * HOUR_MS)
OF_A_SPAN: dict[str, Rows] = {
    "pending": select_pending("site-3", SPAN),
    "heads": select_pending_heads(["site-3", "site-5"], SPAN),
    "hours": select_hours("site-3", *SPAN).prefix_with(LABEL),
    "of several hours": select_of_several("site-3", *SPAN).prefix_with(LABEL),
}
OF_ALL: dict[str, Rows] = {
    "sites": select_pending_sites(SitesQuery(None, Page("", 1000))),
    "site_ids": select_pending_site_ids(70 * HOUR_MS),
    "unmerged": select_unmerged(),
}
# What no index answers by itself.
READ = {"pending", "heads", "of several hours"}


@pytest.fixture
def filled(writing: Engine) -> Engine:
    """Of each site a hundred hours, each with two rows, that have 3 events and 2 views together."""
    with writing.begin() as connection:
        connection.execute(
            insert(pending_counts),
            [
                {
                    "site_id": site_id,
                    "bucket": hour * HOUR_MS,
                    "batch_id": f"batch-{events}",
                    "events": events,
                    "views": 1,
                    "first_event": hour * HOUR_MS + events,
                    "last_event": hour * HOUR_MS + 10 * events,
                    "stored_at": 1_000 + hour - events,
                    "data": b"data" * 500,
                }
                for site_id in SITES
                for hour in range(HOURS)
                for events in (1, 2)
            ],
        )
        if connection.dialect.name == "mysql":
            connection.exec_driver_sql("ANALYZE TABLE pending_counts")
    return writing


@pytest.mark.parametrize("name", OF_A_SPAN)
def test_only_rows_of_the_span_are_read(filled: Engine, name: str) -> None:
    statement = OF_A_SPAN[name]
    with filled.connect() as connection:
        if connection.dialect.name == "sqlite":
            (step,) = steps_of(connection, statement)
            assert step.startswith("SEARCH pending_counts USING "), step
            assert "(site_id=? AND bucket>? AND bucket<?)" in step, step
            assert name in READ or "COVERING INDEX" in step, step
        elif is_oceanbase(connection):
            check_oceanbase(connection, statement, 20)
        else:
            # 2,000 rows are stored, 8 at most are in the span.
            assert rows_read(connection, statement) < 30


@pytest.mark.parametrize("name", OF_ALL)
def test_data_is_not_read_to_count_what_there_is(filled: Engine, name: str) -> None:
    with filled.connect() as connection:
        if is_oceanbase(connection):
            return
        (step,) = steps_of(connection, OF_ALL[name])
        if connection.dialect.name == "sqlite":
            assert "COVERING INDEX ix_pending_counts" in step, step
        elif name == "unmerged":  # of the others, MariaDB may read the rows without what is long
            assert "Using index" in step, step


def steps_of(connection: Connection, statement: Rows) -> list[str]:
    sql = literal(connection, statement)
    if connection.dialect.name == "mysql":
        plan = connection.exec_driver_sql(f"EXPLAIN {sql}").mappings().all()
        return [str(row["Extra"]) for row in plan]
    details = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    return [detail for detail in details if detail.startswith(("SEARCH", "SCAN"))]


def rows_of(connection: Connection, statement: Rows) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in connection.execute(statement))


def test_what_each_tells(filled: Engine) -> None:
    hours = [(50 * HOUR_MS, 1), (50 * HOUR_MS, 2), (51 * HOUR_MS, 1), (51 * HOUR_MS, 2)]
    with filled.connect() as connection:
        keys = rows_of(connection, OF_A_SPAN["pending"])
        assert keys == [
            ("site-3", hour, f"batch-{events}", hour + 10 * events) for hour, events in hours
        ]
        assert rows_of(connection, OF_A_SPAN["heads"]) == [
            (site_id, hour, f"batch-{events}", events, 1)
            for site_id in ("site-3", "site-5")
            for hour, events in hours
        ]
        per_hour = rows_of(connection, OF_A_SPAN["hours"])
        assert per_hour == [(50 * HOUR_MS, 0, 3), (51 * HOUR_MS, 0, 3)]
        assert rows_of(connection, OF_A_SPAN["of several hours"]) == []
        last = 99 * HOUR_MS + 20
        assert rows_of(connection, OF_ALL["sites"]) == [
            (site_id, 1, last, 300, 200) for site_id in SITES
        ]
        assert rows_of(connection, OF_ALL["unmerged"]) == [(3_000, 998)]
        since = select_pending_site_ids(last)
        assert rows_of(connection, since) == [(site_id,) for site_id in SITES]
        assert rows_of(connection, select_pending_site_ids(last + 1)) == []


@pytest.mark.parametrize("statement", [*OF_A_SPAN.values(), *OF_ALL.values()])
def test_every_statement_names_its_caller(statement: Rows) -> None:
    for dialect in (mysql.dialect(), sqlite.dialect()):
        assert "/* reporting." in str(statement.compile(dialect=dialect))
