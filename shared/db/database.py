"""The database: engines for those who write and those who read, and what its errors mean.

SQLite, MariaDB, MySQL and TiDB are told apart here and in shared/db/dialects.py only.
"""

import sqlite3
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pymysql
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.errors import BadSetting, PoisonEvent, Unavailable
from shared.settings import Settings, masked

CONNECT_TIMEOUT_SECONDS = 5
# A statement that takes longer is given up; the batch is tried again.
STATEMENT_TIMEOUT_SECONDS = 20
# What the server gets beyond that to say by itself that the time is up.
ANSWER_SECONDS = 5
# How long a writer of SQLite waits for the others before it tries again.
SQLITE_BUSY_SECONDS = 10
RETRY_AFTER_SECONDS = 5

# What MySQL, MariaDB or TiDB says of a row, not of itself: value too long, out of range, of the
# wrong type or character set, null, a check failed, JSON invalid, packet too large, row too large.
# https://mariadb.com/docs/server/reference/error-codes
POISON_CODES = frozenset(
    {1048, 1118, 1139, 1153, 1264, 1265, 1292, 1366, 1367, 1406, 3140, 3819, 4025, 8025}
)
NO_SUCH_TABLE = 1146
# A SELECT took too long: of MariaDB, and of MySQL and TiDB.
TIME_IS_UP_CODES = frozenset({1969, 3024})
# After so many instructions of SQLite the time is looked at: some 20 µs.
SQLITE_STEPS = 1000
# A primary key that is there already: another event, or another batch, was first.
DUPLICATE_CODES = frozenset({1062, 1586})


class KnownKey(Exception):
    """A row's primary key is in the table already."""


def writing_engine(settings: Settings) -> Engine:
    """The engine of a worker: one connection, kept, each transaction taking its locks at once."""
    engine = make_engine(settings, pool_size=1, max_overflow=1)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", begin_immediate)
    else:
        # Each statement sees what is committed when it begins: behind the lock on a site, that is
        # all there is. It also locks fewer gaps between rows, where batches would meet.
        event.listen(engine, "connect", read_committed)
    return engine


def reading_engine(settings: Settings) -> Engine:
    """The engine of reporting. Its connections cannot write, whatever a statement says, and give up
    what takes too long."""
    seconds = settings.query_seconds
    engine = make_engine(settings, statement_seconds=seconds, pool_size=4, max_overflow=4)
    event.listen(engine, "connect", forbid_writing)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", begin_reading)
        event.listen(engine, "begin", partial(limit_sqlite, seconds))
    else:
        event.listen(engine, "connect", partial(limit_mysql, seconds))
    return engine


def make_engine(
    settings: Settings, statement_seconds: int = STATEMENT_TIMEOUT_SECONDS, **options: Any
) -> Engine:
    """An engine that connects at first use. Raises BadSetting for an address without sense."""
    try:
        url = with_driver(make_url(settings.database_address))
    except Exception as error:
        raise BadSetting(f"DATABASE_URL: {error}") from error
    if url.get_backend_name() == "sqlite":
        return make_sqlite_engine(url, **options)
    return create_engine(
        url,
        connect_args=mysql_arguments(settings, statement_seconds),
        pool_pre_ping=True,
        pool_recycle=1800,
        paramstyle="format",  # what executemany with tuples needs; see worker.batch.insert
        hide_parameters=True,  # an error names no visitor
        **options,
    )


def with_driver(url: URL) -> URL:
    """`mysql://` means PyMySQL, the one driver that is installed."""
    backend = url.get_backend_name()
    return url if backend == "sqlite" else url.set(drivername=f"{backend}+pymysql")


def mysql_arguments(settings: Settings, statement_seconds: int) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "read_timeout": statement_seconds + ANSWER_SECONDS,
        "write_timeout": statement_seconds,
    }
    if settings.database_ca_path or settings.force_ssl:
        try:
            context = ssl.create_default_context(cafile=settings.database_ca_path or None)
        except (OSError, ssl.SSLError) as error:
            raise BadSetting(f"DATABASE_CA_PATH: {settings.database_ca_path}: {error}") from error
        arguments["ssl"] = context
    return arguments


def make_sqlite_engine(url: URL, **options: Any) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": SQLITE_BUSY_SECONDS}, hide_parameters=True, **options
    )
    event.listen(engine, "connect", prepare_sqlite)
    return engine


def prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Readers never wait for the writer (WAL), and a commit is on disk when it returns (FULL)."""
    connection.isolation_level = None  # transactions begin where we say so, not at the first write
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")  # in KiB


def begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock at once: a reader that turns writer later fails with 'locked'."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def begin_reading(connection: Connection) -> None:
    """Let all statements of a transaction see the same moment, as MySQL's do by default."""
    connection.exec_driver_sql("BEGIN")


def read_committed(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def forbid_writing(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    if isinstance(connection, sqlite3.Connection):
        cursor.execute("PRAGMA query_only = ON")
    else:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
    cursor.close()


def limit_mysql(seconds: int, connection: Any, _record: object) -> None:
    """Let the server end a SELECT: one that nobody waits for any more would go on there."""
    is_mariadb = "MariaDB" in connection.get_server_info()
    with connection.cursor() as cursor:
        if is_mariadb:
            cursor.execute("SET SESSION max_statement_time = %s", (seconds,))
        else:
            cursor.execute("SET SESSION max_execution_time = %s", (1000 * seconds,))


def limit_sqlite(seconds: int, connection: Connection) -> None:
    """Give the statements of a transaction `seconds` from here on."""
    deadline = time.monotonic() + seconds
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(lambda: time.monotonic() > deadline, SQLITE_STEPS)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what a driver raises into what there is to do about it.

    KnownKey (somebody was first), PoisonEvent (the row is refused for itself) or Unavailable (try
    again: gone away, deadlock 1213, lock wait 1205, a TiDB write conflict, disk full, read-only).
    An error of any other kind, such as a statement the server does not understand, is a bug and
    passes through.
    """
    try:
        yield
    except DBAPIError as error:
        raise meaning_of(error) from error
    except OverflowError as error:  # an integer beyond the 64 bits of SQLite's
        raise PoisonEvent(str(error)) from error
    except PoolTimeoutError as error:
        raise unavailable(error) from error


def meaning_of(error: DBAPIError) -> Exception:
    code = error_code(error)
    if code in TIME_IS_UP_CODES or sqlite_code(error) == sqlite3.SQLITE_INTERRUPT:
        return Unavailable(
            "too_slow",
            "the answer takes longer than QUERY_SECONDS: ask for a shorter range or fewer filters",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
    if code == NO_SUCH_TABLE or "no such table" in str(error.orig):
        return Unavailable("not_migrated", "the database has no tables: run `make migrate`")
    if code in DUPLICATE_CODES or is_sqlite_duplicate(error):
        return KnownKey(str(error.orig))
    if code in POISON_CODES or is_about_the_row(error):
        return PoisonEvent(str(error.orig))
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return unavailable(error.orig or error)
    # PyMySQL knows few of the server's codes; the rest, 1000 and above, it calls OperationalError,
    # and InternalError where it has no code at all: a packet cut short by a dying server.
    if isinstance(error.orig, pymysql.err.InternalError):
        return unavailable(error.orig)
    return error


def error_code(error: DBAPIError) -> int | None:
    """The server's error number, where the driver gives one."""
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's extended error number, where it is SQLite's."""
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return code


def is_sqlite_duplicate(error: DBAPIError) -> bool:
    return sqlite_code(error) in {
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    }


def is_about_the_row(error: DBAPIError) -> bool:
    """Whether a retry would fail the same way because of the values themselves."""
    return isinstance(error, IntegrityError | DataError)


def unavailable(error: BaseException) -> Unavailable:
    return Unavailable(
        "database_unavailable",
        f"the database is unavailable: {masked(str(error))}",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def check_connection(engine: Engine) -> None:
    """Raises Unavailable where the database does not answer."""
    with translated_errors(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
