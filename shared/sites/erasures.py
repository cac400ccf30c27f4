"""Which sites are deleted with all they have, and which were.

As long as a site is being deleted, and afterwards of what arrived before that was done, workers
store nothing: so what still waits in Redis or in a spool does not bring it back.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from shared.db.tables import (
    erasures,
    events,
    pending_counts,
    receipts,
    site_settings,
    sites,
)
from shared.errors import InvalidInput

LABEL = "/* erasures */"
of = erasures.c


class Erasure(NamedTuple):
    """Times are in ms. `events` are those that were counted when it began, None before that; the
    ledger has `moved` of them so far."""

    site_id: str
    asked_at: int
    events: int | None
    moved: int
    done_at: int | None

    def holds(self, received_at: int) -> bool:
        """Whether nothing is kept of what arrived then."""
        return self.done_at is None or received_at < self.done_at


# Named in one statement. From a thousand on, MariaDB no longer seeks each.
CHUNK_SITES = 500


def fetch_erasures(connection: Connection) -> dict[str, Erasure]:
    """All there ever were, by their sites."""
    rows = connection.execute(select(erasures).prefix_with(LABEL))
    return {row.site_id: Erasure(*row) for row in rows}


def fetch_erasures_of(connection: Connection, site_ids: Iterable[str]) -> dict[str, Erasure]:
    """Those of these sites."""
    ordered = sorted(site_ids)
    found: dict[str, Erasure] = {}
    for first in range(0, len(ordered), CHUNK_SITES):
        some = of.site_id.in_(ordered[first : first + CHUNK_SITES])
        rows = connection.execute(select(erasures).prefix_with(LABEL).where(some))
        found |= {row.site_id: Erasure(*row) for row in rows}
    return found


def fetch_erasing(connection: Connection) -> dict[str, Erasure]:
    """Those that are not done."""
    return {
        site_id: erasure
        for site_id, erasure in fetch_erasures(connection).items()
        if erasure.done_at is None
    }


def ask_erasure(connection: Connection, site_id: str, now: int) -> None:
    """Let a site be deleted; nothing, where it is being deleted already. Raises InvalidInput where
    nobody knows of it."""
    known = select(erasures).prefix_with(LABEL).where(of.site_id == site_id).with_for_update()
    row = connection.execute(known).first()
    if row is not None and row.done_at is None:
        return
    refuse_unknown(connection, site_id)
    anew: dict[str, Any] = {"asked_at": now, "events": None, "moved": 0, "done_at": None}
    if row is None:
        connection.execute(insert(erasures).prefix_with(LABEL), {"site_id": site_id, **anew})
    else:
        again = update(erasures).prefix_with(LABEL).where(of.site_id == site_id)
        connection.execute(again.values(**anew))


def refuse_unknown(connection: Connection, site_id: str) -> None:
    for table in (sites, pending_counts, events, receipts, site_settings):
        column = table.c["site_id"]
        statement = select(column).prefix_with(LABEL).where(column == site_id).limit(1)
        if connection.execute(statement).first() is not None:
            return
    sentence = f"nobody knows of {site_id}: it has no events, and is not registered"
    raise InvalidInput("unknown_site", sentence, field="site_id", status=404)
