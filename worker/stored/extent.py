"""Which sites and UTC days have events or rollups, and where the rollups of a time are.

Whatever is there is found, also what has no event behind it: it may have to go.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, and_, select

from shared.clock import DAY_MS, WEEK_MS
from shared.counts.pruned import select_pruned_before
from shared.counts.rollups import DAYS, HOURS, LEVELS, WEEKS, Level, bucket_start
from shared.db.database import translated_errors
from shared.db.driver_rows import fetch_by_keys
from shared.db.tables import (
    events,
    events_by_minute,
    pending_counts,
    recent_users,
    retention,
    segments,
    site_retention,
    sites,
    sparse_days,
    users,
)
from worker.stored.key_order import pages, values_of

# A site's rows of these are in the order of time, of BY_DIMENSION within each dimension, and of
# BY_VALUE within each of its values.
BY_TIME = (
    events.c.timestamp,
    pending_counts.c.bucket,
    events_by_minute.c.bucket,
    recent_users.c.bucket,
    segments.c.bucket,
    sparse_days.c.bucket,
)
BY_DIMENSION = tuple(level.events for level in LEVELS)
BY_VALUE = tuple(level.users for level in LEVELS)
OF_A_SITE = (sites, users, *(column.table for column in BY_TIME), *BY_DIMENSION, *BY_VALUE)

# Named in one statement. From a thousand on, MariaDB no longer seeks each.
PAGE_VALUES = 500

PRUNED = "/* worker.retention */"

# The end of a range that has none, in ms.
EVER = 2**63 - 1

# site_id -> the first ms of each day, in order
Days = dict[str, list[int]]


@dataclass(frozen=True)
class Part:
    """What to look at: all sites or one, and the events from `start` up to `end`, in ms."""

    site_id: str | None = None
    start: int = 0
    end: int = EVER

    @property
    def has_all_days(self) -> bool:
        return self == Part(self.site_id)


@dataclass
class Covered:
    """What was seen to; and which days were not, because their events may have been pruned."""

    events: int = 0
    sites: set[str] = field(default_factory=set)
    days: set[int] = field(default_factory=set)
    pruned_days: set[int] = field(default_factory=set)
    pruned_before: int = 0

    def add(self, number: int, days: Iterable[tuple[str, int]]) -> None:
        """So many events, and the days they are of, each of a site."""
        self.events += number
        for site_id, day in days:
            self.sites.add(site_id)
            self.days.add(day)

    def leave_out(self, day: int, pruned_before: int) -> None:
        self.pruned_days.add(day)
        self.pruned_before = max(self.pruned_before, pruned_before)


def find_days(engine: Engine, part: Part) -> Days:
    """The sites there are, and the days of each that have anything. Raises Unavailable."""
    days: Days = {}
    for site_id in find_sites(engine, part.site_id):
        with translated_errors(), engine.begin() as connection:
            days[site_id] = sorted(days_of(connection, site_id, part))
    return days


def find_sites(engine: Engine, site_id: str | None = None) -> list[str]:
    """The sites of which there is anything; or that one, if so. Raises Unavailable."""
    found: set[str] = set()
    with translated_errors(), engine.begin() as connection:
        for table in OF_A_SITE:
            column = table.c["site_id"]
            where = [] if site_id is None else [column == site_id]
            if table is sites:  # a row that spans nothing tells only which numbers are taken
                where.append(sites.c.first_event <= sites.c.last_event)
            found.update(values_of(connection, column, *where))
    return sorted(found)


def days_of(connection: Connection, site_id: str, part: Part) -> set[int]:
    found: set[int] = set()
    for moment in BY_TIME:
        found |= days_along(connection, moment, part, moment.table.c["site_id"] == site_id)
    for level in (HOURS, DAYS):
        found |= days_of_level(connection, level, site_id, part)
    if part.has_all_days:  # a week of no day at all is found by its own first
        weeks = {week_of(day) for day in found}
        mondays = days_of_level(connection, WEEKS, site_id, part)
        found |= {day for day in mondays if week_of(day) not in weeks}
    return found


def days_of_level(connection: Connection, level: Level, site_id: str, part: Part) -> set[int]:
    found = days_of_users(connection, level.users, site_id, part)
    table = level.events
    for dimension in dimensions_of(connection, table, site_id):
        where = (table.c.site_id == site_id, table.c.dimension == dimension)
        found |= days_along(connection, table.c.bucket, part, *where)
    return found


def days_along(
    connection: Connection, moment: Column[int], part: Part, *where: ColumnElement[bool]
) -> set[int]:
    """The days of a column that is next in its key, behind those that `where` fixes."""
    first = select(moment).where(*where, moment < part.end).order_by(moment).limit(1)
    found: set[int] = set()
    start = part.start
    while (at := connection.scalar(first.where(moment >= start))) is not None:
        day = at - at % DAY_MS
        found.add(day)
        start = day + DAY_MS
    return found


def days_of_users(connection: Connection, table: Table, site_id: str, part: Part) -> set[int]:
    found: set[int] = set()
    key = (table.c.value_key, table.c.bucket)
    for dimension in dimensions_of(connection, table, site_id):
        keys = select(*key).where(table.c.site_id == site_id, table.c.dimension == dimension)
        for page in pages(connection, keys, key):
            buckets = {row.bucket for row in page}
            found |= {at - at % DAY_MS for at in buckets if part.start <= at < part.end}
    return found


def week_of(moment: int) -> int:
    """The first ms of the week, from Monday, that a moment is in."""
    return bucket_start(moment, WEEK_MS)


def dimensions_of(connection: Connection, table: Table, site_id: str) -> list[str]:
    return list(values_of(connection, table.c.dimension, table.c.site_id == site_id))


def rows_between(
    connection: Connection, table: Table, site_id: str, start: int, end: int
) -> Iterator[ColumnElement[bool]]:
    """Where a site's rows of a rollup are whose buckets begin from `start` up to `end`: conditions,
    each a short way along the table's key."""
    at = and_(table.c.site_id == site_id, table.c.bucket >= start, table.c.bucket < end)
    if table not in {*BY_DIMENSION, *BY_VALUE}:
        yield at
        return
    for dimension in dimensions_of(connection, table, site_id):
        of_dimension = table.c.dimension == dimension
        if table in BY_DIMENSION:
            yield and_(at, of_dimension)
            continue
        keys = select(table.c.value_key).where(table.c.site_id == site_id, of_dimension).distinct()
        for page in pages(connection, keys, (table.c.value_key,), size=PAGE_VALUES):
            of_values = table.c.value_key.in_([row.value_key for row in page])
            yield and_(at, of_dimension, of_values)


def bounds(connection: Connection, moment: Column[int], site_id: str) -> list[int]:
    """The first and the last moment in a site's rows, if any. `moment` is next in their key."""
    one = select(moment).where(moment.table.c["site_id"] == site_id).limit(1)
    first = connection.scalars(one.order_by(moment)).all()
    return [*first, *connection.scalars(one.order_by(moment.desc()))]


def fetch_pruned_before(connection: Connection, site_id: str) -> int | None:
    """The moment before which raw events of a site may be gone; None where none ever are."""
    return connection.scalar(select_pruned_before(site_id).prefix_with(PRUNED))


def fetch_pruned_of(connection: Connection, site_ids: Iterable[str]) -> dict[str, int]:
    """The same of many sites; 0 for none ever."""
    of_all = connection.scalar(select(retention.c.pruned_before).prefix_with(PRUNED)) or 0
    columns = (site_retention.c.site_id, site_retention.c.pruned_before)
    wanted = [(site_id,) for site_id in sorted(set(site_ids))]
    its_own = dict(fetch_by_keys(connection, columns, columns[:1], wanted, PRUNED))
    return {site_id: max(of_all, its_own.get(site_id, 0)) for (site_id,) in wanted}


def has_pruned(connection: Connection) -> bool:
    """Whether raw events of any site may be gone."""
    statements = (select(t.c["pruned_before"]).limit(1) for t in (retention, site_retention))
    return any(connection.scalar(one.prefix_with(PRUNED)) is not None for one in statements)
