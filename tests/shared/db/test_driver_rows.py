"""Rows by their keys: the right ones, however many, and never by reading the whole table."""

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select

from shared.db import mysql_packets
from shared.db.database import writing_engine
from shared.db.dialects import insert_keeping
from shared.db.driver_rows import (
    CHUNK_KEYS,
    delete_by_keys,
    delete_sql,
    fetch_by_keys,
    insert_returning,
    insert_tuples,
    select_sql,
)
from shared.db.tables import pending_counts, users
from shared.settings import Settings

KEY = (users.c.site_id, users.c.user_id)
COLUMNS = (*KEY, users.c.number)
LABEL = "/* test */"
ROWS = [(f"site-{n % 3}", f"user-{n}", n) for n in range(2 * CHUNK_KEYS + 7)]


@pytest.fixture
def engine(settings: Settings, migrated_url: str) -> Iterator[Engine]:
    """A dictionary of users with ROWS in it."""
    engine = writing_engine(dataclasses.replace(settings, database_url=migrated_url))
    with engine.begin() as connection:
        insert_tuples(connection, users.insert(), ROWS)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("number", [0, 1, CHUNK_KEYS, CHUNK_KEYS + 1, len(ROWS)])
def test_each_wanted_row_comes_once(engine: Engine, number: int) -> None:
    wanted = [row[:2] for row in ROWS[:number]]
    unknown = [("site-0", "nobody"), ("", "user-1")]
    with engine.begin() as connection:
        found = list(fetch_by_keys(connection, COLUMNS, KEY, wanted + unknown, LABEL))
    assert sorted(found) == sorted(ROWS[:number])


def test_an_insert_returns_all_its_rows_as_they_are_then(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_packets, "MOST_BYTES", 200)  # a few rows each
    mine = [("site-0", f"user-{n}", -1) for n in range(90)]
    there = [row for row in ROWS[:90] if row[0] == "site-0"]
    with engine.begin() as connection:
        statement = insert_keeping(connection, users, users.c.number)
        found = insert_returning(connection, statement, COLUMNS, mine, LABEL)
        assert insert_returning(connection, statement, COLUMNS, [], LABEL) == []
    names = {row[1] for row in there}
    assert sorted(found) == sorted([*there, *(row for row in mine if row[1] not in names)])


def test_only_the_named_rows_are_deleted(engine: Engine) -> None:
    with engine.begin() as connection:
        delete_by_keys(connection, users, KEY, [row[:2] for row in ROWS[3:]], LABEL)
        delete_by_keys(connection, users, KEY, [], LABEL)
        assert connection.scalar(select(func.count()).select_from(users)) == 3


def test_keys_are_looked_up_in_the_index(engine: Engine) -> None:
    """SQLite scans the table for `(a, b) IN (VALUES …)`: a hundred times slower at 2 M users."""
    parameters = tuple(value for row in ROWS[:CHUNK_KEYS] for value in row[:2])
    with engine.begin() as connection:
        more = [("site-0", f"more-{n}", n) for n in range(40 * CHUNK_KEYS)]
        insert_tuples(connection, users.insert(), more)
        explain = "EXPLAIN " if connection.dialect.name == "mysql" else "EXPLAIN QUERY PLAN "
        for sql in (
            select_sql(connection.dialect, COLUMNS, KEY, LABEL),
            delete_sql(connection.dialect, users, KEY, LABEL),
        ):
            plan = str(connection.exec_driver_sql(explain + sql, parameters).all())
            assert "SCAN" not in plan
            assert "'ALL'" not in plan
            assert "'index'" not in plan


def test_a_second_index_does_not_come_into_question(engine: Engine) -> None:
    """With two that begin alike, MariaDB took six times as long for 250 keys, and more than ten
    times for 500."""
    key = tuple(pending_counts.primary_key)
    rows = [
        (f"site-{n % 7}", 3_600_000 * (n % 50), f"batch-{n}", 1, 1, 0, 0, 0, b"")
        for n in range(4 * CHUNK_KEYS)
    ]
    with engine.begin() as connection:
        insert_tuples(connection, pending_counts.insert(), rows)
        wanted = [row[:3] for row in rows[: CHUNK_KEYS + 3]]
        if connection.dialect.name == "mysql":
            parameters = tuple(value for one in wanted[:CHUNK_KEYS] for value in one)
            for sql in (
                select_sql(connection.dialect, key, key, LABEL),
                delete_sql(connection.dialect, pending_counts, key, LABEL),
            ):
                plan = connection.exec_driver_sql("EXPLAIN " + sql, parameters)
                assert "ix_pending_counts" not in str(plan.all())
        assert sorted(fetch_by_keys(connection, key, key, wanted, LABEL)) == sorted(wanted)
        assert delete_by_keys(connection, pending_counts, key, wanted, LABEL) == len(wanted)
        left = connection.execute(select(*key)).all()
        assert sorted(map(tuple, left)) == sorted(row[:3] for row in rows[len(wanted) :])
