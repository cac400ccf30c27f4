"""Bursts: more page views of one user in one second than are kept, in however many batches.

What a batch has inserted is looked at last, behind locks on the rows of its seconds alone: there
every earlier view is known and none comes between, and what turned out to be a duplicate or was
refused is no view. The views that are too many are deleted again in the same transaction, so nobody
ever sees them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from pyroaring import BitMap
from sqlalchemy import Connection

from shared.clock import SECOND_MS
from shared.counts.user_sets import packed
from shared.db.database import KnownKey, translated_errors
from shared.db.dialects import insert_replacing
from shared.db.driver_rows import delete_by_keys, fetch_by_keys, insert_tuples
from shared.db.tables import events, views_by_second
from shared.errors import Unavailable
from shared.event import PAGE_VIEW
from worker.counting.columns import Columns

LABEL = "/* worker.bursts */"
ATTEMPTS = 5

Second = tuple[str, int]  # site_id, its first ms
# The n-th of these bitmaps has the users with at least n views. Users who came first together have
# numbers in a row, so a busy second takes some hundred bytes.
Layers = list[BitMap]

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[bytes]).decode


def find_excess(
    connection: Connection, columns: Columns, numbers: Sequence[int | None], limit: int, now: int
) -> list[int]:
    """The indexes of the rows that are too many, the latest of their second; the others are counted
    for the batches to come. `now` is in ms. Raises Unavailable where others are always first."""
    views = views_in(columns, numbers)
    for _ in range(ATTEMPTS):
        counted = fetch_counted(connection, sorted(views))
        new = views.keys() - counted.keys()
        counted |= {second: [] for second in new}
        excess = [
            index
            for second, indexes in views.items()
            for index in count_views(counted[second], indexes, numbers, limit)
        ]
        if write_counted(connection, counted, new, now):
            return excess
    raise Unavailable("seconds_taken", "other batches count the same seconds; try again")


def views_in(columns: Columns, numbers: Sequence[int | None]) -> dict[Second, list[int]]:
    """The indexes of the views that have a user, by site and second."""
    views: dict[Second, list[int]] = defaultdict(list)
    rows = zip(columns.site_ids, columns.timestamps, columns.event_types, numbers, strict=True)
    for index, (site_id, timestamp, event_type, number) in enumerate(rows):
        if number is not None and event_type == PAGE_VIEW:
            views[site_id, timestamp - timestamp % SECOND_MS].append(index)
    return views


def count_views(
    layers: Layers, indexes: list[int], numbers: Sequence[Any], limit: int
) -> list[int]:
    """Add views to the layers of their second; returns those for which there is no room."""
    excess = []
    for index in indexes:
        number = numbers[index]
        layer = next((layer for layer in layers[:limit] if number not in layer), None)
        if layer is not None:
            layer.add(number)
        elif len(layers) < limit:
            layers.append(BitMap([number]))
        else:
            excess.append(index)
    return excess


def fetch_counted(connection: Connection, seconds: list[Second]) -> dict[Second, Layers]:
    """Of seconds that have been counted before; nobody else counts in these from now on."""
    key = (views_by_second.c.site_id, views_by_second.c.bucket)
    columns = (*key, views_by_second.c.layers)
    rows = fetch_by_keys(connection, columns, key, seconds, LABEL, for_update=True)
    return {
        (site_id, bucket): [BitMap.deserialize(layer) for layer in decode(layers)]
        for site_id, bucket, layers in rows
    }


def write_counted(
    connection: Connection, counted: dict[Second, Layers], new: Collection[Second], now: int
) -> bool:
    """Write seconds; False, having written none, where another batch was first with a new one."""
    rows = {
        second: (*second, now, encode([packed(layer) for layer in layers]))
        for second, layers in sorted(counted.items())
    }
    if new:
        inserting = views_by_second.insert().prefix_with(LABEL)
        try:
            with translated_errors(), connection.begin_nested():
                insert_tuples(connection, inserting, [rows.pop(second) for second in sorted(new)])
        except KnownKey:
            return False
    changing = (views_by_second.c.seen_at, views_by_second.c.layers)
    replacing = insert_replacing(connection, views_by_second, *changing).prefix_with(LABEL)
    insert_tuples(connection, replacing, list(rows.values()))
    return True


def delete_rows(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Take rows back that this transaction has inserted into `events`."""
    key = tuple(events.primary_key)
    delete_by_keys(connection, events, key, [tuple(row[: len(key)]) for row in rows], LABEL)
