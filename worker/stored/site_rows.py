"""The rows of `sites` and `users`, put right from `events`.

The row of a site is the lock under which its events are counted; see worker/counting/rollups.py.
"""

from typing import Any

from pyroaring import BitMap
from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, update

from shared.db.dialects import insert_widening
from shared.db.tables import (
    events,
    events_by_minute,
    segment_columns,
    segments,
    sites,
    users,
    views_by_second,
)
from worker.stored.extent import bounds, fetch_pruned_before
from worker.stored.key_order import pages
from worker.stored.segment_rows import void_segments

# What a row says that knows of no event; the first one widens it.
FIRST_OF_NONE, LAST_OF_NONE = 2**63 - 1, -1
MAX_NUMBER = 2**32 - 1  # that a bitmap can hold
CHUNK_ROWS = 1000


def lock_site(connection: Connection, site_id: str) -> None:
    """Lock the site's row until the transaction ends, and make it where there is none."""
    widen_site(connection, site_id, FIRST_OF_NONE, LAST_OF_NONE)
    if connection.scalar(select(sites.c.site_id).where(is_of_none(site_id))) is not None:
        taken = select(func.max(users.c.number)).where(users.c.site_id == site_id)
        highest = connection.scalar(taken)
        free = 0 if highest is None else highest + 1
        connection.execute(update(sites).where(is_of_none(site_id)).values(users=free))


def widen_site(connection: Connection, site_id: str, first: int, last: int) -> None:
    """Let the site's row span these moments too."""
    statement = insert_widening(connection, sites, sites.c.first_event, sites.c.last_event)
    connection.execute(
        statement.prefix_with("/* worker.site_rows */"),
        {"site_id": site_id, "users": 0, "first_event": first, "last_event": last},
    )


def drop_site_of_none(connection: Connection, site_id: str) -> None:
    """Take back a row that was made for its lock, and still knows of no event."""
    connection.execute(delete(sites).where(is_of_none(site_id)))


def is_of_none(site_id: str) -> ColumnElement[bool]:
    return (sites.c.site_id == site_id) & (sites.c.first_event > sites.c.last_event)


def is_behind(connection: Connection, site_id: str) -> bool:
    """Whether a site has events that no rollup knows: from before there were rollups."""
    first = bounds(connection, events.c.timestamp, site_id)[:1]
    known = connection.scalar(select(sites.c.first_event).where(sites.c.site_id == site_id))
    return bool(first) and (known is None or first[0] < known)


def mend_numbers(engine: Engine, site_id: str) -> None:
    """Take their number from users who share one, or whose number no bitmap can hold.

    They get new ones when their days are rebuilt.
    """
    taken, wrong = BitMap(), []
    with engine.begin() as connection:
        lock_site(connection, site_id)
        statement = select(users.c.user_id, users.c.number).where(users.c.site_id == site_id)
        for page in pages(connection, statement, (users.c.user_id,)):
            for user_id, number in page:
                if 0 <= number <= MAX_NUMBER and number not in taken:
                    taken.add(number)
                else:
                    wrong.append(user_id)
        if wrong:
            forget_bursts(connection, site_id)
            void_segments(connection, site_id)
        for first in range(0, len(wrong), CHUNK_ROWS):
            some = users.c.user_id.in_(wrong[first : first + CHUNK_ROWS])
            connection.execute(delete(users).where(users.c.site_id == site_id, some))
        free = taken.max() + 1 if taken else 0
        raised = update(sites).where(sites.c.site_id == site_id, sites.c.users < free)
        connection.execute(raised.values(users=free))
        drop_site_of_none(connection, site_id)


def forget_bursts(connection: Connection, site_id: str) -> None:
    """Forget who viewed what a moment ago: that is kept by users' numbers."""
    connection.execute(delete(views_by_second).where(views_by_second.c.site_id == site_id))


def settle_site(engine: Engine, site_id: str) -> None:
    """Set the site's first and last event; a site of which nothing is left goes."""
    with engine.begin() as connection:
        lock_site(connection, site_id)
        moments = bounds(connection, events.c.timestamp, site_id)
        moments += bounds_of_pruned(connection, site_id)
        if moments:
            row = update(sites).where(sites.c.site_id == site_id)
            connection.execute(row.values(first_event=min(moments), last_event=max(moments)))
        else:
            for table in (sites, users, views_by_second, segments, segment_columns):
                connection.execute(delete(table).where(table.c.site_id == site_id))


def bounds_of_pruned(connection: Connection, site_id: str) -> list[int]:
    """What is known of events that may be gone: from the site's row or else, to the minute, from
    rollups."""
    pruned_before = fetch_pruned_before(connection)
    if pruned_before is None:
        return []
    statement = select(sites.c.first_event, sites.c.last_event).where(sites.c.site_id == site_id)
    row: Any = connection.execute(statement).one()
    known = (
        bounds(connection, events_by_minute.c.bucket, site_id)
        if row.first_event > row.last_event
        else row
    )
    return [moment for moment in known if moment < pruned_before]
