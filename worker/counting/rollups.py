"""Counting events in the rollups: what merging adds to them, and rebuilding makes anew."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection

from shared.clock import MINUTE_MS
from shared.counts.rollups import (
    EVENT_ROLLUPS,
    TOTAL,
    TOTAL_KEY,
    WEEK_ROLLUP,
    Rollup,
    bucket_start,
    value_key,
)
from shared.counts.sparse import COUNTED_IN_FULL, KeptDays
from shared.db.dialects import insert_adding, insert_ignoring_known, insert_widening
from shared.db.driver_rows import insert_tuples
from shared.db.tables import dimension_values, sites
from shared.fields import EVENT_TYPE
from worker.counting.columns import Columns
from worker.counting.members import Sets, raise_users

# site_id, dimension, bucket, value_key, event_type -> events
Cells = Counter[tuple[str, str, int, bytes, str]]
# The same, or site_id, bucket, event_type -> events: the keys of a rollup's table.
Counted = Counter[tuple[Any, ...]]
# Events, and the numbers of their users.
Numbered = tuple[Columns, list[int | None]]


def raise_rollups(
    connection: Connection, parts: Sequence[Numbered], kept: KeptDays = COUNTED_IN_FULL
) -> None:
    """Count events that are stored, no two parts of one site's hour, for one who has the locks of
    their sites. Last comes what others may wait for from then on: new values are shared by all
    sites, and batches take users' numbers from the rows of `sites`."""
    columns = [columns for columns, _ in parts]
    add_events(connection, columns, kept)
    sets: Sets = {}
    for part in parts:
        sets |= user_sets_from(*part)
    raise_users(connection, sets, kept)
    add_values(connection, set().union(*map(values_in, columns)))
    widen_sites(connection, columns)


def widen_sites(connection: Connection, parts: Iterable[Columns]) -> None:
    """Let the sites' rows span these events too."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for columns in parts:
        for site_id, timestamp in zip(columns.site_ids, columns.timestamps, strict=True):
            first[site_id] = min(first.get(site_id, timestamp), timestamp)
            last[site_id] = max(last.get(site_id, timestamp), timestamp)
    statement = insert_widening(connection, sites, sites.c.first_event, sites.c.last_event)
    connection.execute(
        statement.prefix_with("/* worker.sites */"),
        [
            {"site_id": site_id, "users": 0, "first_event": first[site_id], "last_event": at}
            for site_id, at in sorted(last.items())
        ],
    )


def values_in(columns: Columns) -> set[str]:
    """Every value of a dimension."""
    columns_of_texts = columns.of_dimension.values()
    return {value for values in columns_of_texts for value in set(values) if value is not None}


def add_values(connection: Connection, values: Collection[str]) -> None:
    """Enter the texts behind the keys of dimensions' values."""
    statement = insert_ignoring_known(connection, dimension_values)
    insert_tuples(connection, statement.prefix_with("/* worker.values */"), sorted(keyed(values)))


def keyed(values: Iterable[str]) -> list[tuple[bytes, str]]:
    return [(value_key(value), value) for value in values]


def add_events(
    connection: Connection, parts: Iterable[Columns], kept: KeptDays = COUNTED_IN_FULL
) -> None:
    minutes: Counted = Counter()
    hours: Cells = Counter()
    for columns in parts:
        minutes.update(minute_cells_from(columns))
        hours.update(hour_cells_from(columns))
    for rollup in (*EVENT_ROLLUPS, WEEK_ROLLUP):
        statement = insert_adding(connection, rollup.table, rollup.table.c.events)
        counted = counted_by(rollup, minutes, hours, kept)
        insert_tuples(
            connection,
            statement.prefix_with("/* worker.rollups */"),
            [(*cell, number) for cell, number in sorted(counted.items())],
        )


def counted_by(rollup: Rollup, minutes: Counted, hours: Cells, kept: KeptDays) -> Counted:
    """What a rollup counts, from cells of the finest buckets."""
    if not rollup.has_dimensions:
        return minutes
    counted: Counted = Counter()
    for (site_id, dimension, hour, key, event_type), number in hours.items():
        if dimension == TOTAL or kept.of(site_id, hour).has_events(dimension, rollup.bucket_ms):
            bucket = bucket_start(hour, rollup.bucket_ms)
            counted[site_id, dimension, bucket, key, event_type] += number
    return counted


def minute_cells_from(columns: Columns) -> Counted:
    minutes = [timestamp - timestamp % MINUTE_MS for timestamp in columns.timestamps]
    return Counter(zip(columns.site_ids, minutes, columns.event_types, strict=True))


def hour_cells_from(columns: Columns) -> Cells:
    """Events by site, dimension, hour, value and type; the dimension TOTAL counts every event."""
    cells: Cells = Counter()
    by_type = zip(columns.site_ids, columns.hours, columns.event_types, strict=True)
    for (site_id, hour, event_type), number in Counter(by_type).items():
        cells[site_id, TOTAL, hour, TOTAL_KEY, event_type] = number
    for name, values in columns.of_dimension.items():
        by_value = zip(columns.site_ids, columns.hours, values, columns.event_types, strict=True)
        for (site_id, hour, value, event_type), number in Counter(by_value).items():
            if value is not None:
                cells[site_id, name, hour, value_key(value), event_type] = number
    return cells


def user_sets_from(columns: Columns, numbers: Sequence[int | None]) -> Sets:
    """By site and hour, the users of each value of each dimension, of each type and of all."""
    found: dict[tuple[str, int, str, str], list[int]] = defaultdict(list)
    everybody = ("",) * len(numbers)
    for name, values in (
        (TOTAL, everybody),
        (EVENT_TYPE, columns.event_types),
        *columns.of_dimension.items(),
    ):
        for site_id, hour, value, number in zip(
            columns.site_ids, columns.hours, values, numbers, strict=True
        ):
            if number is not None and value is not None:
                found[site_id, hour, name, value].append(number)
    sets: Sets = defaultdict(dict)
    for (site_id, hour, name, value), members in found.items():
        sets[site_id, hour][name, value_key(value)] = BitMap(members)
    return sets
