"""The statements that SQLite and the MySQL family spell differently; nothing else may ask which."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Table,
    and_,
    func,
    or_,
    tuple_,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection

# The row that was to be inserted -> what changes in the one that is there.
Changes = Callable[[ReadOnlyColumnCollection[str, Any]], Mapping[str, ColumnElement[Any]]]


def is_among(
    dialect: Dialect, key: Sequence[Column[Any]], wanted: Sequence[Sequence[Any]]
) -> ColumnElement[bool]:
    """That a row's key is one of `wanted`, of which SQLite takes fewer than 1,000.

    SQLite scans the table for a row value IN a list; MariaDB reads ranges of the key for that, and
    takes half as long again for the same with OR.
    """
    if dialect.name == "sqlite":
        return or_(*(and_(*(c == v for c, v in zip(key, one, strict=True))) for one in wanted))
    return tuple_(*key).in_(wanted)


def insert_ignoring_known(connection: Connection, table: Table) -> Insert:
    """INSERT that leaves out rows whose primary key is there already.

    MySQL's IGNORE would also hide a value that does not fit; what is inserted so was validated
    against the same bounds.
    """
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).prefix_with("IGNORE")


def insert_adding(connection: Connection, table: Table, column: Column[int]) -> Insert:
    """INSERT that, where the primary key is there already, adds to `column` instead."""
    return insert_or_change(
        connection.dialect, table, lambda new: {column.name: column + new[column.name]}
    )


def insert_replacing(connection: Connection, table: Table, *columns: Column[Any]) -> Insert:
    """INSERT that, where the primary key is there already, replaces these columns instead."""
    names = [column.name for column in columns]
    return insert_or_change(
        connection.dialect, table, lambda new: {name: new[name] for name in names}
    )


def insert_widening(
    connection: Connection, table: Table, low: Column[int], high: Column[int]
) -> Insert:
    """INSERT that, where the primary key is there already, lowers `low` and raises `high`."""
    is_sqlite = connection.dialect.name == "sqlite"
    least = func.min if is_sqlite else func.least
    greatest = func.max if is_sqlite else func.greatest
    return insert_or_change(
        connection.dialect,
        table,
        lambda new: {
            low.name: least(low, new[low.name]),
            high.name: greatest(high, new[high.name]),
        },
    )


def insert_or_change(dialect: Dialect, table: Table, changes: Changes) -> Insert:
    if dialect.name == "sqlite":
        statement = sqlite.insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=changes(statement.excluded)
        )
    mysql_statement = mysql.insert(table)
    return mysql_statement.on_duplicate_key_update(changes(mysql_statement.inserted))
