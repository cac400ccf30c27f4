"""What servers of MySQL's protocol differ in is asked of the server, once."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pymysql
import pytest
from sqlalchemy import String, create_engine, make_url
from sqlalchemy.dialects import mysql as core
from sqlalchemy.exc import DBAPIError

from shared.db.database import translated_errors, writing_engine
from shared.db.dialects import dialect_of, remember
from shared.db.driver_rows import reader_of
from shared.db.mysql import MySQL, forbid_writing, returns_rows
from shared.db.tables import users
from shared.errors import Unavailable
from shared.settings import Settings


class Server:
    """Answers what a dialect asks, and notes whatever it is told."""

    def __init__(self, version: str, collations: Sequence[str], variables: Sequence[str]) -> None:
        self.version = version
        self.collations = collations
        self.variables = variables
        self.told: list[tuple[str, Sequence[Any]]] = []
        self.rows: list[tuple[str, ...]] = []

    def get_server_info(self) -> str:
        return self.version

    @contextmanager
    def cursor(self) -> Any:
        yield self

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self.told.append((statement, parameters))
        if "collations" in statement:
            self.rows = [(name,) for name in self.collations if name in parameters]
        else:
            self.rows = [(name, "0") for name in self.variables if name in parameters]

    def rollback(self) -> None:
        self.told.append(("ROLLBACK", ()))

    def fetchall(self) -> list[tuple[str, ...]]:
        return self.rows


def connection_to(server: Server) -> Any:
    """As far as a dialect needs one of SQLAlchemy's."""
    return SimpleNamespace(connection=server, info={})


@pytest.mark.parametrize(
    ("version", "returns"),
    [
        ("10.4.34-MariaDB", False),
        ("10.5.0-MariaDB-log", True),
        ("5.5.5-10.11.6-MariaDB-0+deb12u1", True),
        ("11.8.1-MariaDB", True),
        ("8.4.3", False),
        ("8.0.11-TiDB-v8.5.0", False),
        ("5.7.25-OceanBase_CE-v4.3.5.0", False),
    ],
)
def test_which_servers_return_what_they_insert(version: str, returns: bool) -> None:
    assert returns_rows(version) == returns


ADDRESS = make_url("mysql://root@h/d")
MARIADB = Server("10.11.6-MariaDB", ["utf8mb4_nopad_bin"], ["max_statement_time"])
NEW_MARIADB = Server(
    "11.8.1-MariaDB", ["utf8mb4_0900_bin", "utf8mb4_nopad_bin"], ["max_statement_time"]
)
MYSQL = Server("8.4.3", ["utf8mb4_bin", "utf8mb4_0900_bin"], ["max_execution_time"])
TIDB = Server("8.0.11-TiDB-v8.5.0", ["utf8mb4_0900_bin"], ["max_execution_time"])
OCEANBASE = Server(
    "5.7.25-OceanBase-v4.3.5.3", ["utf8mb4_bin"], ["max_execution_time", "ob_query_timeout"]
)
# Locks that others hold, a deadlock; and of OceanBase: no leader at the moment, out of memory, its
# disk full, a transaction rolled back by the server, rows locked, what cannot be serialized.
PASSING = (1205, 1213, 4038, 4030, 4184, 6002, 6003, 6004, 6005, 6235)
BARE = Server("5.7.25", ["utf8mb4_bin"], [])


@pytest.mark.parametrize(
    ("server", "kind", "collation", "limit"),
    [
        (MARIADB, "mariadb", "utf8mb4_nopad_bin", ("SET SESSION max_statement_time = %s", (3,))),
        (
            NEW_MARIADB,
            "mariadb",
            "utf8mb4_nopad_bin",
            ("SET SESSION max_statement_time = %s", (3,)),
        ),
        (MYSQL, "mysql", "utf8mb4_0900_bin", ("SET SESSION max_execution_time = %s", (3000,))),
        (TIDB, "mysql", "utf8mb4_0900_bin", ("SET SESSION max_execution_time = %s", (3000,))),
    ],
)
def test_a_server_is_told_in_its_own_words(
    server: Server, kind: str, collation: str, limit: tuple[str, tuple[int]]
) -> None:
    dialect = MySQL()
    dialect.prepare(server, None)
    assert dialect.kind == kind
    column = dialect.exact_text(16)
    assert isinstance(column, String)
    assert column.compile(core.dialect()) == (
        f"VARCHAR(16) CHARACTER SET utf8mb4 COLLATE {collation}"
    )
    dialect.limit_time(connection_to(server), 3)
    assert server.told[-1] == limit


def test_a_server_is_asked_once() -> None:
    server = Server("8.4.3", ["utf8mb4_0900_bin"], ["max_execution_time"])
    dialect = MySQL()
    dialect.prepare(server, None)
    asked = len(server.told)
    dialect.prepare(server, None)
    assert len(server.told) == asked > 0
    assert server.told[-1][0] == "ROLLBACK"  # what follows is said of a transaction to come


def test_a_server_without_a_time_limit_is_told_of_none() -> None:
    dialect = MySQL()
    dialect.prepare(BARE, None)
    asked = len(BARE.told)
    dialect.limit_time(connection_to(BARE), 3)
    assert len(BARE.told) == asked


def test_without_a_collation_that_is_exact_text_is_kept_as_its_bytes() -> None:
    dialect = MySQL()
    dialect.prepare(BARE, None)
    column = dialect.exact_text(16)
    assert column.compile(core.dialect()) == "VARBINARY(64)"


def test_text_that_is_kept_as_bytes_is_read_as_text() -> None:
    engine = create_engine("mysql+pymysql://")
    dialect = MySQL()
    dialect.prepare(BARE, None)
    remember(engine, dialect)
    read = reader_of(engine.dialect, (users.c.number, users.c.user_id))
    assert list(read([(1, "größe".encode()), (2, None)])) == [(1, "größe"), (2, None)]
    exact = users.c.user_id.type.dialect_impl(engine.dialect)
    assert exact.bind_processor(engine.dialect) is None


def test_what_ends_writing_too_is_told_how_long_that_may_take() -> None:
    dialect = MySQL()
    dialect.engine_options(ADDRESS, Settings(), statement_seconds=20)
    dialect.prepare(OCEANBASE, None)
    assert OCEANBASE.told[-1] == ("SET SESSION ob_query_timeout = %s", (20_000_000,))
    dialect.limit_time(connection_to(OCEANBASE), 3)
    assert OCEANBASE.told[-1] == ("SET SESSION ob_query_timeout = %s", (3_000_000,))


def test_it_is_told_anew_where_less_time_is_left_and_for_the_next_who_has_more() -> None:
    dialect = MySQL()
    dialect.prepare(MARIADB, None)
    connection = connection_to(MARIADB)
    told = []
    for left in (30, 29.9, 29.6, 12.3456, 12.2, 0.0001, 30):
        dialect.limit_time(connection, left)
        told.append(MARIADB.told[-1][1])
    assert told == [(30,), (30,), (30,), (12.346,), (12.346,), (0.001,), (30,)]


@pytest.mark.parametrize("code", PASSING)
def test_what_passes_by_itself_is_tried_again(code: int) -> None:
    with pytest.raises(Unavailable) as caught, translated_errors():
        raise_from_server(code)
    assert caught.value.code == "database_unavailable"


def raise_from_server(code: int) -> None:
    """As the driver raises what a server answers, and SQLAlchemy passes it on."""
    try:
        pymysql.err.raise_mysql_exception(b"\xff" + code.to_bytes(2, "little") + b"#HY000why")
    except pymysql.err.Error as error:
        raise DBAPIError.instance("SELECT 1", (), error, pymysql.err.Error) from error


def test_what_ends_reading_only_is_told_to_readers_only() -> None:
    dialect = MySQL()
    dialect.engine_options(ADDRESS, Settings(), statement_seconds=20)
    dialect.prepare(MYSQL, None)
    assert not any(statement.startswith("SET") for statement, _ in MYSQL.told[-2:])


class RefusingServer(Server):
    """Refuses what it is told."""

    def __init__(self, error: Exception) -> None:
        super().__init__("8.0.11-TiDB-v8.5.0", [], [])
        self.error = error

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        super().execute(statement, parameters)
        raise self.error


def test_a_server_that_knows_no_read_only_sessions_is_read_all_the_same() -> None:
    unknown = pymysql.err.NotSupportedError(1235, "function READ ONLY has only noop implementation")
    server = RefusingServer(unknown)
    forbid_writing(server, None)
    assert server.told == [("SET SESSION TRANSACTION READ ONLY", ())]
    with pytest.raises(pymysql.err.OperationalError):
        forbid_writing(RefusingServer(pymysql.err.OperationalError(2006, "gone away")), None)


def test_a_server_with_a_small_log_or_pool_is_told_of_it(
    settings: Settings, mariadb_url: str
) -> None:
    """The server of the tests has 64 MiB of the one and MariaDB's default of the other."""
    engine = writing_engine(replace(settings, database_url=mariadb_url))
    with engine.begin() as connection:
        sentences = list(dialect_of(connection).find_too_small(connection))
    engine.dispose()
    assert [sentence.partition(" is ")[0] for sentence in sentences] == [
        "innodb_buffer_pool_size",
        "innodb_log_file_size",
    ]
    assert "64 MiB" in sentences[0]


@pytest.mark.parametrize("url", ["sqlite_url", "oceanbase_url"])
def test_who_has_no_innodb_is_told_nothing(
    settings: Settings, request: pytest.FixtureRequest, url: str
) -> None:
    engine = writing_engine(replace(settings, database_url=request.getfixturevalue(url)))
    with engine.begin() as connection:
        assert list(dialect_of(connection).find_too_small(connection)) == []
    engine.dispose()
