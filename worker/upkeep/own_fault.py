"""One site's fault is its own: its work ends there, is logged, and the others get their turn.

What concerns everything, a database that is away or not migrated, goes on to whoever asked.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.db.database import NOT_MIGRATED, KnownKey, check_connection
from shared.errors import PoisonEvent, Unavailable

log = logging.getLogger(__name__)


@contextmanager
def own_fault(engine: Engine, site_id: str, level: int = logging.ERROR) -> Iterator[None]:
    """What fails in here was done for one site. Raises Unavailable where the fault is everybody's.

    A statement that is too large looks like a server that went away, which then answers the next
    question; so do a deadlock, and a site that takes too long.
    """
    try:
        yield
    except Unavailable as error:
        if error.code == NOT_MIGRATED:
            raise
        check_connection(engine)
        log.log(level, "site %s: %s; the other sites go on", site_id, error)
    except (PoisonEvent, KnownKey, DBAPIError, ValueError) as error:
        check_connection(engine)
        log.log(level, "site %s: %s; the other sites go on", site_id, error)
