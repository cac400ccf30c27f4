"""What is asked of a dialect holds on each kind of database."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from shared.clock import now_ms
from shared.db.database import KnownKey, reading_engine, translated_errors, writing_engine
from shared.db.dialects import (
    dialect_of,
    insert_adding,
    insert_ignoring_known,
    insert_replacing,
    insert_widening,
)
from shared.db.tables import dedupe, metadata, outcomes, sites, users
from shared.errors import PoisonEvent, Unavailable
from shared.settings import Settings
from tests.migration import migrate
from tests.oceanbase import is_oceanbase
from tests.servers import wait_until

SITE = {"site_id": "s", "users": 1, "first_event": 10, "last_event": 20}
STORED = {"outcome": "stored", "reason": "", "shard": 0, "events": 2}


def user(user_id: str, number: int) -> dict[str, Any]:
    return {"site_id": "s", "user_id": user_id, "number": number}


def test_an_engine_has_one_dialect_for_good(engine: Engine, database_settings: Settings) -> None:
    with engine.connect() as connection:
        assert dialect_of(connection) is dialect_of(engine) is dialect_of(engine.dialect)
    other = writing_engine(database_settings)
    assert dialect_of(other) is not dialect_of(engine)


def test_rows_are_added_to_replaced_widened_or_left(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sites.insert(), SITE)
        connection.execute(outcomes.insert(), STORED)
        connection.execute(users.insert(), user("u", 1))
        connection.execute(insert_adding(connection, outcomes, outcomes.c.events), STORED)
        connection.execute(
            insert_widening(connection, sites, sites.c.first_event, sites.c.last_event),
            [SITE | {"first_event": 5, "last_event": 15}, SITE | {"last_event": 30}],
        )
        connection.execute(insert_replacing(connection, users, users.c.number), user("u", 7))
        ignoring = insert_ignoring_known(connection, users)
        assert connection.execute(ignoring, [user("u", 8), user("v", 9)]).rowcount == 1
    with engine.begin() as connection:
        assert connection.scalar(select(outcomes.c.events)) == 4
        assert connection.execute(select(sites.c.first_event, sites.c.last_event)).one() == (5, 30)
        assert dict(connection.execute(select(users.c.user_id, users.c.number)).all()) == {
            "u": 7,
            "v": 9,
        }


def test_its_clock_is_told_in_ms_whatever_the_zone(engine: Engine) -> None:
    dialect = dialect_of(engine)
    for zone in ("+00:00", "-09:30"):
        with engine.begin() as connection:
            if dialect.kind == "sqlite":
                assert dialect.fetch_now(connection) is None  # this machine's
                continue
            connection.exec_driver_sql(f"SET time_zone = '{zone}'")
            at = dialect.fetch_now(connection)
            connection.exec_driver_sql("SET time_zone = '+00:00'")
            assert at is not None
            assert abs(at - now_ms()) < 60_000


def test_text_compares_byte_for_byte(engine: Engine) -> None:
    names = ["a", "A", "a ", "ä", "å"]
    with engine.begin() as connection:
        connection.execute(users.insert(), [user(name, n) for n, name in enumerate(names)])
        for name in names:
            of_name = select(users.c.user_id).where(users.c.user_id == name)
            assert connection.scalars(of_name).all() == [name]


def test_it_names_its_columns(engine: Engine) -> None:
    with engine.begin() as connection:
        found = dialect_of(connection).fetch_columns(connection)
    declared = {
        (table.name, column.name) for table in metadata.tables.values() for column in table.c
    }
    assert found - declared == {("alembic_version", "version_num")} | {
        column for column in found if column[0] == "sqlite_sequence"
    }
    assert declared <= found


def test_it_knows_its_size(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(users.insert(), user("u", 1))
    wait_until(lambda: size_of(engine) > 0)


def size_of(engine: Engine) -> int:
    with engine.begin() as connection:
        if is_oceanbase(connection):
            # Soon after its start, a server does nothing of the kind, and says that it did.
            connection.exec_driver_sql("ALTER SYSTEM MINOR FREEZE")
        if connection.dialect.name == "mysql":
            connection.exec_driver_sql("ANALYZE TABLE users")
        return dialect_of(connection).fetch_size(connection)


@pytest.mark.parametrize(
    ("migrated_url", "kind"),
    [("sqlite", "sqlite"), ("mariadb", "mariadb"), ("oceanbase", "mysql")],
    indirect=["migrated_url"],
)
def test_the_kind_is_that_of_the_server(engine: Engine, kind: str) -> None:
    with engine.connect():
        assert dialect_of(engine).kind == kind


def test_all_that_a_reader_asks_is_of_one_moment(
    engine: Engine, database_settings: Settings
) -> None:
    reading = reading_engine(database_settings)
    how_many = select(func.count()).select_from(users)
    with reading.begin() as reader:
        assert reader.scalar(how_many) == 0
        with engine.begin() as connection:
            connection.execute(users.insert(), user("u", 1))
        assert reader.scalar(how_many) == 0
    with reading.begin() as reader:
        assert reader.scalar(how_many) == 1
    reading.dispose()


@pytest.mark.parametrize("database_url", ["mariadb", "oceanbase"], indirect=True)
def test_behind_a_lock_a_writer_sees_what_was_committed(
    settings: Settings, database_url: str
) -> None:
    """On SQLite nobody commits anything while a writer is at work."""
    one, other = (writing_engine(replace(settings, database_url=database_url)) for _ in range(2))
    migrate(one)
    how_many = select(func.count()).select_from(users)
    with one.begin() as connection:
        assert connection.scalar(how_many) == 0
        with other.begin() as another:
            another.execute(users.insert(), user("u", 1))
        assert connection.scalar(how_many) == 1
    one.dispose()
    other.dispose()


def insert_twice(connection: Connection) -> None:
    connection.execute(users.insert(), [user("u", 1), user("u", 2)])


def insert_null(connection: Connection) -> None:
    row = {"site_id": "s", "event_id": "e", "batch_id": None, "seen_at": 1}
    connection.execute(dedupe.insert(), row)


def insert_beyond_64_bits(connection: Connection) -> None:
    connection.execute(users.insert(), user("u", 2**63))


@pytest.mark.parametrize(
    ("work", "expected"),
    [(insert_twice, KnownKey), (insert_null, PoisonEvent), (insert_beyond_64_bits, PoisonEvent)],
)
def test_a_row_that_is_refused_says_why(
    engine: Engine, work: Callable[[Connection], None], expected: type[Exception]
) -> None:
    with pytest.raises(expected), translated_errors(), engine.begin() as connection:
        work(connection)


def test_a_text_that_is_too_long_is_refused_or_kept_whole(engine: Engine) -> None:
    long = "u" * 256
    try:
        with translated_errors(), engine.begin() as connection:
            connection.execute(users.insert(), user(long, 1))
    except PoisonEvent:
        assert dialect_of(engine).kind == "mariadb"
        return
    with engine.begin() as connection:
        assert connection.scalar(select(users.c.user_id)) == long


def hurry(connection: Any, _record: object) -> None:
    """Wait a moment for a lock, on a connection of the driver's. OceanBase knows the variable of
    InnoDB and does not heed it."""
    cursor = connection.cursor()
    if isinstance(connection, sqlite3.Connection):
        cursor.execute("PRAGMA busy_timeout = 10")
    elif cursor.execute("SHOW VARIABLES LIKE 'ob_trx_lock_timeout'"):
        cursor.execute("SET ob_trx_lock_timeout = 10000")
    else:
        cursor.execute("SET innodb_lock_wait_timeout = 1")


def test_a_lock_that_is_held_for_long_is_waited_for_again(
    engine: Engine, database_settings: Settings
) -> None:
    other = writing_engine(database_settings)
    event.listen(other, "connect", hurry)
    with engine.begin() as connection:
        connection.execute(sites.insert(), SITE)
        with (
            pytest.raises(Unavailable) as caught,
            translated_errors(),
            other.begin() as impatient,
        ):
            impatient.execute(sites.insert(), SITE)
    assert caught.value.code == "database_unavailable"
    other.dispose()
