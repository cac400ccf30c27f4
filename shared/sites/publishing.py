"""Letting the door know what is set for sites.

Whoever changes a site publishes, and the periodic process does again and again, so that a Redis
that lost its data has it back within seconds. Two that publish at once read the database in an
order that nobody knows: what was read before somebody else published is not taken, and read again.
"""

import redis
from sqlalchemy import Engine

from shared.db.database import translated_errors
from shared.sites.published import PublishedSites
from shared.sites.stored import fetch_sites, fetch_stamp

ATTEMPTS = 10


def publish_sites(published: PublishedSites, engine: Engine) -> bool:
    """Let Redis have what the database has; whether it had something else. Raises Unavailable and
    redis.RedisError."""
    for _ in range(ATTEMPTS):
        version, known = published.fetch_state()
        with translated_errors(), engine.begin() as connection:
            stamp = fetch_stamp(connection)
            if known == stamp:
                return False
            sites = {site.site_id: site.settings for site in fetch_sites(connection)}
            # Somebody may have changed one between the two.
            stamp = stamp if fetch_stamp(connection) == stamp else ""
        if published.replace(version, stamp, sites):
            return True
    raise redis.RedisError("others publish the settings of sites again and again")
