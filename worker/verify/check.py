"""What the rollups of some sites hold between two moments, against what they should."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from pyroaring import BitMap
from sqlalchemy import Connection, Row, Table, select

from shared.clock import DAY_MS
from shared.counts.rollups import ROLLED_UP, TOTAL, TOTAL_KEY, bucket_start, value_key
from shared.counts.user_sets import UserSets, decode_sets
from shared.db.tables import dimension_values, recent_users
from worker.verify.findings import NO_ROW, Findings, place
from worker.verify.portion import LABEL, Portion
from worker.verify.recount import Cell, Counts, Key, Members, Recount

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
    portion: Portion
    findings: Findings
    # What it is compared with, and what tells what keys stand for without asking the database.
    counted: Sequence[Recount] = ()
    # A row of each value that is in the rollups, by the value's key: its text must be known.
    row_of: dict[bytes, Key] = field(default_factory=dict)

    def check_events(
        self,
        table: Table,
        found: Counts,
        expected: Counts,
        pending: Mapping[Key, int] = NOTHING,
    ) -> None:
        """`found` are the table's rows, `pending` what it will have more once that is merged."""
        self.note_values(found)
        for cell, number in pending.items():
            found[cell] = found.get(cell, 0) + number
        self.compare(table, expected, found, lambda number, _: str(number))

    def check_users(
        self,
        table: Table,
        found: Members,
        expected: Members,
        pending: Mapping[Key, BitMap] = NOTHING,
    ) -> None:
        self.note_values(found)
        for cell, members in pending.items():
            found[cell] = members | found.get(cell, BitMap())
        self.compare(table, expected, found, shown_users)

    def note_values(self, found: Collection[Key]) -> None:
        """What is not merged yet has its text beside it."""
        self.row_of |= {cell[3]: cell for cell in found if cell[2] in ROLLED_UP}

    def events_in(self, table: Table, start: int, end: int) -> Counts:
        of = table.c
        if "dimension" not in of:
            rows = self.rows(table, ("site_id", "bucket", "event_type", "events"), start, end)
            return {(site, at, TOTAL, TOTAL_KEY, name): number for site, at, name, number in rows}
        names = (*Cell._fields, "events")
        return {tuple(row[:-1]): row[-1] for row in self.rows(table, names, start, end)}

    def users_in(self, table: Table, bucket_ms: int, start: int, end: int) -> Members:
        """Users are where compaction has put them, or still in `recent_users`."""
        found: Members = {}
        names = (*Cell._fields[:-1], "bitmap")
        for site_id, bucket, dimension, key, stored in self.rows(table, names, start, end):
            members = self.read(table, site_id, bucket, stored, BitMap.deserialize, BitMap())
            found[site_id, bucket, dimension, key, ""] = members
        recent = self.rows(recent_users, ("site_id", "bucket", "sets"), start, end)
        for site_id, hour, stored in recent:
            sets: UserSets = self.read(recent_users, site_id, hour, stored, decode_sets, {})
            bucket = bucket_start(hour, bucket_ms)
            for (dimension, key), members in sets.items():
                cell = (site_id, bucket, dimension, key, "")
                found[cell] = members | found.get(cell, BitMap())
        return found

    def rows(
        self, table: Table, names: Collection[str], start: int, end: int
    ) -> Iterator[Row[*tuple[Any, ...]]]:
        """Columns of those that begin from `start` up to `end`."""
        statement = select(*(table.c[name] for name in names)).prefix_with(LABEL)
        for where in self.portion.rows(self.connection, table, start, end):
            yield from self.connection.execute(statement.where(where))

    def read(
        self,
        table: Table,
        site_id: str,
        bucket: int,
        stored: bytes,
        decoded: Callable[[bytes], T],
        none: T,
    ) -> T:
        try:
            return decoded(stored)
        except UNREADABLE as error:
            self.findings.add(table.name, place(site_id, bucket), "users", f"bytes: {error}")
            return none

    def compare(
        self,
        table: Table,
        expected: Mapping[Key, T],
        found: Mapping[Key, T],
        shown: Callable[[T, T | None], str],
    ) -> None:
        if expected == found:
            return
        cells = expected.keys() | found.keys()
        differing = [Cell(*cell) for cell in sorted(cells) if expected.get(cell) != found.get(cell)]
        texts = self.fetch_texts({cell.value_key for cell in differing}) | self.texts
        for cell in differing:
            wanted, there = expected.get(cell), found.get(cell)
            self.findings.add(
                table.name,
                place(cell.site_id, cell.bucket, **described(cell, texts)),
                NO_ROW if wanted is None else shown(wanted, None),
                NO_ROW if there is None else shown(there, wanted),
            )

    def check_texts(self) -> None:
        """Every value that was counted has the text of its key."""
        texts = self.fetch_texts(self.row_of)
        for key, row in sorted(self.row_of.items()):
            text = texts.get(key)
            if text is None or value_key(text) != key:
                cell = Cell(*row)
                self.findings.add(
                    dimension_values.name,
                    place(cell.site_id, bucket_start(cell.bucket, DAY_MS), value_key=key.hex()),
                    repr(self.texts.get(key, "its text")),
                    NO_ROW if text is None else repr(text),
                )

    @cached_property
    def texts(self) -> dict[bytes, str]:
        return {key: text for counted in self.counted for key, text in counted.texts().items()}

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
