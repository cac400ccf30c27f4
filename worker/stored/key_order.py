"""Reading a table along its primary key, a piece at a time.

However big the table, each statement reads little: no reader times out, or holds all rows at once.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, and_, or_, select

PAGE_ROWS = 10_000

Rows = Sequence[Row[*tuple[Any, ...]]]


def pages(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    key: Sequence[Column[Any]],
    start: object = None,
    size: int = PAGE_ROWS,
) -> Iterator[Rows]:
    """The rows of a SELECT, `size` at a time, in the order of `key`, from the first column's
    `start` on.

    `key` are selected columns that tell rows apart: what of the table's primary key is not fixed by
    the statement.
    """
    where = [] if start is None else [key[0] >= start]
    while True:
        rows = connection.execute(statement.where(*where).order_by(*key).limit(size)).all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        where = [behind(key, [rows[-1]._mapping[column.name] for column in key])]


def behind(key: Sequence[Column[Any]], last: Sequence[object]) -> ColumnElement[bool]:
    """The keys that follow `last`.

    The servers do not seek by (a, b) > (x, y), and SQLite not by an OR: hence a bound by itself.
    """
    return and_(
        key[0] >= last[0],
        or_(
            *(
                and_(
                    *(column == value for column, value in zip(key[:n], last[:n], strict=True)),
                    key[n] > last[n],
                )
                for n in range(len(key))
            )
        ),
    )


def values_of(
    connection: Connection, column: Column[Any], *where: ColumnElement[bool]
) -> Iterator[Any]:
    """The different values of a key's column, in order, behind those that `where` fixes."""
    first = select(column).where(*where).order_by(column).limit(1)
    value = connection.scalar(first)
    while value is not None:
        yield value
        value = connection.scalar(first.where(column > value))
