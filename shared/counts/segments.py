"""Segments: a site's past events, column by column, which is how many of them are counted fast.

What no rollup covers (several filters, a filter beside a breakdown, minutes) has to look at each
event. A row of `events` takes half a kB; a column of a segment takes one to four bytes an event.

A segment has the events of whole UTC hours of one day, from `bucket` up to `until`, in the order of
their key: timestamp, then event id. It is made behind the batches, and no batch knows of it. It is
in force while it has as many events as there are in its hours, by the rollups and by what is still
to be merged into them: events are only ever added, in the transaction that makes them count, so as
many are the same ones. A late event makes the two differ until the segment is made anew; meanwhile
its hours are read from `events`. Whoever changes events, or the numbers of users, takes the
segments away: worker/stored/segment_rows.py.

A segment that was made before there was a field has no column of it: nobody has a value. The
migration that adds the field says so of all segments there are, by raising their `known_columns`;
one that is made later by a version that does not know the field yet stays below COLUMNS, is not in
force, and is made anew.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, Table, func, select

from shared.clock import DAY_MS, HOUR_MS
from shared.counts.rollups import TOTAL
from shared.db.tables import segments
from shared.fields import DIMENSIONS

Numbers = npt.NDArray[np.unsignedinteger]
Rows = Select[*tuple[Any, ...]]

# When, in ms since `bucket`; and the user's number plus one, 0 for nobody.
TIME, USER = "time", "user"
# Of the columns whose values are texts. In the order of FIELDS: what is new comes last.
TEXTS = tuple(DIMENSIONS)
COLUMNS = (TIME, USER, *TEXTS)

# TiDB takes 6 MiB in a row; what a server takes in a statement may be less than this.
PART_BYTES = 2 << 20
SIZES = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(tuple[list[str | None], int, bytes]).decode


class Segment(NamedTuple):
    """Whole hours from `bucket` up to `until`, in ms, and how many events they have.

    It was made with the first `made_columns` of COLUMNS, and has no value in those that follow, up
    to `known_columns`.
    """

    bucket: int
    until: int
    events: int
    made_columns: int = len(COLUMNS)
    known_columns: int = len(COLUMNS)

    @property
    def is_complete(self) -> bool:
        """Whether it is known what it has in every column."""
        return self.known_columns >= len(COLUMNS)

    @property
    def without_values(self) -> tuple[str, ...]:
        """The columns that it does not have, because nobody has a value."""
        return COLUMNS[self.made_columns :]


class Column(NamedTuple):
    """Of TEXTS: the different texts, and the number of each event's own. Else numbers alone."""

    texts: list[str | None]
    numbers: Numbers


def parts_of(data: bytes, most: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The rows of a column, by their numbers, which put together again in order are `data`; none
    has more than `most` bytes."""
    size = PART_BYTES if most is None else min(PART_BYTES, most)
    for number, first in enumerate(range(0, len(data), size)):
        yield number, data[first : first + size]


def encode_column(texts: Iterable[str | None], numbers: "array[int]") -> bytes:
    """What `segment_columns.data` holds, all parts together: each number, at least 0, in as few
    bytes as the highest of them needs."""
    found = np.asarray(numbers)
    highest = int(found.max(initial=0))
    size = next(size for size in SIZES if highest <= np.iinfo(size).max)
    return encode((list(texts), size.itemsize, found.astype(size).tobytes()))


def decode_column(data: bytes) -> Column:
    """Raises ValueError where the bytes are no column."""
    try:
        texts, size, codes = decode(data)
        numbers = np.frombuffer(codes, f"<u{size}")
    except (msgspec.MsgspecError, TypeError) as error:
        raise ValueError(str(error)) from error
    if texts and numbers.max(initial=0) >= len(texts):
        raise ValueError("a number without a text")
    return Column(texts, numbers)


def empty_column(events: int) -> Column:
    """Of so many events, none of which has a value."""
    return Column([None], np.zeros(events, SIZES[0]))


def select_segments(site_id: str, start: int, end: int) -> Rows:
    """The fields of Segment of those with any time from `start` up to `end`, in order."""
    return (
        select(*(segments.c[name] for name in Segment._fields))
        .where(segments.c.site_id == site_id, segments.c.until > start)
        .where(segments.c.bucket > start - DAY_MS, segments.c.bucket < end)
        .order_by(segments.c.bucket)
    )


def select_counts(table: Table, site_id: str, start: int, end: int) -> Rows:
    """bucket and events of a rollup's buckets that begin from `start` up to `end`, in order."""
    return (
        select(table.c.bucket, func.sum(table.c.events).label("events"))
        .where(table.c.site_id == site_id, table.c.dimension == TOTAL)
        .where(table.c.bucket >= start, table.c.bucket < end)
        .group_by(table.c.bucket)
        .order_by(table.c.bucket)
    )


def in_force(found: Iterable[Segment], hours: Mapping[int, int]) -> list[Segment]:
    """The segments with as many events as there are in their hours, and every column."""
    return [
        segment
        for segment in found
        if segment.is_complete
        and segment.events
        == sum(hours.get(hour, 0) for hour in range(segment.bucket, segment.until, HOUR_MS))
    ]
