"""What the rollups of a site hold between two moments, against what they should."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from pyroaring import BitMap
from sqlalchemy import Connection, Row, Table, select

from shared.counts.rollups import ROLLED_UP, TOTAL, TOTAL_KEY, value_key
from shared.counts.user_sets import UserSets, decode_sets
from shared.db.tables import dimension_values, recent_users
from worker.stored.extent import rows_between
from worker.verify.findings import NO_ROW, Findings, place
from worker.verify.recount import Cell

CHUNK_VALUES = 1000
# What reading the bytes of sets raises where they are none.
UNREADABLE = (msgspec.MsgspecError, ValueError, IndexError)

# Where nothing waits to be merged, or none of it counts.
NOTHING: Mapping[Any, Any] = MappingProxyType({})

T = TypeVar("T")


@dataclass
class Check:
    """Compares table after table, within the snapshot of `connection`. Times are ms, half-open."""

    connection: Connection
    site_id: str
    start: int
    end: int
    findings: Findings
    # What keys stand for, as far as it is known without asking the database.
    texts: Mapping[bytes, str] = field(default_factory=dict)
    # Which cells say anything.
    is_of_use: Callable[[Cell], bool] = lambda _: True
    # Whose text must be known: of what is in the rollups.
    keys: set[bytes] = field(default_factory=set)

    def check_events(
        self, table: Table, expected: Mapping[Cell, int], pending: Mapping[Cell, int] = NOTHING
    ) -> None:
        """`pending` is what the table will have more once that is merged."""
        found = self.events_in(table)
        self.note_keys(found)
        for cell, number in pending.items():
            found[cell] = found.get(cell, 0) + number
        self.compare(table, expected, found, lambda number, _: str(number))

    def check_users(
        self,
        table: Table,
        bucket_ms: int,
        expected: Mapping[Cell, BitMap],
        pending: Mapping[Cell, BitMap] = NOTHING,
    ) -> None:
        found = self.users_in(table, bucket_ms)
        self.note_keys(found)
        for cell, members in pending.items():
            found[cell] |= members
        self.compare(table, expected, found, shown_users)

    def note_keys(self, found: Collection[Cell]) -> None:
        """What is not merged yet has its text beside it."""
        self.keys |= {cell.value_key for cell in found if cell.dimension in ROLLED_UP}

    def events_in(self, table: Table) -> dict[Cell, int]:
        found = {}
        for row in self.rows(table):
            of = row._mapping
            dimension, key = of.get("dimension", TOTAL), of.get("value_key", TOTAL_KEY)
            found[Cell(row.bucket, dimension, key, row.event_type)] = row.events
        return found

    def users_in(self, table: Table, bucket_ms: int) -> dict[Cell, BitMap]:
        """Users are where compaction has put them, or still in `recent_users`."""
        found: dict[Cell, BitMap] = defaultdict(BitMap)
        for row in self.rows(table):
            cell = Cell(row.bucket, row.dimension, row.value_key, "")
            found[cell] = self.read(table, row.bucket, row.bitmap, BitMap.deserialize, BitMap())
        for row in self.rows(recent_users):
            sets: UserSets = self.read(recent_users, row.bucket, row.sets, decode_sets, {})
            for (dimension, key), members in sets.items():
                found[Cell(row.bucket, dimension, key, "").in_bucket(bucket_ms)] |= members
        return found

    def rows(self, table: Table) -> Iterator[Row[*tuple[Any, ...]]]:
        statement = select(table).prefix_with("/* worker.verify */")
        for where in rows_between(self.connection, table, self.site_id, self.start, self.end):
            yield from self.connection.execute(statement.where(where))

    def read(
        self, table: Table, bucket: int, stored: bytes, decoded: Callable[[bytes], T], none: T
    ) -> T:
        try:
            return decoded(stored)
        except UNREADABLE as error:
            self.findings.add(table.name, place(self.site_id, bucket), "users", f"bytes: {error}")
            return none

    def compare(
        self,
        table: Table,
        expected: Mapping[Cell, T],
        found: Mapping[Cell, T],
        shown: Callable[[T, T | None], str],
    ) -> None:
        cells = filter(self.is_of_use, expected.keys() | found.keys())
        differing = sorted(cell for cell in cells if expected.get(cell) != found.get(cell))
        if not differing:
            return
        texts = self.fetch_texts({cell.value_key for cell in differing}) | dict(self.texts)
        for cell in differing:
            wanted, there = expected.get(cell), found.get(cell)
            self.findings.add(
                table.name,
                place(self.site_id, cell.bucket, **described(cell, texts)),
                NO_ROW if wanted is None else shown(wanted, None),
                NO_ROW if there is None else shown(there, wanted),
            )

    def check_texts(self) -> None:
        """Every value that was counted has the text of its key."""
        texts = self.fetch_texts(self.keys)
        for key in sorted(self.keys):
            text = texts.get(key)
            if text is None or value_key(text) != key:
                self.findings.add(
                    dimension_values.name,
                    place(self.site_id, self.start, value_key=key.hex()),
                    repr(self.texts.get(key, "its text")),
                    NO_ROW if text is None else repr(text),
                )

    def fetch_texts(self, keys: Collection[bytes]) -> dict[bytes, str]:
        ordered = sorted(keys)
        texts: dict[bytes, str] = {}
        for first in range(0, len(ordered), CHUNK_VALUES):
            some = dimension_values.c.value_key.in_(ordered[first : first + CHUNK_VALUES])
            for row in self.connection.execute(select(dimension_values).where(some)):
                texts[row.value_key] = row.value
        return texts


def described(cell: Cell, texts: Mapping[bytes, str]) -> dict[str, str]:
    """What a cell is about, besides its bucket: nothing where that is all events or users."""
    of = {}
    if cell.dimension != TOTAL:
        of = {"dimension": cell.dimension}
        of["value"] = texts.get(cell.value_key, cell.value_key.hex())
    return of | ({"event_type": cell.event_type} if cell.event_type else {})


def shown_users(members: BitMap, expected: BitMap | None) -> str:
    text = f"{len(members)} users"
    if expected is None:
        return text
    return f"{text} ({len(expected - members)} missing, {len(members - expected)} others)"
