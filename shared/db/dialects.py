"""Which database an engine is of, and the statements for which that is asked."""

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Column, Connection, Engine, Insert, Table
from sqlalchemy import Dialect as CoreDialect
from sqlalchemy.exc import DBAPIError

from shared.db.dialect import Dialect, Fault
from shared.db.mysql import MySQL
from shared.db.sqlite import SQLite

# By what an address begins with, which is also what SQLAlchemy calls them.
DIALECTS: dict[str, type[Dialect]] = {"sqlite": SQLite, "mysql": MySQL, "mariadb": MySQL}
# What drivers raise of a value that no row can hold, besides errors of their own.
VALUE_ERRORS = tuple({error for dialect in DIALECTS.values() for error in dialect.value_errors})

# By what SQLAlchemy makes one of for each engine, and hands to types and compiled statements.
known: WeakKeyDictionary[CoreDialect, Dialect] = WeakKeyDictionary()


def dialect_for(url: URL) -> Dialect:
    """That of an engine which is to be made. Raises ValueError for an address of none."""
    try:
        return DIALECTS[url.get_backend_name()]()
    except KeyError:
        supported = ", ".join(f"{name}://" for name in DIALECTS)
        raise ValueError(
            f"begins with {url.drivername}://, and supported are {supported}"
        ) from None


def remember(engine: Engine, dialect: Dialect) -> None:
    known[engine.dialect] = dialect


def dialect_of(bind: Engine | Connection | CoreDialect) -> Dialect:
    """That of an engine, always the same one; of an engine that is none of ours, one that has asked
    no server."""
    core = bind if isinstance(bind, CoreDialect) else bind.dialect
    dialect = known.get(core)
    if dialect is None:
        dialect = known[core] = DIALECTS[core.name]()
    return dialect


def fault_of(error: DBAPIError) -> Fault | None:
    """What an error means by its number; None where its kind tells."""
    for dialect in DIALECTS.values():
        if isinstance(error.orig, dialect.driver_error):
            return dialect.fault_of(error)
    return None


def insert_ignoring_known(connection: Connection, table: Table) -> Insert:
    """INSERT that leaves out rows whose primary key is there already."""
    return dialect_of(connection).insert_ignoring_known(table)


def insert_adding(connection: Connection, table: Table, column: Column[int]) -> Insert:
    """INSERT that, where the primary key is there already, adds to `column` instead."""
    return dialect_of(connection).insert_or_change(
        table, lambda new: {column.name: column + new[column.name]}
    )


def insert_keeping(connection: Connection, table: Table, column: Column[Any]) -> Insert:
    """INSERT that leaves rows as they are whose primary key is there already, and returns them like
    the others where the server can. `column` is any that is not of the key."""
    return dialect_of(connection).insert_or_change(table, lambda _: {column.name: column})


def insert_replacing(connection: Connection, table: Table, *columns: Column[Any]) -> Insert:
    """INSERT that, where the primary key is there already, replaces these columns instead."""
    names = [column.name for column in columns]
    return dialect_of(connection).insert_or_change(
        table, lambda new: {name: new[name] for name in names}
    )


def insert_widening(
    connection: Connection, table: Table, low: Column[int], high: Column[int]
) -> Insert:
    """INSERT that, where the primary key is there already, lowers `low` and raises `high`."""
    dialect = dialect_of(connection)
    return dialect.insert_or_change(
        table,
        lambda new: {
            low.name: dialect.lesser(low, new[low.name]),
            high.name: dialect.greater(high, new[high.name]),
        },
    )
