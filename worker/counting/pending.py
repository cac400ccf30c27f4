"""Appending what a batch stored to what is to be merged into the rollups.

No row of another batch is touched, so batches of one site do not wait for each other. See
shared/counts/pending.py.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from shared.clock import DAY_MS
from shared.counts.pending import MOST_OF_HOURS, encode_pending
from shared.db.dialects import dialect_of
from shared.db.driver_rows import delete_by_keys, insert_tuples
from shared.db.tables import pending_counts
from shared.event import PAGE_VIEW
from shared.fields import EVENT_TYPE
from worker.counting.columns import Columns

LABEL = "/* worker.pending */"

KEY_COLUMNS = (pending_counts.c.site_id, pending_counts.c.bucket, pending_counts.c.batch_id)
Key = tuple[Any, ...]

# Of a batch's events, those from the first up to the second.
Slice = tuple[int, int]


def append_pending(
    connection: Connection,
    batch_id: str,
    columns: Columns,
    numbers: Sequence[int | None],
    now: int,
) -> list[Key]:
    """Append events that this transaction has inserted, in the order of their key, with the numbers
    of their users; returns the keys of the rows. `now` is in ms."""
    most_bytes = dialect_of(connection).max_value_bytes
    rows = [
        row
        for part in slices(columns)
        for row in rows_of(batch_id, columns, numbers, part, now, most_bytes)
    ]
    insert_tuples(connection, pending_counts.insert().prefix_with(LABEL), rows)
    return [row[:3] for row in rows]


def take_back(connection: Connection, keys: Sequence[Key]) -> None:
    delete_by_keys(connection, pending_counts, KEY_COLUMNS, keys, LABEL)


def slices(columns: Columns) -> Iterator[Slice]:
    """The events of each site and hour; those of hours of a day with few each, together."""
    start = end = 0
    before: tuple[str, int] | None = None
    for (site_id, hour), same in groupby(zip(columns.site_ids, columns.hours, strict=True)):
        number = sum(1 for _ in same)
        day = (site_id, hour - hour % DAY_MS)
        if before is not None and (day != before or end + number - start > MOST_OF_HOURS):
            yield start, end
            start = end
        before = day
        end += number
    yield start, end


def rows_of(
    batch_id: str,
    columns: Columns,
    numbers: Sequence[int | None],
    part: Slice,
    now: int,
    most_bytes: int | None,
) -> Iterator[tuple[Any, ...]]:
    """The row of these events; what is longer than the server takes becomes several."""
    waiting = [part]
    number = 0
    while waiting:
        start, end = waiting.pop()
        data = encode_slice(columns, numbers, start, end)
        if most_bytes is not None and len(data) > most_bytes and end - start > 1:
            middle = (start + end) // 2
            waiting += [(middle, end), (start, middle)]
            continue
        moments = columns.timestamps[start:end]
        yield (
            columns.site_ids[start],
            columns.hours[start],
            part_id(batch_id, number),
            end - start,
            columns.event_types[start:end].count(PAGE_VIEW),
            moments[0],
            moments[-1],
            now,
            data,
        )
        number += 1


def encode_slice(columns: Columns, numbers: Sequence[int | None], start: int, end: int) -> bytes:
    bucket = columns.hours[start]
    return encode_pending(
        [moment - bucket for moment in columns.timestamps[start:end]],
        numbers[start:end],
        [
            (EVENT_TYPE, columns.event_types[start:end]),
            *((name, values[start:end]) for name, values in columns.of_dimension.items()),
        ],
    )


def part_id(batch_id: str, number: int) -> str:
    """Which only has to differ from all others and be no longer than a batch's id."""
    if number == 0:
        return batch_id
    return blake2b(f"{batch_id} {number}".encode(), digest_size=16).hexdigest()
