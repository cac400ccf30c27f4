"""Many rows to and from the database as the driver takes them: as tuples.

SQLAlchemy's own work on each row, and on each of the thousand terms of an IN, took a third of a
batch's time; here it builds the statement, and the driver does the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Table,
    delete,
    select,
)

from shared.db.dialects import dialect_of
from shared.db.types import ExactText

Columns = tuple[Column[Any], ...]
Key = tuple[Any, ...]

# Of keys looked up at a time. The last lookup is filled up, so that each statement is built once.
CHUNK_KEYS = 250


def insert_tuples(connection: Connection, statement: Insert, rows: Sequence[Sequence[Any]]) -> int:
    """Execute an INSERT of all columns for rows in the order of the table's columns; returns how
    many it affected."""
    if not rows:
        return 0
    sql = driver_sql(connection.dialect, statement)
    return connection.exec_driver_sql(sql, list(rows)).rowcount


def insert_returning(
    connection: Connection,
    statement: Insert,
    columns: Columns,
    rows: Sequence[Sequence[Any]],
    label: str,
) -> list[tuple[Any, ...]]:
    """Execute an INSERT of all columns for rows that begin with their table's key; returns some
    columns, the key first, of each of these rows as it is then.

    Where the server does not tell that by itself, it is asked next: a lock that the INSERT took is
    held for that much longer.
    """
    if not rows:
        return []
    if dialect_of(connection).can_return:
        sql = driver_sql(connection.dialect, statement.returning(*columns))
        return list(map(tuple, connection.exec_driver_sql(sql, list(rows))))
    insert_tuples(connection, statement, rows)
    key = columns[: len(tuple(statement.table.primary_key))]
    wanted = [tuple(row[: len(key)]) for row in rows]
    return list(fetch_by_keys(connection, columns, key, wanted, label))


def fetch_by_keys(
    connection: Connection,
    columns: Columns,
    key: Columns,
    wanted: Sequence[Key],
    label: str,
) -> Iterator[tuple[Any, ...]]:
    """The columns of the rows whose key is one of `wanted`: their table's primary key, or how that
    begins. `label` names the caller, as a comment does in SQL."""
    sql = select_sql(connection.dialect, columns, key, label)
    read = reader_of(connection.dialect, columns)
    for parameters in chunks(wanted):
        yield from read(connection.exec_driver_sql(sql, parameters))


def delete_by_keys(
    connection: Connection, table: Table, key: Columns, wanted: Sequence[Key], label: str
) -> int:
    """Delete the rows whose key, as in `fetch_by_keys`, is one of `wanted`; returns how many were
    there."""
    sql = delete_sql(connection.dialect, table, key, label)
    return sum(
        connection.exec_driver_sql(sql, parameters).rowcount for parameters in chunks(wanted)
    )


def chunks(wanted: Sequence[Key]) -> Iterator[Key]:
    """The parameters of each statement: CHUNK_KEYS keys, at the end the last one many times."""
    for first in range(0, len(wanted), CHUNK_KEYS):
        some = list(wanted[first : first + CHUNK_KEYS])
        some += some[-1:] * (CHUNK_KEYS - len(some))
        yield tuple(value for key in some for value in key)


@lru_cache(maxsize=32)
def reader_of(
    dialect: Dialect, columns: Columns
) -> Callable[[Iterable[Any]], Iterator[tuple[Any, ...]]]:
    """What makes tuples of a driver's rows. Only text may have to be read: the driver gives all
    else as it is wanted, and text too where the database has a type for it."""
    texts = [
        (place, read)
        for place, column in enumerate(columns)
        if isinstance(column.type, ExactText)
        and (read := column.type.dialect_impl(dialect).result_processor(dialect, None))
    ]
    return partial(read_texts, texts) if texts else partial(map, tuple)


def read_texts(
    texts: Sequence[tuple[int, Callable[[Any], Any]]], rows: Iterable[Any]
) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        values = list(row)
        for place, read in texts:
            values[place] = read(values[place])
        yield tuple(values)


@lru_cache(maxsize=32)
def select_sql(dialect: Dialect, columns: Columns, key: Columns, label: str) -> str:
    statement = select(*columns).prefix_with(label).where(is_one_of_many(dialect, key))
    table = key[0].table
    if isinstance(table, Table) and has_rival(table):
        statement = dialect_of(dialect).select_by_primary_key(statement, table)
    return driver_sql(dialect, statement)


@lru_cache(maxsize=32)
def delete_sql(dialect: Dialect, table: Table, key: Columns, label: str) -> str:
    statement = delete(table).prefix_with(label).where(is_one_of_many(dialect, key))
    if has_rival(table):
        statement = dialect_of(dialect).delete_by_primary_key(statement, table)
    return driver_sql(dialect, statement)


def has_rival(table: Table) -> bool:
    """Whether one of its indexes begins as its primary key does."""
    first = table.primary_key.columns[0]
    return any(index.columns[0] is first for index in table.indexes)


def is_one_of_many(dialect: Dialect, key: Columns) -> ColumnElement[bool]:
    return dialect_of(dialect).is_among(key, [("",) * len(key)] * CHUNK_KEYS)


def driver_sql(dialect: Dialect, statement: ClauseElement) -> str:
    """The statement with a place for each value."""
    options = {"render_postcompile": True}
    return str(statement.compile(dialect=dialect, compile_kwargs=options))


def plain_sql(connection: Connection, statement: ClauseElement) -> str:
    """The statement with its values in it, as one would type it in a client of the database."""
    dialect = connection.dialect
    sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    # A driver that takes its parameters with % wants every other one twice.
    doubled = dialect.paramstyle in {"format", "pyformat"}
    return sql.replace("%%", "%") if doubled else sql
