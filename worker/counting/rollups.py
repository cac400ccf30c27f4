"""Raising the rollups by what a batch inserted, in the batch's own transaction.

Locking comes first: the rows of `sites`, in order. Whoever has locked a site sees all of its events
that are counted, and none that is about to be, so a day can be rebuilt while batches arrive.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection

from shared.clock import HOUR_MS, MINUTE_MS
from shared.counts.rollups import (
    EVENT_ROLLUPS,
    ROLLED_UP,
    TOTAL,
    TOTAL_KEY,
    WEEK_ROLLUP,
    Rollup,
    bucket_start,
    value_key,
)
from shared.counts.user_sets import UserSets, encode_parts
from shared.db.dialects import dialect_of, insert_adding, insert_ignoring_known, insert_widening
from shared.db.driver_rows import insert_tuples
from shared.db.tables import dimension_values, recent_users, sites
from shared.fields import EVENT_TYPE
from worker.counting.users import numbers_of
from worker.stored.site_rows import FIRST_OF_NONE, LAST_OF_NONE

Row = Sequence[Any]

# site_id, dimension, bucket, value_key, event_type -> events
Cells = Counter[tuple[str, str, int, bytes, str]]
# The same, or site_id, bucket, event_type -> events: the keys of a rollup's table.
Counted = Counter[tuple[Any, ...]]


class Columns:
    """Events as rows, at least one, turned into columns, which is how they are counted fast.

    `names` say what a row holds; of two with one name the later is meant.
    """

    def __init__(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        self.site_ids: tuple[str, ...] = columns["site_id"]
        self.timestamps: tuple[int, ...] = columns["timestamp"]
        self.event_types: tuple[str, ...] = columns["event_type"]
        self.user_ids: tuple[str | None, ...] = columns["user_id"]
        self.hours = [timestamp - timestamp % HOUR_MS for timestamp in self.timestamps]
        self.of_dimension: dict[str, tuple[str | None, ...]] = {
            name: columns[column.name] for name, column in ROLLED_UP.items()
        }

    def filled(self) -> Iterator[tuple[str, tuple[str | None, ...]]]:
        """Each dimension that is rolled up and of which any row has a value."""
        for name, values in self.of_dimension.items():
            if values.count(None) < len(values):
                yield name, values


def raise_rollups(
    connection: Connection, batch_id: str, columns: Columns, numbers: Sequence[int | None]
) -> None:
    """Count rows that this transaction has inserted into `events`, with the numbers of their users.
    Their sites must be locked."""
    widen_sites(connection, columns)
    add_values(connection, values_in(columns))
    add_events(connection, columns)
    add_recent_users(connection, batch_id, user_sets_from(columns, numbers))


def lock_sites(connection: Connection, site_ids: Iterable[str]) -> None:
    """Lock the sites' rows until the transaction ends, and make those that are not there."""
    known = dict.fromkeys(site_ids, (FIRST_OF_NONE, LAST_OF_NONE))
    widen_to(connection, known)


def widen_sites(connection: Connection, columns: Columns) -> None:
    """Let the sites' rows span these events too."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for site_id, timestamp in zip(columns.site_ids, columns.timestamps, strict=True):
        first[site_id] = min(first.get(site_id, timestamp), timestamp)
        last[site_id] = max(last.get(site_id, timestamp), timestamp)
    widen_to(connection, {site_id: (first[site_id], last[site_id]) for site_id in first})


def widen_to(connection: Connection, spans: dict[str, tuple[int, int]]) -> None:
    statement = insert_widening(connection, sites, sites.c.first_event, sites.c.last_event)
    connection.execute(
        statement.prefix_with("/* worker.sites */"),
        [
            {"site_id": site_id, "users": 0, "first_event": first, "last_event": last}
            for site_id, (first, last) in sorted(spans.items())
        ],
    )


def numbers_of_rows(connection: Connection, columns: Columns) -> list[int | None]:
    """The number of each row's user; None where it has none."""
    pairs = list(zip(columns.site_ids, columns.user_ids, strict=True))
    numbers = numbers_of(connection, {(site, user) for site, user in pairs if user is not None})
    return [None if user is None else numbers[site, user] for site, user in pairs]


def values_in(columns: Columns) -> set[str]:
    """Every value of a dimension."""
    return {value for _, values in columns.filled() for value in set(values) if value is not None}


def add_values(connection: Connection, values: Collection[str]) -> None:
    """Enter the texts behind the keys of dimensions' values."""
    statement = insert_ignoring_known(connection, dimension_values)
    insert_tuples(connection, statement.prefix_with("/* worker.values */"), sorted(keyed(values)))


def keyed(values: Iterable[str]) -> list[tuple[bytes, str]]:
    return [(value_key(value), value) for value in values]


def add_events(connection: Connection, columns: Columns) -> None:
    minutes, hours = minute_cells_from(columns), hour_cells_from(columns)
    for rollup in (*EVENT_ROLLUPS, WEEK_ROLLUP):
        statement = insert_adding(connection, rollup.table, rollup.table.c.events)
        insert_tuples(
            connection,
            statement.prefix_with("/* worker.rollups */"),
            [
                (*cell, number)
                for cell, number in sorted(counted_by(rollup, minutes, hours).items())
            ],
        )


def counted_by(rollup: Rollup, minutes: Counted, hours: Cells) -> Counted:
    """What a rollup counts, from cells of the finest buckets."""
    if not rollup.has_dimensions:
        return minutes
    counted: Counted = Counter()
    for (site_id, dimension, hour, key, event_type), number in hours.items():
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
    for name, values in columns.filled():
        by_value = zip(columns.site_ids, columns.hours, values, columns.event_types, strict=True)
        for (site_id, hour, value, event_type), number in Counter(by_value).items():
            if value is not None:
                cells[site_id, name, hour, value_key(value), event_type] = number
    return cells


def user_sets_from(
    columns: Columns, numbers: Sequence[int | None]
) -> dict[tuple[str, int], UserSets]:
    """By site and hour, the users of each value of each dimension, of each type and of all."""
    found: dict[tuple[str, int, str, str], list[int]] = defaultdict(list)
    everybody = ("",) * len(numbers)
    for name, values in (
        (TOTAL, everybody),
        (EVENT_TYPE, columns.event_types),
        *columns.filled(),
    ):
        for site_id, hour, value, number in zip(
            columns.site_ids, columns.hours, values, numbers, strict=True
        ):
            if number is not None and value is not None:
                found[site_id, hour, name, value].append(number)
    sets: dict[tuple[str, int], UserSets] = defaultdict(dict)
    for (site_id, hour, name, value), members in found.items():
        sets[site_id, hour][name, value_key(value)] = BitMap(members)
    return sets


def add_recent_users(
    connection: Connection, batch_id: str, sets: dict[tuple[str, int], UserSets]
) -> None:
    """Append who was there: no row of another batch is touched. What is longer than the server
    takes becomes several rows."""
    most_bytes = dialect_of(connection).max_value_bytes
    insert_tuples(
        connection,
        recent_users.insert().prefix_with("/* worker.recent_users */"),
        [
            (*at, part_id(batch_id, number), part)
            for at, of in sorted(sets.items(), key=itemgetter(0))
            for number, part in enumerate(encode_parts(of, most_bytes))
        ],
    )


def part_id(batch_id: str, number: int) -> str:
    """Which only has to differ from all others and be no longer than a batch's id."""
    if number == 0:
        return batch_id
    return blake2b(f"{batch_id} {number}".encode(), digest_size=16).hexdigest()
