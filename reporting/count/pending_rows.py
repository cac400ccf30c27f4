"""The rows of `pending_counts` that an answer needs; see shared/counts/pending.py.

A row is never changed once it is there, and is gone once it is merged. So a process keeps the rows
that it has read, and an answer reads only their keys again, in its own snapshot.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Select

from reporting.count.cover import Span
from reporting.count.held import Held
from reporting.count.pending_statements import (
    select_pending,
    select_pending_heads,
    select_pending_site_ids,
)
from reporting.count.prepared import fetch
from reporting.count.rollup_statements import CHUNK_TERMS, chunks
from shared.clock import HOUR_MS, iso_from_ms
from shared.counts.pending import Pending, read_pending
from shared.counts.pending_hours import Key
from shared.db.dialect import Texts
from shared.db.driver_rows import fetch_by_keys
from shared.db.tables import pending_counts

# Three hundred thousand events take some 6 MB.
MOST_BYTES = 32 << 20
# What a row takes in memory besides its data.
ROW_BYTES = 3000

# At a time in memory, of those that are not kept.
CHUNK_ROWS = 250

KEY_COLUMNS = tuple(pending_counts.primary_key)
ROW_COLUMNS = (*KEY_COLUMNS, pending_counts.c.events, pending_counts.c.data)
LABEL = "/* reporting.pending_rows */"


class Part(NamedTuple):
    """What a row has of an hour."""

    hour: int
    key: Key


class Head(NamedTuple):
    """A row without its data."""

    site_id: str
    bucket: int
    batch_id: str
    events: int
    views: int

    @property
    def key(self) -> Key:
        return self[:3]


log = logging.getLogger(__name__)

kept: WeakKeyDictionary[Engine, Held[Key, Pending]] = WeakKeyDictionary()


def fetch_parts(connection: Connection, site_id: str, span: Span) -> list[Part]:
    """Of all hours that begin in a span."""
    start, end = span
    parts: list[Part] = []
    of_several: list[Key] = []
    for site, bucket, batch_id, last in fetch(connection, select_pending, site_id, span):
        if last < bucket + HOUR_MS:
            parts.append(Part(bucket, (site, bucket, batch_id)))
        else:
            of_several.append((site, bucket, batch_id))
    for key, row in fetch_rows(connection, of_several):
        parts += [Part(hour, key) for hour in row.hours()]
    return [part for part in parts if start <= part.hour < end]


def fetch_heads(connection: Connection, site_ids: Texts, span: Span) -> list[Head]:
    """Of all rows of many sites that may have hours that begin in a span."""
    if not isinstance(site_ids, Select) and len(site_ids) > CHUNK_TERMS:
        # Few of them have any.
        waiting = set(connection.scalars(select_pending_site_ids(span[0])))
        site_ids = [site_id for site_id in site_ids if site_id in waiting]
    return [
        Head(*row)
        for some in ([site_ids] if isinstance(site_ids, Select) else chunks(site_ids))
        for row in connection.execute(select_pending_heads(some, span))
    ]


def fetch_rows(connection: Connection, keys: Sequence[Key]) -> Iterator[tuple[Key, Pending]]:
    """These rows by their keys, which are there in the connection's snapshot. One that is not what
    it should be (`verify` says so) is left out."""
    rows = kept.setdefault(connection.engine, Held(MOST_BYTES))
    for first in range(0, len(keys), CHUNK_ROWS):
        found = {key: rows.find(key) for key in keys[first : first + CHUNK_ROWS]}
        yield from ((key, row) for key, row in found.items() if row is not None)
        missing = [key for key, row in found.items() if row is None]
        for site_id, bucket, batch_id, events, data in fetch_by_keys(
            connection, ROW_COLUMNS, KEY_COLUMNS, missing, LABEL
        ):
            try:
                row = read_pending(bucket, events, data)
            except ValueError as error:
                at = f"{iso_from_ms(bucket)}, batch {batch_id}"
                log.error("pending_counts of %s, %s: %s", site_id, at, error)
                continue
            key = (site_id, bucket, batch_id)
            rows.keep(key, row, ROW_BYTES + len(data))
            yield key, row
