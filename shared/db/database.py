"""The database: engines for those who write and those who read, and what its errors mean.

What differs between databases is asked of an engine's dialect; see shared/db/dialect.py.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    NullPool,
    QueuePool,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.db.dialect import Fault, TimeIsUp
from shared.db.dialects import VALUE_ERRORS, dialect_for, dialect_of, fault_of, remember
from shared.errors import BadSetting, PoisonEvent, Unavailable
from shared.settings import Settings, masked

# A statement that takes longer is given up; the batch is tried again.
STATEMENT_TIMEOUT_SECONDS = 20
# What tells how things stand has to say within two seconds that it cannot.
PROMPT_SECONDS = 1.5
# To copy a large table, or to add up its rows, takes a server as long as it takes.
MIGRATION_SECONDS = 86_400
RETRY_AFTER_SECONDS = 5
# Where a connection keeps when its transaction is over.
DEADLINE = "deadline"
# The code of what is answered where a table or a column is missing.
NOT_MIGRATED = "not_migrated"
TOO_SLOW = "too_slow"


def without_traceback(record: logging.LogRecord) -> bool:
    """A filter of the pools' logs, which tell of a connection that is lost when it is given back as
    of a bug; the next one is opened anew."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.msg, record.args = "a connection to the database is given up: %s", (error,)
        record.exc_info = None
    return True


for pool in (NullPool, QueuePool):
    logging.getLogger(f"{pool.__module__}.{pool.__qualname__}").addFilter(without_traceback)


class Refused(Unavailable):
    """The server answers and does not let us in; only another address or user would help."""


class KnownKey(Exception):
    """A row's primary key is in the table already."""


def writing_engine(
    settings: Settings, statement_seconds: int = STATEMENT_TIMEOUT_SECONDS
) -> Engine:
    """The engine of a worker: one connection, kept, each transaction taking its locks at once."""
    engine = make_engine(settings, statement_seconds, pool_size=1, max_overflow=1)
    dialect_of(engine).let_write(engine)
    return engine


def reading_engine(settings: Settings) -> Engine:
    """The engine of reporting. Its connections cannot write, whatever a statement says, and a
    transaction has QUERY_SECONDS for all it does."""
    seconds = settings.query_seconds
    return let_read(make_engine(settings, seconds, pool_size=4, max_overflow=4), seconds)


def prompt_engine(settings: Settings) -> Engine:
    """The same for what has PROMPT_SECONDS. It keeps no connection: of one that leads to a server
    which is frozen, it would find that out first, and then try another."""
    return let_read(make_engine(settings, PROMPT_SECONDS, poolclass=NullPool), PROMPT_SECONDS)


def let_read(engine: Engine, seconds: float) -> Engine:
    """Let each transaction of an engine only read, and for so long."""
    dialect = dialect_of(engine)

    def begin(connection: Connection) -> None:
        connection.info[DEADLINE] = time.monotonic() + seconds

    def check_time(connection: Connection, *_: object) -> None:
        left = connection.info[DEADLINE] - time.monotonic()
        if left <= 0:
            raise TimeIsUp
        dialect.limit_time(connection, left)

    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", check_time)
    dialect.only_read(engine)
    return engine


def of_replica(make: Callable[[Settings], Engine], settings: Settings) -> Engine | None:
    """The engine of the replica that REPORTING_DATABASE_URL names; None where it names none."""
    if not settings.reporting_database_url:
        return None
    try:
        return make(replace(settings, database_url=settings.reporting_database_url))
    except BadSetting as error:  # it names the other setting
        raise BadSetting(f"REPORTING_{error}") from error


def make_engine(
    settings: Settings, statement_seconds: float = STATEMENT_TIMEOUT_SECONDS, **options: Any
) -> Engine:
    """An engine that connects at first use. Raises BadSetting for an address without sense."""
    try:
        url = make_url(settings.database_address)
        dialect = dialect_for(url)
        engine = create_engine(
            dialect.with_driver(url),
            hide_parameters=True,  # an error names no visitor
            **dialect.engine_options(url, settings, statement_seconds),
            **options,
        )
    except (ValueError, TypeError, ArgumentError) as error:
        raise BadSetting(f"DATABASE_URL: {error}") from error
    remember(engine, dialect)
    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", dialect.prepare)
    return engine


def connect(core: Dialect, _record: object, arguments: Any, options: Any) -> Any:
    """A new connection of the driver's.

    While it makes one, a driver also raises what is no error of its own: of a password or an answer
    that it cannot read, of a way to log in for which it lacks a library. No statement is to blame.
    """
    driver = core.loaded_dbapi
    try:
        return dialect_of(core).connect(core, arguments, options)
    except driver.Error:
        raise
    except Exception as error:
        sentence = f"cannot connect: {type(error).__name__}: {error}"
        raise driver.OperationalError(sentence) from error


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
    except TimeIsUp as error:
        raise too_slow() from error
    except VALUE_ERRORS as error:
        raise PoisonEvent(str(error)) from error
    except PoolTimeoutError as error:
        raise unavailable(error) from error


def meaning_of(error: DBAPIError) -> Exception:
    match fault_of(error) or fault_of_kind(error):
        case Fault.TIME_IS_UP:
            return too_slow()
        case Fault.NOT_MIGRATED:
            return Unavailable(
                NOT_MIGRATED, f"the database is not up to date: {error.orig}; run `make migrate`"
            )
        case Fault.KNOWN_KEY:
            return KnownKey(str(error.orig))
        case Fault.POISON:
            return PoisonEvent(str(error.orig))
        case Fault.REFUSED:
            return unavailable(error.orig or error, Refused)
        case Fault.UNAVAILABLE:
            return unavailable(error.orig or error)
        case None:
            # Without a statement, it is the connection that cannot be used.
            return error if error.statement else unavailable(error.orig or error)


def fault_of_kind(error: DBAPIError) -> Fault | None:
    """What an error means whose number says nothing; None where it is a bug."""
    if isinstance(error, IntegrityError | DataError):  # a retry would fail for the same values
        return Fault.POISON
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return Fault.UNAVAILABLE
    return None


@contextmanager
def at_once() -> Iterator[None]:
    """Take a database that lets what a prompt engine asks wait for one that is away."""
    try:
        yield
    except Unavailable as error:
        if error.code != TOO_SLOW:
            raise
        raise unavailable(TimeoutError(f"no answer within {PROMPT_SECONDS} s")) from error


def too_slow() -> Unavailable:
    return Unavailable(
        TOO_SLOW,
        "the answer takes longer than QUERY_SECONDS: ask for a shorter range or fewer filters",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def unavailable(error: BaseException, kind: type[Unavailable] = Unavailable) -> Unavailable:
    return kind(
        "database_unavailable",
        f"the database is unavailable: {masked(str(error))}",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def check_connection(engine: Engine) -> None:
    """Raises Unavailable where the database does not answer."""
    with translated_errors(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
