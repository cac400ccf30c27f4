"""What databases differ in, as one object that everything else asks.

Every engine has one, for good: its kind follows from the address, and what servers of one kind
differ in it asks the server at the first connection. Adding a database is a module beside sqlite.py
and mysql.py, and a line in dialects.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Engine,
    Insert,
    Select,
    Table,
)
from sqlalchemy import Dialect as CoreDialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.types import TypeEngine

from shared.settings import Settings

AnySelect = Select[*tuple[Any, ...]]
# What stands behind IN.
Texts = Sequence[str] | AnySelect
# The row that was to be inserted -> what changes in the one that is there.
Changes = Callable[[ReadOnlyColumnCollection[str, Any]], Mapping[str, ColumnElement[Any]]]


class Fault(Enum):
    """What an error means."""

    TIME_IS_UP = auto()  # the statement took longer than it may
    NOT_MIGRATED = auto()  # a table or a column is not there
    KNOWN_KEY = auto()  # the row's primary key is in the table already
    POISON = auto()  # the row is refused for what it is
    REFUSED = auto()  # the server answers, and lets nobody in under this address
    UNAVAILABLE = auto()  # no fault of the statement: try again


class TimeIsUp(Exception):
    """A transaction has gone on for as long as it may."""


class Dialect(ABC):
    """One kind of database. Its methods say what is wanted, not how."""

    # What the driver's own errors are made of.
    driver_error: ClassVar[type[Exception]]
    # What the driver raises besides, of a value that no row can hold.
    value_errors: ClassVar[tuple[type[Exception], ...]] = ()
    # Whether one transaction that writes keeps all others from it until its end.
    locks_all: ClassVar[bool] = False

    @property
    @abstractmethod
    def kind(self) -> str:
        """The database's name, as /system gives it."""

    # --- connections

    @abstractmethod
    def with_driver(self, url: URL) -> URL:
        """The address, with the one driver that is installed and what that understands. Raises
        ValueError."""

    @abstractmethod
    def engine_options(
        self, url: URL, settings: Settings, statement_seconds: float
    ) -> dict[str, Any]:
        """What `create_engine` is given. A statement that takes longer than `statement_seconds` may
        be given up. Raises BadSetting, and ValueError for what the address says."""

    def connect(self, core: CoreDialect, arguments: Any, options: Any) -> Any:
        """A new connection of the driver's. Raises whatever the driver does."""
        return core.connect(*arguments, **options)

    @abstractmethod
    def prepare(self, connection: Any, _record: object) -> None:
        """Called with each new connection of the driver's, before anything else is done with it."""

    @abstractmethod
    def let_write(self, engine: Engine) -> None:
        """Let each transaction of an engine take its locks at once, and each of its statements see
        all that is committed when it begins."""

    @abstractmethod
    def only_read(self, engine: Engine) -> None:
        """Let no statement of an engine write, and all those of a transaction see the same
        moment."""

    @abstractmethod
    def limit_time(self, connection: Connection, seconds: float) -> None:
        """Let no statement that comes now go on for longer than `seconds`, or little more; called
        before each."""

    # --- statements

    @abstractmethod
    def is_among(
        self, key: Sequence[Column[Any]], wanted: Sequence[Sequence[Any]]
    ) -> ColumnElement[bool]:
        """That a row's key is one of `wanted`, of which there are fewer than 1,000; found by
        seeking along the key."""

    def select_by_primary_key(self, statement: AnySelect, table: Table) -> AnySelect:  # noqa: ARG002
        """The statement, made to seek its rows by the primary key of their table where one of its
        indexes begins as that does."""
        return statement

    def delete_by_primary_key(
        self,
        statement: Delete,
        table: Table,  # noqa: ARG002
    ) -> Delete:
        """The same, of a DELETE."""
        return statement

    @abstractmethod
    def any_of(self, texts: Sequence[str]) -> Texts:
        """These texts, however many, as a column is compared with them by IN."""

    @abstractmethod
    def insert_ignoring_known(self, table: Table) -> Insert:
        """INSERT that leaves out rows whose primary key is there already."""

    @abstractmethod
    def insert_or_change(self, table: Table, changes: Changes) -> Insert:
        """INSERT that, where the primary key is there already, changes that row instead."""

    @property
    def can_return(self) -> bool:
        """Whether an INSERT of many rows can return them as they are then, also those that were
        there. Known from the first connection on."""
        return False

    @abstractmethod
    def lesser(self, one: Any, other: Any) -> ColumnElement[Any]: ...

    @abstractmethod
    def greater(self, one: Any, other: Any) -> ColumnElement[Any]: ...

    # --- types

    @property
    def compression(self) -> str:
        """What CREATE TABLE ends with, for a table to be kept compressed; empty where the server
        cannot, or does so by itself. Known from the first connection on."""
        return ""

    @abstractmethod
    def exact_text(self, length: int) -> TypeEngine[Any]:
        """Text that compares byte for byte, trailing spaces included."""

    @abstractmethod
    def long_text(self) -> TypeEngine[Any]: ...

    @abstractmethod
    def key_bytes(self, length: int) -> TypeEngine[Any]:
        """Exactly so many bytes, which may be part of a key."""

    @abstractmethod
    def long_bytes(self) -> TypeEngine[Any]: ...

    @abstractmethod
    def big_id(self) -> TypeEngine[Any]:
        """A number of 64 bits that the database gives out by itself."""

    # --- about the database

    @property
    @abstractmethod
    def max_value_bytes(self) -> int | None:
        """How long a value may be that a statement writes; None where there is no bound. Known from
        the first connection on."""

    @abstractmethod
    def fetch_size(self, connection: Connection) -> int:
        """How much room it takes, in bytes."""

    @abstractmethod
    def fetch_log_size(self, connection: Connection) -> int | None:
        """How much room, besides, the log of what is not in its tables' files yet takes, in bytes;
        None where that is the server's own affair."""

    @abstractmethod
    def cut_log(self, engine: Engine) -> None:
        """Give back the room of a log that has grown large, unless somebody still reads it; keep
        nobody waiting for that."""

    def fetch_now(self, _connection: Connection) -> int | None:
        """What its clock shows, in ms; None where it has this machine's."""
        return None

    def find_too_small(self, _connection: Connection) -> Iterator[str]:
        """What of the server's is so small that it holds writing up: a sentence each."""
        yield from ()

    @abstractmethod
    def fetch_columns(self, connection: Connection) -> set[tuple[str, str]]:
        """The names of its tables and their columns, in one statement."""

    # --- errors

    @staticmethod
    @abstractmethod
    def fault_of(error: DBAPIError) -> Fault | None:
        """What an error with a `driver_error` in it means; None where its kind tells."""
