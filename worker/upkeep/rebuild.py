"""Rebuilding rollups from `events`: one transaction a site and day, in which the old rows go.

It holds the site's locks, so nobody else counts there; but batches go on to store. So it reads the
events, and which rows of `pending_counts` bring them, on another connection, in one snapshot that
begins behind the locks: it counts these events, and takes these rows away. What a batch stores
meanwhile has a row that stays, and is merged later. Killed at any line, a day has its old rollups
or its new ones. A week is made of its days' rollups, in the transaction of the last of them.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Engine, Row, Table, and_, bindparam, delete, select, update

from shared.clock import DAY_MS, WEEK_MS, iso_from_ms
from shared.counts.rollups import DAYS, EVENT_ROLLUPS, ROLLED_UP, USER_ROLLUPS, WEEKS, value_key
from shared.counts.sparse import Kept, KeptDays, kept_of
from shared.db.database import KnownKey, translated_errors
from shared.db.driver_rows import delete_by_keys, insert_tuples
from shared.db.tables import dimension_values, events, pending_counts, recent_users, users
from shared.errors import Unavailable
from worker.counting.columns import Columns
from worker.counting.members import CHUNK_CELLS, Sets, cells_by
from worker.counting.rollups import (
    Cells,
    Counted,
    add_values,
    counted_by,
    hour_cells_from,
    minute_cells_from,
    user_sets_from,
    values_in,
)
from worker.counting.users import numbers_of
from worker.stored.bitmaps import Cell, insert_bitmaps
from worker.stored.extent import Covered, Days, fetch_pruned_before, rows_between, week_of
from worker.stored.key_order import Rows, pages
from worker.stored.segment_rows import void_segments
from worker.stored.site_rows import (
    FIRST_OF_NONE,
    LAST_OF_NONE,
    drop_site_of_none,
    lock_site,
    mend_numbers,
    settle_site,
    widen_site,
)
from worker.stored.sparse_days import enter_day, fetch_kept

EVENT_KEY = (events.c.timestamp, events.c.event_id)
COUNTED_COLUMNS = (
    events.c.site_id,
    *EVENT_KEY,
    events.c.event_type,
    events.c.user_id,
    *ROLLED_UP.values(),
)
COUNTED_NAMES = (*(column.name for column in COUNTED_COLUMNS), "number")
LABEL = "/* worker.rebuild */"
CHUNK_VALUES = 1000
# What came with the events of a day, one row a batch and hour, until it was merged.
BY_BATCH = (pending_counts, recent_users)
# Between tries, where merging or pruning was in the way.
PAUSES_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass
class Tally:
    """Events of one site and day, counted."""

    events: int = 0
    first: int = FIRST_OF_NONE
    last: int = LAST_OF_NONE
    minutes: Counted = field(default_factory=Counter)
    hours: Cells = field(default_factory=Counter)
    users: Sets = field(default_factory=lambda: defaultdict(dict))
    values: set[str] = field(default_factory=set)
    # The keys of BY_BATCH's rows that brought them.
    brought: dict[Table, list[tuple[Any, ...]]] = field(default_factory=dict)

    def add(self, columns: Columns, numbers: list[int | None]) -> None:
        self.events += len(numbers)
        self.first = min(self.first, *columns.timestamps)
        self.last = max(self.last, *columns.timestamps)
        self.minutes.update(minute_cells_from(columns))
        self.hours.update(hour_cells_from(columns))
        self.values |= values_in(columns)
        for site_and_hour, sets in user_sets_from(columns, numbers).items():
            known = self.users[site_and_hour]
            for of_value, members in sets.items():
                known[of_value] = known[of_value] | members if of_value in known else members


def rebuild(
    reader: Engine,
    writer: Engine,
    days: Days,
    *,
    are_all: bool,
    on_day: Callable[[], None],
    in_full: bool = False,
) -> Covered:
    """Rebuild days. A transaction of `reader` sees one moment. Raises Unavailable.

    `are_all`: they are all there is of their sites, so what concerns a whole site is mended too.
    `in_full`: values are counted also of days with few events.
    Newest first: until its oldest day is done, a site that had no rollups stays `is_behind`.
    """
    rebuilt = Covered()
    for site_id, its_days in days.items():
        if are_all:
            again(f"the users of {site_id}", partial(mend_numbers, writer, site_id))
        firsts = {week_of(day): day for day in reversed(its_days)}
        for day in reversed(its_days):
            name = f"{site_id} on {iso_from_ms(day)[:10]}"
            is_first = firsts[week_of(day)] == day
            attempt = partial(rebuild_day, reader, writer, site_id, day, rebuilt)
            again(name, partial(attempt, with_week=is_first, in_full=in_full))
            on_day()
        if are_all:
            again(f"the site {site_id}", partial(settle_site, writer, site_id))
    return rebuilt


def again(what: str, attempt: Callable[[], None]) -> None:
    """Try until it succeeds, a few times. Raises Unavailable."""
    for pause in (*PAUSES_SECONDS, None):
        try:
            with translated_errors():
                attempt()
            return
        except (Unavailable, KnownKey) as error:
            if pause is None:
                raise Unavailable("not_rebuilt", f"cannot rebuild {what}: {error}") from error
            time.sleep(pause)


def rebuild_day(
    reader: Engine,
    writer: Engine,
    site_id: str,
    day: int,
    rebuilt: Covered,
    *,
    with_week: bool,
    in_full: bool = False,
) -> None:
    """The transaction. `with_week`: no other day of the week is still to come."""
    tally = Tally()
    with writer.begin() as connection:
        lock_site(connection, site_id)
        # Pruning commits this before it locks the site to delete: what is not pruned now, stays. A
        # sparse day is there as long as it is one.
        pruned_before = fetch_pruned_before(connection, site_id)
        is_sparse = fetch_kept(connection, site_id, day) is not Kept.ALL
        is_old = pruned_before is not None and day < pruned_before
        is_pruned = is_old and not is_sparse
        if not is_pruned:
            with reader.begin() as snapshot:
                count_day(snapshot, connection, site_id, day, tally)
            delete_day(connection, site_id, day, tally)
            kept = Kept.ALL if in_full or is_old else kept_of(tally.events)
            enter_day(connection, (site_id, day), tally.events, kept)
            write_day(connection, tally, KeptDays({(site_id, day): kept}))
            widen_site(connection, site_id, tally.first, tally.last)
        if with_week:
            rebuild_week(connection, site_id, week_of(day))
        drop_site_of_none(connection, site_id)
    if is_pruned:
        rebuilt.leave_out(day, pruned_before or 0)
    else:
        rebuilt.add(tally.events, [(site_id, day)])


def count_day(
    snapshot: Connection, connection: Connection, site_id: str, day: int, tally: Tally
) -> None:
    """Count what the snapshot has; `connection`, behind the locks, gives numbers to users."""
    its_user = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)
    statement = (
        select(*COUNTED_COLUMNS, users.c.number)
        .prefix_with(LABEL)
        .join_from(events, users, its_user, isouter=True)
        .where(events.c.site_id == site_id, events.c.timestamp < day + DAY_MS)
    )
    for page in pages(snapshot, statement, EVENT_KEY, start=day):
        columns = Columns.of_rows(page, COUNTED_NAMES)
        tally.add(columns, numbers_in(connection, page))
    for table in BY_BATCH:
        keys = (
            select(*table.primary_key)
            .prefix_with(LABEL)
            .where(table.c.site_id == site_id, table.c.bucket >= day, table.c.bucket < day + DAY_MS)
        )
        tally.brought[table] = [tuple(key) for key in snapshot.execute(keys)]


def numbers_in(connection: Connection, page: Rows) -> list[int | None]:
    """The number of each row's user. Those who have none yet get one."""
    rows = [(row.site_id, row.user_id, row.number) for row in page]
    new = {(site, user) for site, user, number in rows if number is None and user is not None}
    given = numbers_of(connection, new)
    return [
        given[site, user] if number is None and user is not None else number
        for site, user, number in rows
    ]


def delete_day(connection: Connection, site_id: str, day: int, tally: Tally) -> None:
    """Delete what was counted of the day, and what brought the events of the tally."""
    void_segments(connection, site_id, day, day + DAY_MS)
    for table, keys in tally.brought.items():
        delete_by_keys(connection, table, tuple(table.primary_key), keys, LABEL)
    user_tables = (table for table, _ in USER_ROLLUPS)
    for table in (*user_tables, *(rollup.table for rollup in EVENT_ROLLUPS)):
        delete_between(connection, table, site_id, day, day + DAY_MS)


def delete_between(
    connection: Connection, table: Table, site_id: str, start: int, end: int
) -> None:
    statement = delete(table).prefix_with(LABEL)
    for rows in rows_between(connection, table, site_id, start, end):
        connection.execute(statement.where(rows))


def write_day(connection: Connection, tally: Tally, kept: KeptDays) -> None:
    for rollup in EVENT_ROLLUPS:
        write_counts(connection, rollup.table, counted_by(rollup, tally.minutes, tally.hours, kept))
    for table, bucket_ms in USER_ROLLUPS:
        write_users(connection, table, cells_by(bucket_ms, tally.users, kept))
    # Last: other sites' batches may have the same new values, and wait for them from now on.
    write_values(connection, tally.values)


def write_counts(connection: Connection, table: Table, counted: Counted) -> None:
    rows = [(*cell, number) for cell, number in sorted(counted.items())]
    insert_tuples(connection, table.insert().prefix_with(LABEL), rows)


def write_users(connection: Connection, table: Table, cells: dict[Cell, BitMap]) -> None:
    ordered = sorted(cells)
    for first in range(0, len(ordered), CHUNK_CELLS):
        some = ordered[first : first + CHUNK_CELLS]
        statement = table.insert().prefix_with(LABEL)
        insert_bitmaps(connection, statement, [(cell, cells[cell]) for cell in some])


def rebuild_week(connection: Connection, site_id: str, week: int) -> None:
    """What is still in `recent_users` joins the week when it joins its day."""
    end = week + WEEK_MS
    for table in (WEEKS.events, WEEKS.users):
        delete_between(connection, table, site_id, week, end)
    counted: Counted = Counter()
    for row in fetch_between(connection, DAYS.events, site_id, week, end):
        counted[site_id, row.dimension, week, row.value_key, row.event_type] += row.events
    write_counts(connection, WEEKS.events, counted)
    cells: dict[Cell, BitMap] = defaultdict(BitMap)
    for row in fetch_between(connection, DAYS.users, site_id, week, end):
        # A day that is not being rebuilt may hold bytes that are no bitmap; `verify` says so.
        with suppress(ValueError, IndexError):
            members = BitMap.deserialize(row.bitmap)
            cells[site_id, row.dimension, row.value_key, week] |= members
    write_users(connection, WEEKS.users, cells)


def fetch_between(
    connection: Connection, table: Table, site_id: str, start: int, end: int
) -> Iterator[Row[*tuple[Any, ...]]]:
    statement = select(table).prefix_with(LABEL)
    for rows in rows_between(connection, table, site_id, start, end):
        yield from connection.execute(statement.where(rows))


def write_values(connection: Connection, values: set[str]) -> None:
    """Enter the texts that are missing, and right those that are not what their key says."""
    ordered = sorted((value_key(value), value) for value in values)
    for first in range(0, len(ordered), CHUNK_VALUES):
        chunk = dict(ordered[first : first + CHUNK_VALUES])
        known = select(dimension_values).where(dimension_values.c.value_key.in_(chunk))
        texts = {row.value_key: row.value for row in connection.execute(known)}
        add_values(connection, [text for key, text in chunk.items() if key not in texts])
        wrong = [key for key, text in texts.items() if text != chunk[key]]
        if wrong:
            statement = update(dimension_values).values(value=bindparam("text"))
            connection.execute(
                statement.where(dimension_values.c.value_key == bindparam("key")),
                [{"key": key, "text": chunk[key]} for key in wrong],
            )
