"""SQLite: a file beside the services, with one writer at a time."""

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    event,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from shared.db.dialect import Changes, Dialect, Fault, Texts
from shared.settings import Settings

# How long a writer waits for the others before it tries again.
BUSY_SECONDS = 10
# Of a statement, besides a few others: 32,766, unless it was built for more.
MAX_VARIABLES = 30_000
# Of the log; SQLite writes it to the file at 4 MB, and begins it anew.
MAX_LOG_BYTES = 16 << 20
# After so many instructions the time is looked at: some 20 µs.
STEPS = 1000
DUPLICATE_CODES = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE}
)
# Nothing is there that could be waited for: no such directory, or another kind of file.
REFUSED_CODES = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB})
# What has no number of its own; the last is of an INSERT.
NOT_THERE = ("no such table", "no such column", "has no column named")

SIZE = text(
    "SELECT /* db.size */ page_count * page_size FROM pragma_page_count(), pragma_page_size()"
)
COLUMNS = text(
    "SELECT /* db.columns */ found.name, its.name "
    "FROM sqlite_master AS found JOIN pragma_table_info(found.name) AS its "
    "WHERE found.type = 'table'"
)


class SQLite(Dialect):
    """Text compares by bytes there, and whatever the length of its column, it is stored whole."""

    kind = "sqlite"
    driver_error = sqlite3.Error
    value_errors = (OverflowError,)  # an integer beyond its 64 bits
    locks_all = True

    def with_driver(self, url: URL) -> URL:
        """How the file is opened is said here, not in the address."""
        if url.host or url.username:
            raise ValueError("has a host; the file of a SQLite is sqlite:////path/file.db")
        for name in url.query:
            raise ValueError(f"has the option {name!r}; one of SQLite has none")
        return url

    def engine_options(
        self, url: URL, settings: Settings, statement_seconds: float
    ) -> dict[str, Any]:
        return {"connect_args": {"timeout": BUSY_SECONDS}}

    def prepare(self, connection: sqlite3.Connection, _record: object) -> None:
        """Readers never wait for the writer (WAL), and a commit is on disk when it returns (FULL).

        Transactions begin where we say so, not at the first write.
        """
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")  # in KiB
        # To this it is cut when a writer begins it anew: while a reader keeps to its snapshot, it
        # only grows.
        connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_BYTES}")

    def let_write(self, engine: Engine) -> None:
        event.listen(engine, "begin", begin_immediate)

    def only_read(self, engine: Engine) -> None:
        event.listen(engine, "connect", forbid_writing)
        event.listen(engine, "begin", begin_reading)

    def limit_time(self, connection: Connection, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)

    def is_among(
        self, key: Sequence[Column[Any]], wanted: Sequence[Sequence[Any]]
    ) -> ColumnElement[bool]:
        """It scans the table for a row value IN a list."""
        return or_(*(and_(*(c == v for c, v in zip(key, one, strict=True))) for one in wanted))

    def any_of(self, texts: Sequence[str]) -> Texts:
        """As many as it takes variables, and more as JSON, in one."""
        if len(texts) <= MAX_VARIABLES:
            return texts
        return select(func.json_each(json.dumps(texts)).table_valued("value").c.value)

    def insert_ignoring_known(self, table: Table) -> Insert:
        return sqlite.insert(table).on_conflict_do_nothing()

    def insert_or_change(self, table: Table, changes: Changes) -> Insert:
        statement = sqlite.insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=changes(statement.excluded)
        )

    def lesser(self, one: Any, other: Any) -> ColumnElement[Any]:
        return func.min(one, other)

    def greater(self, one: Any, other: Any) -> ColumnElement[Any]:
        return func.max(one, other)

    def exact_text(self, length: int) -> TypeEngine[Any]:
        """Without the length, which would be a remark: a migration need not change it either."""
        return String()

    def long_text(self) -> TypeEngine[Any]:
        return Text()

    def key_bytes(self, length: int) -> TypeEngine[Any]:
        return LargeBinary(length)

    def long_bytes(self) -> TypeEngine[Any]:
        return LargeBinary()

    def big_id(self) -> TypeEngine[Any]:
        """Rows are numbered only in a column of type INTEGER, which has 64 bits."""
        return Integer()

    @property
    def max_value_bytes(self) -> None:
        return None

    def fetch_size(self, connection: Connection) -> int:
        return int(connection.scalar(SIZE) or 0)

    def fetch_log_size(self, connection: Connection) -> int:
        return log_size(connection.engine)

    def cut_log(self, engine: Engine) -> None:
        """By a connection that waits for nobody: while this waited, writers would too."""
        path = engine.url.database
        if path and log_size(engine) > MAX_LOG_BYTES:
            with closing(sqlite3.connect(path, timeout=0)) as alone:
                alone.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def fetch_columns(self, connection: Connection) -> set[tuple[str, str]]:
        return {(table, column) for table, column in connection.execute(COLUMNS)}

    @staticmethod
    def fault_of(error: DBAPIError) -> Fault | None:
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT:
            return Fault.TIME_IS_UP
        if any(words in str(error.orig) for words in NOT_THERE):
            return Fault.NOT_MIGRATED
        if code in REFUSED_CODES:
            return Fault.REFUSED
        return Fault.KNOWN_KEY if code in DUPLICATE_CODES else None


def log_size(engine: Engine) -> int:
    """In bytes; of a database in memory there is none."""
    try:
        return os.stat(f"{engine.url.database}-wal").st_size
    except FileNotFoundError:
        return 0


def begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a reader that turns writer later fails with 'locked'. Behind it
    every statement sees all there is."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def forbid_writing(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
