"""MariaDB, MySQL, TiDB and OceanBase: servers of one protocol, told apart by what they can do.

Whatever one of them lacks is asked of the server itself; its name is for people only.
"""

import math
import re
import ssl
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pymysql
from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Engine,
    Insert,
    String,
    Table,
    event,
    func,
    text,
    tuple_,
)
from sqlalchemy import Dialect as CoreDialect
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from shared.db.dialect import AnySelect, Changes, Dialect, Fault, Texts
from shared.db.mysql_address import (
    CHARSET,
    NO_TLS,
    is_tls_offered,
    offer_tls,
    options_of,
    tls_arguments,
)
from shared.db.mysql_compression import DECIDING, compression_of
from shared.db.mysql_packets import (
    MAX_PACKET,
    PACKET_TOO_LARGE,
    USUAL_PACKET_BYTES,
    BoundCursor,
    refuse_small_packets,
)
from shared.db.mysql_sizes import too_small
from shared.db.mysql_time_limits import TIME_LIMITS, TimeLimit
from shared.settings import Settings

CONNECT_TIMEOUT_SECONDS = 5
# What the server gets beyond a statement's time to say by itself that it is up: a part of that, and
# never more than this.
ANSWER_PART, ANSWER_SECONDS = 0.2, 5
# By how much a session may give a SELECT up later than asked for, rather than be told each time.
SLACK_SECONDS = 0.5
# Where a connection keeps what it was told last.
LIMIT = "time_limit"
RECYCLE_SECONDS = 1800

# What the server says of a row, not of itself: value too long, out of range, of the wrong type or
# character set, null, a check failed, JSON invalid, packet too large, row too large.
# https://mariadb.com/docs/server/reference/error-codes
POISON_CODES = frozenset(
    {1048, 1118, 1139, PACKET_TOO_LARGE, 1264, 1265, 1292, 1366, 1367, 1406, 3140, 3819, 4025, 8025}
)
# A table, or a column.
NOT_THERE_CODES = frozenset({1146, 1054})
# A statement took too long: of MariaDB, of MySQL and TiDB, and of OceanBase.
TIME_IS_UP_CODES = frozenset({1969, 3024, 4012})
# A primary key that is there already: another event, or another batch, was first.
DUPLICATE_CODES = frozenset({1062, 1586})

# The server answers and lets us not in: a wrong user or password, no such database, none of this
# user's, a host or a way to log in that it does not take; and from the driver, TLS that it lacks
# and a way to log in that the driver lacks.
REFUSED_CODES = frozenset({1044, 1045, 1049, 1130, 1251, 1524, 1698, 2026, 2059, 2061})

# Collations that do not take "a" and "a " for equal, as `utf8mb4_bin` does: MariaDB's, and that of
# MySQL and TiDB. MariaDB's comes first, for of late it knows the other name too, and the columns
# that it has are of its own. A server that has neither keeps the bytes; see BinaryText.
EXACT_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
SELECT_COLLATIONS = (
    "SELECT /* db.abilities */ collation_name FROM information_schema.collations "
    "WHERE collation_name IN (%s, %s)"
)
SHOW_VARIABLES = "SHOW VARIABLES WHERE variable_name IN (%s, %s, %s, %s, %s, %s, %s)"

# https://mariadb.com/docs/server/reference/sql-statements/data-manipulation/inserting-loading-data/insertreturning
RETURNS_SINCE = (10, 5)

# What is left of a packet for all of a statement that is not the one long value in it.
STATEMENT_BYTES = 8 << 10
# Of a character in UTF-8.
MOST_BYTES = 4

PRIMARY_KEY_ONLY = "FORCE INDEX (PRIMARY)"

SIZE = text(
    "SELECT /* db.size */ COALESCE(SUM(data_length + index_length), 0) "
    "FROM information_schema.tables WHERE table_schema = DATABASE()"
)
NOW = text("SELECT /* db.now */ UTC_TIMESTAMP(3)")
COLUMNS = text(
    "SELECT /* db.columns */ table_name, column_name "
    "FROM information_schema.columns WHERE table_schema = DATABASE()"
)


@dataclass(frozen=True)
class Abilities:
    """What servers differ in."""

    kind: str
    # None where every collation takes some texts for equal that are not.
    exact_collation: str | None
    # None where it has none: then only the connection's own time-out ends a wait.
    time_limit: TimeLimit | None
    # Of one statement, as it is sent.
    max_packet_bytes: int = USUAL_PACKET_BYTES
    # Whether INSERT knows RETURNING.
    can_return: bool = False
    # See Dialect.compression.
    compression: str = ""


# Of a server that nobody has connected to; it is asked before anything depends on it.
NOT_ASKED = Abilities("mysql", EXACT_COLLATIONS[-1], None)


class BinaryText(mysql.VARBINARY):
    """Text as its bytes in UTF-8, whose order is that of its characters.

    The server takes a text for its bytes by itself, for connections are in UTF-8; what it answers
    are bytes.
    """

    cache_ok = True
    literal_processor = String.literal_processor

    def bind_processor(self, _dialect: CoreDialect) -> None:
        return None

    def result_processor(self, _dialect: CoreDialect, _coltype: object) -> Any:
        return text_from


class MySQL(Dialect):
    """One server, or several that are the same behind one address."""

    driver_error = pymysql.err.Error

    def __init__(self) -> None:
        self.abilities = NOT_ASKED
        self.statement_seconds = 0.0
        self.offers_tls = False

    @property
    def kind(self) -> str:
        return self.abilities.kind

    def with_driver(self, url: URL) -> URL:
        driver = f"{url.get_backend_name()}+pymysql"
        return url.set(drivername=driver, query=dict(options_of(url).driver))

    def engine_options(
        self, url: URL, settings: Settings, statement_seconds: float
    ) -> dict[str, Any]:
        self.statement_seconds = statement_seconds
        arguments = connect_arguments(url, statement_seconds)
        arguments["cursorclass"] = partial(BoundCursor, most_bytes=self.max_packet_bytes)
        told = options_of(url)
        self.offers_tls = is_tls_offered(told, settings)
        tls = NO_TLS if self.offers_tls else tls_arguments(told, settings)
        return {
            "connect_args": arguments | tls,
            "pool_pre_ping": True,
            "pool_recycle": RECYCLE_SECONDS,
            "paramstyle": "format",  # what executemany with tuples needs; see worker.batch.insert
        }

    def connect(self, core: CoreDialect, arguments: Any, options: Any) -> Any:
        connection = core.connect(*arguments, **options, defer_connect=True)
        if self.offers_tls:
            offer_tls(connection)
        connection.connect()
        return connection

    def prepare(self, connection: Any, _record: object) -> None:
        if self.abilities is NOT_ASKED:
            self.abilities = ask(connection)
            # What comes next concerns the next transaction, and this one has begun with the asking.
            connection.rollback()
        refuse_small_packets(self.abilities.max_packet_bytes)
        limit = self.abilities.time_limit
        if limit is not None and limit.is_for_all and self.statement_seconds:
            run(connection, limit.statement, (limit.amount(self.statement_seconds),))

    def let_write(self, engine: Engine) -> None:
        """Locks are taken row by row. READ COMMITTED shows each statement what is committed when it
        begins: behind a lock, that is all that others have done under it. It also locks fewer gaps
        between rows, where batches would meet."""
        event.listen(engine, "connect", read_committed)

    def only_read(self, engine: Engine) -> None:
        """REPEATABLE READ shows a transaction one moment. It is not the default everywhere."""
        event.listen(engine, "connect", repeatable_read)
        event.listen(engine, "connect", forbid_writing)

    def limit_time(self, connection: Connection, seconds: float) -> None:
        """Let the server end a SELECT: one that nobody waits for any more would go on there."""
        limit = self.abilities.time_limit
        if limit is None:
            return
        told = connection.info.get(LIMIT, math.inf)
        if not seconds <= told <= seconds + SLACK_SECONDS:
            run(connection.connection, limit.statement, (limit.amount(seconds),))
            connection.info[LIMIT] = seconds

    def is_among(
        self, key: Sequence[Column[Any]], wanted: Sequence[Sequence[Any]]
    ) -> ColumnElement[bool]:
        """Ranges of the key are read for that; with OR, MariaDB takes half as long again."""
        return tuple_(*key).in_(wanted)

    def select_by_primary_key(self, statement: AnySelect, table: Table) -> AnySelect:
        """Where two indexes would do, MariaDB's optimizer takes a time that grows with the square
        of the keys: 86 µs a row among 250 keys, and 15 with the one."""
        return statement.with_hint(table, PRIMARY_KEY_ONLY)

    def delete_by_primary_key(self, statement: Delete, table: Table) -> Delete:
        """Only a DELETE that names its table as if it read several takes such a hint."""
        return statement.prefix_with(table.name).with_hint(PRIMARY_KEY_ONLY)

    def any_of(self, texts: Sequence[str]) -> Texts:
        """Given a SELECT, MariaDB would read all rows of each instead of ranges."""
        return texts

    def insert_ignoring_known(self, table: Table) -> Insert:
        """IGNORE would also hide a value that does not fit; what is inserted so was validated
        against the same bounds."""
        return mysql.insert(table).prefix_with("IGNORE")

    def insert_or_change(self, table: Table, changes: Changes) -> Insert:
        statement = mysql.insert(table)
        return statement.on_duplicate_key_update(changes(statement.inserted))

    @property
    def can_return(self) -> bool:
        return self.abilities.can_return

    def lesser(self, one: Any, other: Any) -> ColumnElement[Any]:
        return func.least(one, other)

    def greater(self, one: Any, other: Any) -> ColumnElement[Any]:
        return func.greatest(one, other)

    @property
    def compression(self) -> str:
        return self.abilities.compression

    def exact_text(self, length: int) -> TypeEngine[Any]:
        collation = self.abilities.exact_collation
        if collation is None:
            return BinaryText(MOST_BYTES * length)
        return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)

    def long_text(self) -> TypeEngine[Any]:
        return mysql.LONGTEXT(charset="utf8mb4")

    def key_bytes(self, length: int) -> TypeEngine[Any]:
        """A BLOB can be no key; a BINARY can."""
        return mysql.BINARY(length)

    def long_bytes(self) -> TypeEngine[Any]:
        return mysql.LONGBLOB()

    def big_id(self) -> TypeEngine[Any]:
        return BigInteger()

    @property
    def max_value_bytes(self) -> int:
        """The driver escapes bytes: each may become two."""
        return max(1, (self.abilities.max_packet_bytes - STATEMENT_BYTES) // 2)

    def max_packet_bytes(self) -> int:
        return self.abilities.max_packet_bytes

    def fetch_size(self, connection: Connection) -> int:
        return int(connection.scalar(SIZE) or 0)

    def fetch_now(self, connection: Connection) -> int:
        shown: datetime = connection.execute(NOW).scalar_one()
        return round(shown.replace(tzinfo=UTC).timestamp() * 1000)

    def fetch_log_size(self, connection: Connection) -> None:  # noqa: ARG002  # SQLite asks it
        return None

    def cut_log(self, engine: Engine) -> None:
        """The server does."""

    def find_too_small(self, connection: Connection) -> Iterator[str]:
        return too_small(connection)

    def fetch_columns(self, connection: Connection) -> set[tuple[str, str]]:
        return {(table, column) for table, column in connection.execute(COLUMNS)}

    @staticmethod
    def fault_of(error: DBAPIError) -> Fault | None:
        arguments = getattr(error.orig, "args", ())
        code = arguments[0] if arguments else None
        for codes, fault in (
            (TIME_IS_UP_CODES, Fault.TIME_IS_UP),
            (NOT_THERE_CODES, Fault.NOT_MIGRATED),
            (DUPLICATE_CODES, Fault.KNOWN_KEY),
            (POISON_CODES, Fault.POISON),
            (REFUSED_CODES, Fault.REFUSED),
        ):
            if code in codes:
                return fault
        # The driver says "cannot connect" of a certificate that it does not trust, too.
        cause = getattr(error.orig, "original_exception", None)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Fault.REFUSED
        # PyMySQL knows few of the server's codes; the rest, 1000 and above, it calls
        # OperationalError, and InternalError where it has no code at all: a packet cut short by a
        # dying server.
        return Fault.UNAVAILABLE if isinstance(error.orig, pymysql.err.InternalError) else None


def connect_arguments(url: URL, statement_seconds: float) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "charset": CHARSET,
        "connect_timeout": min(CONNECT_TIMEOUT_SECONDS, statement_seconds),
        "read_timeout": statement_seconds + min(ANSWER_SECONDS, ANSWER_PART * statement_seconds),
        "write_timeout": statement_seconds,
    }
    if url.password:
        # The driver would take it for Latin 1; the server has hashed it as it is in UTF-8.
        arguments["password"] = url.password.encode()
    return arguments


def ask(connection: Any) -> Abilities:
    """What the server at the other end can do."""
    collations = {name for (name,) in run(connection, SELECT_COLLATIONS, EXACT_COLLATIONS)}
    variables = dict(run(connection, SHOW_VARIABLES, (*TIME_LIMITS, MAX_PACKET, *DECIDING)))
    return Abilities(
        kind="mariadb" if "MariaDB" in connection.get_server_info() else "mysql",
        exact_collation=first_of(EXACT_COLLATIONS, collations),
        time_limit=TIME_LIMITS.get(first_of(TIME_LIMITS, variables) or ""),
        max_packet_bytes=int(variables.get(MAX_PACKET, USUAL_PACKET_BYTES)),
        can_return=returns_rows(connection.get_server_info()),
        compression=compression_of(variables),
    )


def returns_rows(server_info: str) -> bool:
    """Whether a server of that version can return what it inserts, as MariaDB does since 10.5."""
    version = re.search(r"(\d+)\.(\d+)\.\d+-MariaDB", server_info)
    return version is not None and (int(version[1]), int(version[2])) >= RETURNS_SINCE


def text_from(stored: bytes | None) -> str | None:
    return None if stored is None else stored.decode()


def first_of(names: Iterable[str], there: Container[str]) -> str | None:
    return next((name for name in names if name in there), None)


def run(connection: Any, statement: str, parameters: Sequence[Any] = ()) -> Sequence[Any]:
    """Execute a statement on a connection of the driver's; returns its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Sequence[Any] = cursor.fetchall()
        return rows


def read_committed(connection: Any, _record: object) -> None:
    run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def repeatable_read(connection: Any, _record: object) -> None:
    run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def forbid_writing(connection: Any, _record: object) -> None:
    """TiDB has no such sessions, and refuses to pretend (1235)."""
    with suppress(pymysql.err.NotSupportedError):
        run(connection, "SET SESSION TRANSACTION READ ONLY")
