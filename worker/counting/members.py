"""Who was there: adding users to the bitmaps of hours, days and weeks."""

from collections import defaultdict
from collections.abc import Iterable

from pyroaring import BitMap
from sqlalchemy import Connection, Table

from shared.counts.rollups import LEVELS, bucket_start
from shared.counts.sparse import COUNTED_IN_FULL, KeptDays
from shared.counts.user_sets import UserSets
from shared.db.dialects import insert_replacing
from shared.db.driver_rows import fetch_by_keys
from worker.stored.bitmaps import Cell, insert_bitmaps

# Of bitmaps in memory at a time.
CHUNK_CELLS = 500
LABEL = "/* worker.members */"

# By site and hour.
Sets = dict[tuple[str, int], UserSets]


def raise_users(connection: Connection, sets: Sets, kept: KeptDays = COUNTED_IN_FULL) -> None:
    """Add users to every level. A union with the same users again changes nothing."""
    for level in LEVELS:
        add_users(connection, level.users, cells_by(level.bucket_ms, sets, kept))


def cells_by(bucket_ms: int, sets: Sets, kept: KeptDays) -> dict[Cell, BitMap]:
    """The users that are kept in buckets of a level."""
    cells: dict[Cell, BitMap] = defaultdict(BitMap)
    for (site_id, hour), of_hour in sets.items():
        of_day = kept.of(site_id, hour)
        bucket = bucket_start(hour, bucket_ms)
        for (dimension, key), users in of_hour.items():
            if of_day.has_users(dimension, bucket_ms):
                cells[site_id, dimension, key, bucket] |= users
    return cells


def add_users(connection: Connection, table: Table, cells: dict[Cell, BitMap]) -> None:
    """Raise bitmaps by `cells`."""
    ordered = sorted(cells)
    for first in range(0, len(ordered), CHUNK_CELLS):
        chunk = ordered[first : first + CHUNK_CELLS]
        known = fetch_bitmaps(connection, table, chunk)
        changed = [
            (cell, users)
            for cell in chunk
            if (users := cells[cell] | known.get(cell, BitMap())) != known.get(cell)
        ]
        write_bitmaps(connection, table, changed)


def fetch_bitmaps(connection: Connection, table: Table, cells: list[Cell]) -> dict[Cell, BitMap]:
    known = fetch_by_keys(connection, tuple(table.c), tuple(table.primary_key), cells, LABEL)
    return {(cell[0], cell[1], cell[2], cell[3]): BitMap.deserialize(bits) for *cell, bits in known}


def write_bitmaps(
    connection: Connection, table: Table, changed: Iterable[tuple[Cell, BitMap]]
) -> None:
    statement = insert_replacing(connection, table, table.c.bitmap)
    insert_bitmaps(connection, statement.prefix_with(LABEL), changed)
