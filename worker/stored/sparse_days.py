"""The rows of `sparse_days`; see shared/counts/sparse.py. Whoever writes them has locked their
sites."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, and_, delete, func, or_, select

from shared.clock import DAY_MS
from shared.counts.rollups import TOTAL, TOTAL_KEY
from shared.counts.sparse import (
    Kept,
    KeptDays,
    kept_of,
    too_many_for,
)
from shared.db.dialects import insert_adding
from shared.db.driver_rows import fetch_by_keys, insert_tuples
from shared.db.tables import events_by_day, sparse_days
from worker.stored.extent import fetch_pruned_of

# A site, and the first ms of a day.
Day = tuple[str, int]

LABEL = "/* worker.sparse_days */"
KEY = (sparse_days.c.site_id, sparse_days.c.bucket)
KEPT_OF_SPARSE = (Kept.TOTALS, Kept.DAYS)
KEY_AND_KEPT = (*KEY, sparse_days.c.kept)
TOTAL_COLUMNS = (events_by_day.c.site_id, events_by_day.c.bucket, events_by_day.c.events)
TOTAL_OF_DAY = (
    events_by_day.c.site_id,
    events_by_day.c.dimension,
    events_by_day.c.bucket,
    events_by_day.c.value_key,
)

ITS_TOTALS = and_(
    events_by_day.c.site_id == sparse_days.c.site_id,
    events_by_day.c.dimension == TOTAL,
    events_by_day.c.bucket == sparse_days.c.bucket,
    events_by_day.c.value_key == TOTAL_KEY,
)


def count_days(connection: Connection, brought: Mapping[Day, int]) -> KeptDays:
    """How events of days are to be counted, and enter them where that is sparsely: of a day of
    which nothing is counted yet, by how many come, and by how many were on the day before."""
    days = sorted(brought)
    rows = fetch_by_keys(connection, KEY_AND_KEPT, KEY, days, LABEL)
    sparse = {(site_id, day): Kept(kept) for site_id, day, kept in rows}
    sparse |= begun(connection, {day: brought[day] for day in days if day not in sparse})
    statement = insert_adding(connection, sparse_days, sparse_days.c.events).prefix_with(LABEL)
    entered = [(*day, brought[day], sparse[day]) for day in days if day in sparse]
    insert_tuples(connection, statement, entered)
    return KeptDays(sparse)


def begun(connection: Connection, brought: Mapping[Day, int]) -> dict[Day, Kept]:
    """Those of these days that begin as sparse ones. None does whose events may be pruned."""
    before = {(site_id, day): (site_id, day - DAY_MS) for site_id, day in brought}
    wanted = sorted({*brought, *before.values()})
    keys = [(site_id, TOTAL, day, TOTAL_KEY) for site_id, day in wanted]
    counted: Counter[Day] = Counter()
    for site_id, day, events in fetch_by_keys(connection, TOTAL_COLUMNS, TOTAL_OF_DAY, keys, LABEL):
        counted[site_id, day] += events
    few = {
        day: kept
        for day, events in brought.items()
        if day not in counted
        and (kept := kept_of(max(events, counted[before[day]]))) is not Kept.ALL
    }
    pruned_before = fetch_pruned_of(connection, (site_id for site_id, _ in few)) if few else {}
    return {day: kept for day, kept in few.items() if day[1] >= pruned_before[day[0]]}


def enter_day(connection: Connection, day: Day, events: int, kept: Kept) -> None:
    """What is known of a day from now on, all of whose events have just been counted anew."""
    site_id, first = day
    its = (sparse_days.c.site_id == site_id, sparse_days.c.bucket == first)
    connection.execute(delete(sparse_days).where(*its).prefix_with(LABEL))
    if kept is not Kept.ALL and events:
        insert_tuples(connection, sparse_days.insert().prefix_with(LABEL), [(*day, events, kept)])


def fetch_kept(connection: Connection, site_id: str, day: int) -> Kept:
    its = (sparse_days.c.site_id == site_id, sparse_days.c.bucket == day)
    kept = connection.scalar(select(sparse_days.c.kept).where(*its).prefix_with(LABEL))
    return Kept.ALL if kept is None else Kept(kept)


def fetch_days_of_totals(connection: Connection, site_id: str) -> set[int]:
    """The site's days of which nothing but totals is counted."""
    of = sparse_days.c
    statement = select(of.bucket).where(of.site_id == site_id, of.kept == Kept.TOTALS)
    return set(connection.scalars(statement.prefix_with(LABEL)))


def fetch_grown(connection: Connection) -> list[Day]:
    """The days that have too many events to be sparse."""
    of = sparse_days.c
    each = (and_(of.kept == kept, of.events >= too_many_for(kept)) for kept in KEPT_OF_SPARSE)
    statement = select(*KEY).where(or_(*each)).order_by(*KEY).prefix_with(LABEL)
    return [(site_id, day) for site_id, day in connection.execute(statement)]


def fetch_mixed(connection: Connection) -> list[Day]:
    """The days of which an earlier version has counted something as well."""
    counted = func.coalesce(func.sum(events_by_day.c.events), 0)
    statement = (
        select(*KEY)
        .join_from(sparse_days, events_by_day, ITS_TOTALS, isouter=True)
        .group_by(*KEY, sparse_days.c.events)
        .having(counted != sparse_days.c.events)
        .order_by(*KEY)
        .prefix_with(LABEL)
    )
    return [(site_id, day) for site_id, day in connection.execute(statement)]


def fetch_before(connection: Connection, site_id: str, before: int) -> list[Day]:
    """The site's sparse days that begin before a moment, in order."""
    of = sparse_days.c
    statement = select(*KEY).where(of.site_id == site_id, of.bucket < before).order_by(*KEY)
    return [(site, day) for site, day in connection.execute(statement.prefix_with(LABEL))]


def fetch_firsts(connection: Connection) -> list[Day]:
    """The first sparse day of each site that has any, in order."""
    of = sparse_days.c
    statement = select(of.site_id, func.min(of.bucket)).group_by(of.site_id).order_by(of.site_id)
    return [(site, day) for site, day in connection.execute(statement.prefix_with(LABEL))]
