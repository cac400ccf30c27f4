"""The locks of sites: whoever merges, rebuilds or deletes what is counted of a site holds its own.

Batches hold none: they only append. Numbers of users are taken under another lock, that on the
site's row in `sites`, lest batches wait for all of this; who needs both takes it second.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from shared.db.dialects import insert_ignoring_known
from shared.db.tables import site_locks, sites

LABEL = "/* worker.site_locks */"
# Of one statement. From a thousand on, MariaDB no longer seeks each.
CHUNK_SITES = 500


def take_locks(connection: Connection, site_ids: Iterable[str]) -> None:
    """Lock these sites until the transaction ends, in order."""
    ordered = sorted(site_ids)
    for first in range(0, len(ordered), CHUNK_SITES):
        some = ordered[first : first + CHUNK_SITES]
        locked = (
            select(site_locks.c.site_id)
            .prefix_with(LABEL)
            .where(site_locks.c.site_id.in_(some))
            .order_by(site_locks.c.site_id)
            .with_for_update()
        )
        there = set(connection.scalars(locked))
        new = [{"site_id": site_id} for site_id in some if site_id not in there]
        if new:
            statement = insert_ignoring_known(connection, site_locks).prefix_with(LABEL)
            connection.execute(statement, new)
            connection.scalars(locked).all()


def lock_rows(connection: Connection, site_ids: Iterable[str]) -> None:
    """Lock the rows in `sites`, of sites that have one, in order."""
    ordered = sorted(site_ids)
    for first in range(0, len(ordered), CHUNK_SITES):
        some = sites.c.site_id.in_(ordered[first : first + CHUNK_SITES])
        locked = select(sites.c.site_id).prefix_with(LABEL).where(some)
        connection.execute(locked.order_by(sites.c.site_id).with_for_update()).all()
