"""What waits in `pending_counts` to be merged: how much of which sites, the keys of their rows, and
the events in them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, func, select

from shared.clock import DAY_MS
from shared.counts.pending import TEXTS, Pending
from shared.counts.rollups import ROLLED_UP
from shared.counts.segments import TIME, USER
from shared.counts.sparse import Kept, KeptDays
from shared.db.database import translated_errors
from shared.db.tables import pending_counts
from shared.fields import EVENT_TYPE
from worker.counting.columns import Columns
from worker.counting.pending import KEY_COLUMNS, Key
from worker.counting.rollups import Numbered
from worker.stored.site_locks import CHUNK_SITES
from worker.stored.sparse_days import Day

# Of a slice, which is what is read at a time.
SLICE_EVENTS = 20_000
SLICE_ROWS = 2_000

LABEL = "/* worker.merge */"

ROW_COLUMNS = (*KEY_COLUMNS, pending_counts.c.events, pending_counts.c.data)


class Waiting(NamedTuple):
    """What of a site is not merged; moments are in ms of the workers' clocks."""

    site_id: str
    events: int
    oldest: int
    newest: int


def fetch_waiting(engine: Engine) -> list[Waiting]:
    """The sites of which anything is not merged, in order."""
    at = pending_counts.c.stored_at
    statement = (
        select(
            pending_counts.c.site_id,
            func.sum(pending_counts.c.events),
            func.min(at),
            func.max(at),
        )
        .group_by(pending_counts.c.site_id)
        .order_by(pending_counts.c.site_id)
        .prefix_with(LABEL)
    )
    with translated_errors(), engine.begin() as connection:
        return [Waiting(*row) for row in connection.execute(statement)]


def count_rows(engine: Engine, most: int) -> int:
    """How many rows wait, counted up to `most`."""
    some = select(pending_counts.c.events).limit(most).subquery()
    counted = select(func.count()).select_from(some).prefix_with(LABEL)
    with translated_errors(), engine.begin() as connection:
        return connection.scalar(counted) or 0


def fetch_keys(engine: Engine, site_ids: Sequence[str] | None = None) -> list[tuple[Key, int]]:
    """The keys of what these sites have, or all, in order, and how many events each row brings."""
    rows = select(*KEY_COLUMNS, pending_counts.c.events).prefix_with(LABEL)
    statements = [rows]
    if site_ids is not None:
        statements = [
            rows.where(pending_counts.c.site_id.in_(site_ids[first : first + CHUNK_SITES]))
            for first in range(0, len(site_ids), CHUNK_SITES)
        ]
    with translated_errors(), engine.begin() as connection:
        found = [row for statement in statements for row in connection.execute(statement)]
    return sorted((tuple(key), events) for *key, events in found)


def slices(found: Sequence[tuple[Key, int]]) -> Iterator[list[Key]]:
    """The keys of at most SLICE_EVENTS, or of one row with more."""
    some: list[Key] = []
    total = 0
    for key, events in found:
        if some and (total + events > SLICE_EVENTS or len(some) >= SLICE_ROWS):
            yield some
            some, total = [], 0
        some.append(key)
        total += events
    if some:
        yield some


def values_of(pending: Pending) -> int:
    """How many values its columns have, each counted once a column: of so many, or more, is
    something counted."""
    return sum(len(pending.columns[name][0]) for name in TEXTS if name in pending.columns)


def events_by_day_of(rows: Iterable[tuple[Key, Pending]]) -> Counter[Day]:
    """How many events there are of each site's day."""
    found: Counter[Day] = Counter()
    for (site_id, bucket, _), pending in rows:
        found[site_id, bucket - bucket % DAY_MS] += pending.events
    return found


def parts_of(rows: Sequence[tuple[Key, Pending]], kept: KeptDays) -> list[Numbered]:
    """The events of rows of any sites: those of days of which no values are counted, without them,
    and the others."""
    parts: list[list[tuple[Key, Pending]]] = [[], []]
    for row in rows:
        (site_id, bucket, _), _ = row
        parts[kept.of(site_id, bucket) is Kept.TOTALS].append(row)
    return [
        columns_of(part, names) for part, names in zip(parts, (ROLLED_UP, ()), strict=True) if part
    ]


def columns_of(
    rows: Sequence[tuple[Key, Pending]], names: Iterable[str] = tuple(ROLLED_UP)
) -> Numbered:
    """The events of rows of any sites, with values of the dimensions that are named."""
    site_ids: list[str] = []
    moments: list[int] = []
    numbers: list[int | None] = []
    texts: dict[str, list[Any]] = {name: [] for name in (EVENT_TYPE, *names)}
    for (site_id, bucket, _), pending in rows:
        site_ids += [site_id] * pending.events
        moments += [bucket + offset for offset in pending.numbers(TIME)]
        numbers += [number - 1 if number else None for number in pending.numbers(USER)]
        for name, values in texts.items():
            values += pending.texts(name)
    event_types = texts.pop(EVENT_TYPE)
    filled = {name: values for name, values in texts.items() if values.count(None) < len(values)}
    return Columns(site_ids, moments, event_types, filled), numbers
