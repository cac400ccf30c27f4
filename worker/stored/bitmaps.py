"""Writing bitmaps of users, and what it means where the database refuses one."""

from collections.abc import Iterable
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Insert
from sqlalchemy.exc import DBAPIError

from shared.clock import iso_from_ms
from shared.counts.user_sets import packed
from shared.db.dialects import dialect_of
from shared.db.driver_rows import insert_tuples
from shared.errors import TooLong

# site_id, dimension, value_key, bucket
Cell = tuple[str, str, bytes, int]


def insert_bitmaps(
    connection: Connection, statement: Insert, cells: Iterable[tuple[Cell, BitMap]]
) -> None:
    """INSERT into a table of `users_by(…)`. Raises TooLong where a bitmap is the cause: of one that
    is longer than a packet, a server says at best that, and otherwise nothing and hangs up."""
    rows = [(*cell, packed(users)) for cell, users in cells]
    try:
        insert_tuples(connection, statement, rows)
    except DBAPIError as error:
        limit = dialect_of(connection).max_value_bytes
        longest = max(rows, key=length)
        if limit is None or length(longest) <= limit:
            raise
        connection.invalidate()  # the server hangs up, before or after the ROLLBACK that comes next
        raise TooLong(
            f"the users of one {longest[1] or 'period'} in {statement.table.name} of site "
            f"{longest[0]}, {iso_from_ms(longest[3])}, take {length(longest)} bytes; raise the "
            f"database's max_allowed_packet, which has room for {limit}: {error.orig}"
        ) from error


def length(row: tuple[Any, ...]) -> int:
    return len(row[-1])
