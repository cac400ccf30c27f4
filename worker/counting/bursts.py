"""Bursts: more page views of one user in one second than are kept, in however many batches.

What a batch has inserted is looked at behind the lock on the site: there every earlier view is
known and none comes between, and what turned out to be a duplicate or was refused is no view. The
views that are too many are deleted again in the same transaction, so nobody ever sees them.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from pyroaring import BitMap
from sqlalchemy import Connection

from shared.clock import SECOND_MS
from shared.counts.user_sets import packed
from shared.db.dialects import insert_replacing
from shared.db.driver_rows import delete_by_keys, fetch_by_keys, insert_tuples
from shared.db.tables import events, views_by_second
from shared.event import PAGE_VIEW
from worker.counting.rollups import Columns

LABEL = "/* worker.bursts */"

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
    for the batches to come. Their sites must be locked. `now` is in ms."""
    views = views_in(columns, numbers)
    counted = fetch_counted(connection, sorted(views))
    excess = [
        index
        for second, indexes in views.items()
        for index in count_views(counted[second], indexes, numbers, limit)
    ]
    write_counted(connection, counted, now)
    return excess


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
    counted: dict[Second, Layers] = {second: [] for second in seconds}
    key = (views_by_second.c.site_id, views_by_second.c.bucket)
    columns = (*key, views_by_second.c.layers)
    for site_id, bucket, layers in fetch_by_keys(connection, columns, key, seconds, LABEL):
        counted[site_id, bucket] = [BitMap.deserialize(layer) for layer in decode(layers)]
    return counted


def write_counted(connection: Connection, counted: dict[Second, Layers], now: int) -> None:
    changing = (views_by_second.c.seen_at, views_by_second.c.layers)
    statement = insert_replacing(connection, views_by_second, *changing).prefix_with(LABEL)
    rows = [
        (*second, now, encode([packed(layer) for layer in layers]))
        for second, layers in sorted(counted.items())
    ]
    insert_tuples(connection, statement, rows)


def delete_rows(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Take rows back that this transaction has inserted into `events`."""
    key = tuple(events.primary_key)
    delete_by_keys(connection, events, key, [tuple(row[: len(key)]) for row in rows], LABEL)
