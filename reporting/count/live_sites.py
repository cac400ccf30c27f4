"""Which sites a live or compatibility route reads."""

from collections.abc import Sequence

from sqlalchemy import Connection

from reporting.count.live_statements import SiteIds, select_site_ids
from reporting.count.pending_statements import select_pending_site_ids
from shared.db.dialects import dialect_of


def find_sites(connection: Connection, site_id: str | None, since: int) -> SiteIds:
    """The same as `fetch_site_ids`, as statements take them."""
    return dialect_of(connection).any_of(fetch_site_ids(connection, site_id, since))


def fetch_site_ids(connection: Connection, site_id: str | None, since: int) -> Sequence[str]:
    """The site asked for; without one, all that may have an event at `since` (ms) or later."""
    if site_id is not None:
        return [site_id]
    known = connection.execute(select_site_ids(since)).scalars()
    return sorted({*known, *connection.execute(select_pending_site_ids(since)).scalars()})
