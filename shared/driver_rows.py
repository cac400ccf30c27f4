"""Many rows to and from the database as the driver takes them: as tuples.

SQLAlchemy's own work on each row, and on each of the thousand terms of an IN, took a third of a
batch's time; here it builds the statement, and the driver does the rest.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Insert, select, tuple_

# Of keys looked up at a time. The last lookup is filled up, so that each statement is built once.
CHUNK_KEYS = 250


def insert_tuples(connection: Connection, statement: Insert, rows: Sequence[Sequence[Any]]) -> None:
    """Execute an INSERT of all columns for rows in the order of the table's columns."""
    if rows:
        connection.exec_driver_sql(str(statement.compile(dialect=connection.dialect)), list(rows))


def fetch_by_keys(
    connection: Connection,
    columns: tuple[Column[Any], ...],
    keys: tuple[Column[Any], ...],
    wanted: Sequence[tuple[Any, ...]],
    label: str,
    *,
    locked: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """The columns of the rows whose key is among `wanted`; locked until the transaction ends.

    `label` names the caller, as a comment does in SQL.
    """
    statement = keys_sql(connection.dialect, columns, keys, label, locked)
    for first in range(0, len(wanted), CHUNK_KEYS):
        some = list(wanted[first : first + CHUNK_KEYS])
        some += some[-1:] * (CHUNK_KEYS - len(some))
        parameters = tuple(value for key in some for value in key)
        yield from map(tuple, connection.exec_driver_sql(statement, parameters))


@lru_cache(maxsize=32)
def keys_sql(
    dialect: Dialect,
    columns: tuple[Column[Any], ...],
    keys: tuple[Column[Any], ...],
    label: str,
    locked: bool,
) -> str:
    nothing = [("",) * len(keys)] * CHUNK_KEYS
    statement = select(*columns).prefix_with(label).where(tuple_(*keys).in_(nothing))
    if locked:
        statement = statement.with_for_update()
    return str(statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}))
