"""The statements that SQLite and the MySQL family spell differently; nothing else may ask which."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Dialect, Insert, Table, func
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection

# The row that was to be inserted -> what changes in the one that is there.
Changes = Callable[[ReadOnlyColumnCollection[str, Any]], Mapping[str, ColumnElement[Any]]]


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


def insert_replacing(connection: Connection, table: Table, column: Column[Any]) -> Insert:
    """INSERT that, where the primary key is there already, replaces `column` instead."""
    return insert_or_change(connection.dialect, table, lambda new: {column.name: new[column.name]})


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


def driver_sql(dialect: Dialect, statement: Insert, names: tuple[str, ...]) -> str:
    """An INSERT of these columns as the driver takes it, for rows that are tuples in the order of
    the table's columns: that saves SQLAlchemy's work on each row."""
    return str(statement.compile(dialect=dialect, column_keys=list(names)))
