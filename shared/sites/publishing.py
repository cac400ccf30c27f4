"""Letting the door know what is set for sites, and which keys there are.

Whoever changes a site or a key publishes, and the periodic process does again and again, so that a
Redis that lost its data has it back within seconds. Two that publish at once read the database in
an order that nobody knows: what was read before somebody else published is not taken, and read
again.
"""

from hashlib import blake2s

import redis
from sqlalchemy import Connection, Engine

from shared.db.database import translated_errors
from shared.errors import Unavailable
from shared.keys.stored import fetch_good_keys, fetch_keys_stamp
from shared.queue.event_queue import EventQueue
from shared.queue.faults import explained
from shared.sites.published import PublishedSites
from shared.sites.settings import NAMES
from shared.sites.stored import fetch_sites, fetch_stamp
from shared.sites.strangers import Strangers

ATTEMPTS = 10
# Of what is published of a site: a version that knows more of them publishes anew.
FORMAT = blake2s(" ".join(NAMES).encode(), digest_size=4).hexdigest()
LATER = "{}: the periodic process tells ingestion later"


def publish_sites(published: PublishedSites, engine: Engine) -> bool:
    """Let Redis have what the database has; whether it had something else. Raises Unavailable and
    redis.RedisError."""
    for _ in range(ATTEMPTS):
        version, known = published.fetch_state()
        with translated_errors(), engine.begin() as connection:
            stamp = fetch_stamp_of_all(connection)
            if known == stamp:
                return False
            sites = {site.site_id: site.settings for site in fetch_sites(connection)}
            keys = fetch_good_keys(connection)
            # Somebody may have changed one between the two.
            stamp = stamp if fetch_stamp_of_all(connection) == stamp else ""
        if published.replace(version, stamp, sites, keys):
            return True
    raise redis.RedisError("others publish the settings of sites again and again")


def fetch_stamp_of_all(connection: Connection) -> str:
    return f"{FORMAT} {fetch_stamp(connection)} {fetch_keys_stamp(connection)}"


def tell_ingestion(
    queue: EventQueue, engine: Engine, most_sites: int, *, is_left: bool = False
) -> str | None:
    """Publish what was changed just now; where a site `is_left`, it goes on as one that nobody has
    registered. Returns why that takes until the periodic process does it, or None."""
    try:
        if is_left:
            Strangers(queue, most_sites).count_again()
        publish_sites(PublishedSites(queue), engine)
    except redis.RedisError as error:
        return LATER.format(f"Redis is away ({explained(error)})")
    except Unavailable as error:
        return LATER.format(error)
    return None
