"""What ingestion knows of sites, kept true: what is set for them, how many strangers there are."""

from sqlalchemy import Connection, Engine, select

from shared.clock import HOUR_MS
from shared.db.database import translated_errors
from shared.db.tables import pending_counts, site_settings, sites
from shared.sites.published import PublishedSites
from shared.sites.publishing import publish_sites
from shared.sites.stored import fetch_stamp
from shared.sites.strangers import Strangers

LABEL = "/* worker.site_book */"
RECOUNT_MS = HOUR_MS


def keep_site_book(
    engine: Engine, published: PublishedSites, strangers: Strangers, now: int
) -> None:
    """Publish what has changed; count the strangers where Redis has lost them, where other sites
    are registered, and now and then. Raises Unavailable and redis.RedisError."""
    publish_sites(published, engine)
    counted = strangers.counted()
    with translated_errors(), engine.begin() as connection:
        stamp = fetch_stamp(connection)
        if counted and counted.stamp == stamp and counted.at <= now < counted.at + RECOUNT_MS:
            return
        with_events, registered = fetch_site_ids(connection)
        # One may have been registered, or not be any more, between the two.
        stamp = stamp if fetch_stamp(connection) == stamp else ""
    strangers.leave(strangers.old_ones(now))
    strangers.leave(registered)
    strangers.enter(with_events - registered, now, stamp)


def fetch_site_ids(connection: Connection) -> tuple[set[str], set[str]]:
    """Those that have events, merged or not, and those that are registered."""
    found = [
        set(connection.scalars(select(column).distinct().prefix_with(LABEL)))
        for column in (sites.c.site_id, pending_counts.c.site_id, site_settings.c.site_id)
    ]
    return found[0] | found[1], found[2]
