"""The rows of `sites` and `users`, put right from `events`.

A row of `sites` that spans nothing is no fault: its numbers were taken for users whose events are
not merged yet, or never came. See worker/counting/users.py.
"""

from collections.abc import Sequence
from typing import Any

from pyroaring import BitMap
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    delete,
    func,
    select,
    update,
)

from shared.db.dialects import insert_widening
from shared.db.tables import (
    events,
    events_by_minute,
    pending_counts,
    segment_columns,
    segments,
    sites,
    sparse_days,
    users,
    views_by_second,
)
from worker.stored.extent import bounds, fetch_pruned_before
from worker.stored.key_order import pages
from worker.stored.segment_rows import void_segments
from worker.stored.site_locks import CHUNK_SITES, take_locks

# What a row says that knows of no event; the first one widens it.
FIRST_OF_NONE, LAST_OF_NONE = 2**63 - 1, -1
MAX_NUMBER = 2**32 - 1  # that a bitmap can hold
CHUNK_ROWS = 1000


def lock_site(connection: Connection, site_id: str) -> None:
    """Lock the site until the transaction ends, and its row too, which is made where there is none:
    that is the lock of workers of earlier versions, who raise rollups by themselves."""
    take_locks(connection, [site_id])
    widen_site(connection, site_id, FIRST_OF_NONE, LAST_OF_NONE)
    if connection.scalar(select(sites.c.site_id).where(is_of_none(site_id))) is not None:
        raise_taken(connection, site_id, first_free(connection, site_id))


def first_free(connection: Connection, site_id: str) -> int:
    """The first number that is above those of all the site's users that a bitmap can hold."""
    of_site = (users.c.site_id == site_id, users.c.number <= MAX_NUMBER)
    highest: int | None = connection.scalar(select(func.max(users.c.number)).where(*of_site))
    return 0 if highest is None else highest + 1


def first_free_of(connection: Connection, site_ids: Sequence[str]) -> dict[str, int]:
    """The same of each of these sites that has such a user."""
    found: dict[str, int] = {}
    for first in range(0, len(site_ids), CHUNK_SITES):
        of_sites = (
            users.c.site_id.in_(site_ids[first : first + CHUNK_SITES]),
            users.c.number <= MAX_NUMBER,
        )
        highest = select(users.c.site_id, func.max(users.c.number)).where(*of_sites)
        rows = connection.execute(highest.group_by(users.c.site_id))
        found.update((site_id, number + 1) for site_id, number in rows)
    return found


def widen_site(connection: Connection, site_id: str, first: int, last: int) -> None:
    """Let the site's row span these moments too."""
    statement = insert_widening(connection, sites, sites.c.first_event, sites.c.last_event)
    connection.execute(
        statement.prefix_with("/* worker.site_rows */"),
        {"site_id": site_id, "users": 0, "first_event": first, "last_event": last},
    )


def raise_taken(connection: Connection, site_id: str, free: int) -> None:
    """Let no number below `free` be taken any more."""
    lower = (sites.c.site_id == site_id) & (sites.c.users < free)
    connection.execute(update(sites).where(lower).values(users=free))


def drop_site_of_none(connection: Connection, site_id: str) -> None:
    """Take back a row that was made for its lock. One whose numbers were taken stays: somebody is
    about to use them."""
    connection.execute(delete(sites).where(is_of_none(site_id), sites.c.users == 0))


def is_of_none(site_id: str) -> ColumnElement[bool]:
    return (sites.c.site_id == site_id) & (sites.c.first_event > sites.c.last_event)


def is_behind(connection: Connection, site_id: str) -> bool:
    """Whether a site has events that are neither counted nor waiting to be: from before there were
    rollups."""
    # In this order: what leaves `pending_counts` meanwhile is found in `sites`.
    first = bounds(connection, events.c.timestamp, site_id)[:1]
    pending = select(func.min(pending_counts.c.first_event)).where(
        pending_counts.c.site_id == site_id
    )
    counted = select(sites.c.first_event).where(sites.c.site_id == site_id)
    known = [connection.scalar(statement) for statement in (pending, counted)]
    return bool(first) and all(moment is None or first[0] < moment for moment in known)


def mend_numbers(engine: Engine, site_id: str) -> None:
    """Give another number to users who share one, or whose number no bitmap can hold.

    Their days are rebuilt next. A batch that looked their numbers up before may be stored after
    that: it is counted for the old ones until the day is rebuilt again.
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
        raise_taken(connection, site_id, taken.max() + 1 if taken else 0)
        if wrong:
            forget_bursts(connection, site_id)
            void_segments(connection, site_id)
            number_anew(connection, site_id, wrong)
        drop_site_of_none(connection, site_id)


def number_anew(connection: Connection, site_id: str, user_ids: list[str]) -> None:
    """For one who has the site's row. Never without a number, they have one in every snapshot."""
    row = sites.c.site_id == site_id
    first = connection.scalar(select(sites.c.users).where(row)) or 0
    raise_taken(connection, site_id, first + len(user_ids))
    statement = update(users).where(
        users.c.site_id == site_id, users.c.user_id == bindparam("whose")
    )
    connection.execute(
        statement.values(number=bindparam("its_number")),
        [{"whose": user_id, "its_number": first + n} for n, user_id in enumerate(user_ids)],
    )


def forget_bursts(connection: Connection, site_id: str) -> None:
    """Forget who viewed what a moment ago: that is kept by users' numbers."""
    connection.execute(delete(views_by_second).where(views_by_second.c.site_id == site_id))


def settle_site(engine: Engine, site_id: str) -> None:
    """Set the site's first and last event; a site of which nothing is left goes.

    Of that one it stays known how many numbers were taken, if any: workers hold some of them, and
    must not give them to others than the next users get.
    """
    with engine.begin() as connection:
        lock_site(connection, site_id)
        moments = bounds(connection, events.c.timestamp, site_id)
        moments += bounds_of_pruned(connection, site_id)
        first, last = FIRST_OF_NONE, LAST_OF_NONE
        if moments:
            first, last = min(moments), max(moments)
        else:
            for table in (users, views_by_second, sparse_days, segments, segment_columns):
                connection.execute(delete(table).where(table.c.site_id == site_id))
        row = update(sites).where(sites.c.site_id == site_id)
        connection.execute(row.values(first_event=first, last_event=last))
        drop_site_of_none(connection, site_id)


def bounds_of_pruned(connection: Connection, site_id: str) -> list[int]:
    """What is known of events that may be gone: from the site's row or else, to the minute, from
    rollups."""
    pruned_before = fetch_pruned_before(connection, site_id)
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
