"""Rebuilding rollups from `events`: one transaction a site and day, in which the old rows go.

It holds the lock on the site's row from before it reads the events. Batches that have stored some
of that site wait there, uncommitted, so a day is exact while workers store into it. Killed at any
line, a day has its old rollups or its new ones.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pyroaring import BitMap
from sqlalchemy import Connection, Engine, and_, bindparam, delete, select, update

from shared.clock import iso_from_ms
from shared.database import KnownKey, translated_errors
from shared.driver_rows import insert_tuples
from shared.errors import Unavailable
from shared.rollups import DAY_MS, DIMENSIONS, EVENT_ROLLUPS, USER_ROLLUPS, value_key
from shared.tables import dimension_values, events, recent_users, users
from shared.user_sets import UserSets
from worker.compaction import CHUNK_CELLS, Cell, write_bitmaps
from worker.extent import Covered, Days, day_of, fetch_pruned_before
from worker.key_order import pages
from worker.rollups import (
    Cells,
    Columns,
    Counted,
    add_values,
    counted_by,
    hour_cells_from,
    minute_cells_from,
    numbers_of_rows,
    user_sets_from,
    values_in,
)
from worker.site_rows import (
    FIRST_OF_NONE,
    LAST_OF_NONE,
    drop_site_of_none,
    lock_site,
    mend_numbers,
    settle_site,
    widen_site,
)

EVENT_KEY = (events.c.timestamp, events.c.event_id)
COUNTED_COLUMNS = (
    events.c.site_id,
    *EVENT_KEY,
    events.c.event_type,
    events.c.user_id,
    *DIMENSIONS.values(),
)
COUNTED_NAMES = (*(column.name for column in COUNTED_COLUMNS), "number")
CHUNK_VALUES = 1000
# Between tries, where a batch or compaction was in the way.
PAUSES_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass
class Tally:
    """Events of one site and day, counted."""

    events: int = 0
    first: int = FIRST_OF_NONE
    last: int = LAST_OF_NONE
    minutes: Counted = field(default_factory=Counter)
    hours: Cells = field(default_factory=Counter)
    users: dict[tuple[str, int], UserSets] = field(default_factory=lambda: defaultdict(dict))
    values: set[str] = field(default_factory=set)

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


def rebuild(engine: Engine, days: Days, *, are_all: bool, on_day: Callable[[], None]) -> Covered:
    """Rebuild days. Raises Unavailable.

    `are_all`: they are all there is of their sites, so what concerns a whole site is mended too.
    Newest first: until its oldest day is done, a site that had no rollups stays `is_behind`.
    """
    rebuilt = Covered()
    for site_id, its_days in days.items():
        if are_all:
            again(f"the users of {site_id}", partial(mend_numbers, engine, site_id))
        for day in reversed(its_days):
            name = f"{site_id} on {iso_from_ms(day)[:10]}"
            again(name, partial(rebuild_day, engine, site_id, day, rebuilt))
            on_day()
        if are_all:
            again(f"the site {site_id}", partial(settle_site, engine, site_id))
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


def rebuild_day(engine: Engine, site_id: str, day: int, rebuilt: Covered) -> None:
    """The transaction."""
    tally = Tally()
    with engine.begin() as connection:
        lock_site(connection, site_id)
        # Pruning commits this before it locks the site to delete: what is not pruned now, stays.
        pruned_before = fetch_pruned_before(connection)
        is_pruned = pruned_before is not None and day < pruned_before
        if not is_pruned:
            count_day(connection, site_id, day, tally)
            delete_day(connection, site_id, day)
            write_day(connection, tally)
            widen_site(connection, site_id, tally.first, tally.last)
        drop_site_of_none(connection, site_id)
    if is_pruned:
        rebuilt.leave_out(day, pruned_before or 0)
    else:
        rebuilt.add(site_id, day, tally.events)


def count_day(connection: Connection, site_id: str, day: int, tally: Tally) -> None:
    its_user = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)
    statement = (
        select(*COUNTED_COLUMNS, users.c.number)
        .prefix_with("/* worker.rebuild */")
        .join_from(events, users, its_user, isouter=True)
        .where(events.c.site_id == site_id, events.c.timestamp < day + DAY_MS)
    )
    for page in pages(connection, statement, EVENT_KEY, start=day):
        columns = Columns(page, COUNTED_NAMES)
        tally.add(columns, numbers_in(connection, columns, [row.number for row in page]))


def numbers_in(
    connection: Connection, columns: Columns, known: list[int | None]
) -> list[int | None]:
    """The number of each row's user. Those who have none yet get one."""
    users_and_numbers = zip(columns.user_ids, known, strict=True)
    is_new = any(user is not None and number is None for user, number in users_and_numbers)
    return numbers_of_rows(connection, columns) if is_new else known


def delete_day(connection: Connection, site_id: str, day: int) -> None:
    # In compaction's order: recent users first. Were it the other way round, each would hold what
    # the other waits for.
    user_tables = (recent_users, *(table for table, _ in USER_ROLLUPS))
    for table in (*user_tables, *(rollup.table for rollup in EVENT_ROLLUPS)):
        statement = delete(table).prefix_with("/* worker.rebuild */")
        for rows in day_of(connection, table, site_id, day):
            connection.execute(statement.where(rows))


def write_day(connection: Connection, tally: Tally) -> None:
    for rollup in EVENT_ROLLUPS:
        counted = counted_by(rollup, tally.minutes, tally.hours)
        if counted:
            insert = rollup.table.insert().prefix_with("/* worker.rebuild */")
            rows = [(*cell, number) for cell, number in sorted(counted.items())]
            insert_tuples(connection, insert, rows)
    for table, bucket_ms in USER_ROLLUPS:
        cells = sorted(cells_by(bucket_ms, tally).items())
        for first in range(0, len(cells), CHUNK_CELLS):
            write_bitmaps(connection, table, cells[first : first + CHUNK_CELLS])
    # Last: other sites' batches may have the same new values, and wait for them from now on.
    write_values(connection, tally.values)


def cells_by(bucket_ms: int, tally: Tally) -> dict[Cell, BitMap]:
    cells: dict[Cell, BitMap] = defaultdict(BitMap)
    for (site_id, hour), sets in tally.users.items():
        for (dimension, key), members in sets.items():
            cells[site_id, dimension, key, hour - hour % bucket_ms] |= members
    return cells


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
