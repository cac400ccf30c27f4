"""How many events of a site there are in each hour or day: in a snapshot, or for one who has the
site's lock. By statements that see different moments, no event is counted twice."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, Table

from shared.counts.pending import Pending, read_pending
from shared.counts.pending_hours import Key, fetch_pending_hours
from shared.counts.segments import select_counts
from shared.db.driver_rows import fetch_by_keys
from shared.db.tables import events_by_hour, pending_counts
from worker.stored.segment_rows import LABEL

KEY_COLUMNS = tuple(pending_counts.primary_key)
ROW_COLUMNS = (*KEY_COLUMNS, pending_counts.c.events, pending_counts.c.data)


def fetch_hours(connection: Connection, site_id: str, start: int, end: int) -> Counter[int]:
    """The events of each hour."""
    counted = fetch_counts(connection, events_by_hour, site_id, start, end)
    return counted + fetch_unmerged(connection, site_id, start, end)


def fetch_counts(
    connection: Connection, table: Table, site_id: str, start: int, end: int
) -> Counter[int]:
    """How many events a rollup counts in each of its buckets."""
    rows = connection.execute(select_counts(table, site_id, start, end).prefix_with(LABEL))
    return Counter({bucket: int(number) for bucket, number in rows})


def fetch_unmerged(connection: Connection, site_id: str, start: int, end: int) -> Counter[int]:
    """How many events of each hour no rollup counts yet."""
    read = partial(read_rows, connection)
    return fetch_pending_hours(connection, site_id, start, end, read, LABEL)


def read_rows(connection: Connection, keys: Sequence[Key]) -> Iterator[Pending]:
    """One that is not what it should be is left out: of its hours, no segment is made."""
    rows = fetch_by_keys(connection, ROW_COLUMNS, KEY_COLUMNS, keys, LABEL)
    for _, bucket, _, events, data in rows:
        with suppress(ValueError):
            yield read_pending(bucket, events, data)
