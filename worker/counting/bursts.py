"""Bursts: more page views of one user in one second than are kept, in however many batches.

A second of a user's has so many places, and each view that is kept takes one: a row of
`view_places`, under a digest of whose and which it is. Of two batches that take the same place one
is first, and the other takes the next: so batches wait for each other only where they have views of
one user in one second. What turned out to be a duplicate or was refused takes none, for places are
taken last; the views for which there is none are deleted again in the same transaction, so nobody
ever sees them.
"""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection

from shared.clock import SECOND_MS
from shared.db.dialects import insert_ignoring_known
from shared.db.driver_rows import delete_by_keys, fetch_by_keys, insert_tuples
from shared.db.tables import PLACE_BYTES, TAKER_BYTES, events, view_places
from shared.event import PAGE_VIEW
from worker.counting.columns import Columns

LABEL = "/* worker.bursts */"
PLACE_AND_TAKER = (view_places.c.place, view_places.c.taker)
# Of places that are taken with one statement.
PORTION_ROWS = 2000
# Of a place, for its second; they begin anew every 136 years.
SECOND_BYTES = 4
SECONDS = 1 << 8 * SECOND_BYTES

# site_id, user_id, the first ms of the second.
Moment = tuple[str, str, int]


def find_excess(
    connection: Connection,
    batch_id: str,
    columns: Columns,
    user_ids: Sequence[str | None],
    limit: int,
    now: int,
) -> list[int]:
    """The indexes of the rows that are too many, the latest of their second. `now` is in ms."""
    excess: list[int] = []
    # Who has no place yet, and how many were taken by others before.
    waiting = {moment: (indexes, 0) for moment, indexes in views_in(columns, user_ids).items()}
    while waiting:
        wanted: dict[bytes, tuple[Moment, int]] = {}
        for moment, (indexes, taken) in waiting.items():
            room = max(0, limit - taken)
            excess += indexes[room:]
            for place, index in enumerate(indexes[:room], taken):
                wanted[digest_of(moment, place)] = moment, index
        ours = take_places(connection, batch_id, sorted(wanted), now)
        lost: dict[Moment, list[int]] = defaultdict(list)
        for digest, (moment, index) in wanted.items():
            if digest not in ours:
                lost[moment].append(index)
        waiting = {
            moment: (indexes, waiting[moment][1] + len(waiting[moment][0]))
            for moment, indexes in lost.items()
        }
    return excess


def views_in(columns: Columns, user_ids: Sequence[str | None]) -> dict[Moment, list[int]]:
    """The indexes of the views that have a user."""
    views: dict[Moment, list[int]] = defaultdict(list)
    rows = zip(columns.site_ids, columns.timestamps, columns.event_types, user_ids, strict=True)
    for index, (site_id, timestamp, event_type, user_id) in enumerate(rows):
        if user_id is not None and event_type == PAGE_VIEW:
            views[site_id, user_id, timestamp - timestamp % SECOND_MS].append(index)
    return views


def digest_of(moment: Moment, place: int) -> bytes:
    """Those of one time lie together: what comes as it happens is put at the end of the table."""
    site_id, user_id, second = moment
    of = f"{second} {place} {len(site_id)} {site_id}{user_id}"
    digest = blake2b(of.encode(), digest_size=PLACE_BYTES - SECOND_BYTES).digest()
    return (second // SECOND_MS % SECONDS).to_bytes(SECOND_BYTES) + digest


def take_places(
    connection: Connection, batch_id: str, places: Sequence[bytes], now: int
) -> set[bytes]:
    """Those of the places that nobody had; they are the batch's from now on. They come sorted: two
    workers must lock rows in the same order.

    Most that somebody had lie together, in a second that two batches share: only the portion that
    they are in is looked up.
    """
    taker = blake2b(batch_id.encode(), digest_size=TAKER_BYTES).digest()
    statement = insert_ignoring_known(connection, view_places).prefix_with(LABEL)
    ours: set[bytes] = set()
    for first in range(0, len(places), PORTION_ROWS):
        some = places[first : first + PORTION_ROWS]
        rows = [(place, taker, now) for place in some]
        if insert_tuples(connection, statement, rows) == len(rows):
            ours.update(some)
        else:
            keys = [(place,) for place in some]
            known = fetch_by_keys(connection, PLACE_AND_TAKER, PLACE_AND_TAKER[:1], keys, LABEL)
            ours.update(place for place, whose in known if whose == taker)
    return ours


def delete_rows(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Take rows back that this transaction has inserted into `events`."""
    key = tuple(events.primary_key)
    delete_by_keys(connection, events, key, [tuple(row[: len(key)]) for row in rows], LABEL)
