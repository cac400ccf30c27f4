"""Compaction: what batches of earlier versions left in `recent_users` moves into bitmaps, by value
and hour, day, week.

A union with the same users again changes nothing, so a day is never closed: events that come late
land in `recent_users` too, and join their day when they are compacted. Readers add the two.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Engine, Row, and_, select

from shared.counts.user_sets import decode_sets
from shared.db.database import translated_errors
from shared.db.driver_rows import delete_by_keys
from shared.db.tables import recent_users
from worker.counting.members import Sets, raise_users
from worker.stored.site_locks import lock_rows, take_locks
from worker.upkeep.own_fault import Faults, own_fault, to_be_narrowed

# Of `recent_users`, in one transaction: SQLite's writers wait for it.
CHUNK_ROWS = 100
LABEL = "/* worker.compact */"

WORK = "compaction"

T = TypeVar("T")


def compact(engine: Engine, faults: Faults | None = None) -> int:
    """Compact all there is; returns how many rows of `recent_users` that were. Raises Unavailable.

    Where that fails for what one site has, each site is compacted by itself, and each hour of those
    for which it fails again; `faults` are told of what is left.
    """
    faults = faults or Faults(WORK)
    with own_fault(engine, to_be_narrowed):
        compacted = compact_rows(engine)
        faults.end()
        return compacted
    return compact_by_site(engine, faults)


def compact_by_site(engine: Engine, faults: Faults) -> int:
    compacted = 0
    for site_id in fetch_each(engine, recent_users.c.site_id):
        of_site = recent_users.c.site_id == site_id
        with own_fault(engine, to_be_narrowed):
            compacted += compact_rows(engine, of_site)
            continue
        compacted += compact_by_hour(engine, of_site, partial(faults.note, site_id))
    faults.end()
    return compacted


def compact_by_hour(
    engine: Engine, of_site: ColumnElement[bool], note: Callable[[Exception], None]
) -> int:
    compacted = 0
    for bucket in fetch_each(engine, recent_users.c.bucket, of_site):
        with own_fault(engine, note):
            compacted += compact_rows(engine, and_(of_site, recent_users.c.bucket == bucket))
    return compacted


def fetch_each(
    engine: Engine, column: Column[T], which: ColumnElement[bool] | None = None
) -> Sequence[T]:
    """What a column has in these rows of `recent_users`, or in all, in order."""
    each = select(column).distinct().order_by(column).prefix_with(LABEL)
    with translated_errors(), engine.begin() as connection:
        return connection.scalars(each if which is None else each.where(which)).all()


def compact_rows(engine: Engine, which: ColumnElement[bool] | None = None) -> int:
    """Compact these rows, or all.

    Killed at any line, it loses nobody: rows leave in the transaction in which their users arrive.
    Their sites are locked until then, as by everybody who writes rollups, of this version or not.
    """
    compacted = 0
    while True:
        with translated_errors(), engine.begin() as connection:
            rows = fetch_oldest(connection, lock_sites(connection, which), which)
            if rows:
                raise_users(connection, sets_in(rows))
                forget(connection, rows)
        compacted += len(rows)
        if len(rows) < CHUNK_ROWS:
            return compacted


def lock_sites(connection: Connection, which: ColumnElement[bool] | None = None) -> list[str]:
    """Lock the sites that have the oldest of these rows, or of all; returns them in order."""
    key = tuple(recent_users.primary_key)
    oldest = select(*key).order_by(*key).limit(CHUNK_ROWS).prefix_with(LABEL)
    if which is not None:
        oldest = oldest.where(which)
    site_ids = sorted({row.site_id for row in connection.execute(oldest)})
    take_locks(connection, site_ids)
    lock_rows(connection, site_ids)
    return site_ids


def fetch_oldest(
    connection: Connection, site_ids: list[str], which: ColumnElement[bool] | None = None
) -> Sequence[Row[*tuple[Any, ...]]]:
    oldest = (
        select(recent_users)
        .prefix_with(LABEL)
        .where(recent_users.c.site_id.in_(site_ids))
        .order_by(*recent_users.primary_key)
        .limit(CHUNK_ROWS)
    )
    return connection.execute(oldest if which is None else oldest.where(which)).all()


def sets_in(rows: Iterable[Row[*tuple[Any, ...]]]) -> Sets:
    sets: Sets = defaultdict(dict)
    for row in rows:
        of_hour = sets[row.site_id, row.bucket]
        for of_value, users in decode_sets(row.sets).items():
            of_hour[of_value] = of_hour[of_value] | users if of_value in of_hour else users
    return sets


def forget(connection: Connection, rows: Iterable[Row[*tuple[Any, ...]]]) -> None:
    keys = [(row.site_id, row.bucket, row.batch_id) for row in rows]
    delete_by_keys(connection, recent_users, tuple(recent_users.primary_key), keys, LABEL)
