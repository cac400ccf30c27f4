"""One site's fault is its own: its work ends there, is logged, and the others get their turn.

What concerns everything, a database that is away or not migrated, goes on to whoever asked. Work
that is done every ten seconds fails every ten seconds: what was said is not repeated for an hour.
"""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.db.database import NOT_MIGRATED, KnownKey, check_connection
from shared.errors import PoisonEvent, TooLong, Unavailable

log = logging.getLogger(__name__)

AGAIN_SECONDS = 3600.0
# Of one fault these differ each time: how long something is, in which row of a statement.
NUMBERS = re.compile(r"\d+")


class Faults:
    """For which sites one kind of work fails, and what was said of that.

    A reason is logged when it comes up, and again after an hour; that it is over, once. `clock` is
    in seconds.
    """

    def __init__(self, work: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.work = work
        self.clock = clock
        # By site and reason, when it was said.
        self.said: dict[tuple[str, str], float] = {}
        self.failing: set[str] = set()

    def note(self, site_id: str, error: Exception) -> None:
        self.failing.add(site_id)
        fault = site_id, NUMBERS.sub("", str(error))
        now = self.clock()
        is_new = now - self.said.get(fault, -AGAIN_SECONDS) >= AGAIN_SECONDS
        if is_new:
            self.said[fault] = now
        level = logging.ERROR if is_new else logging.DEBUG
        log.log(level, "%s of site %s: %s; the rest goes on", self.work, site_id, error)

    def end(self, still: Collection[str] = ()) -> None:
        """All sites were tried. It is over for those that have not failed since this was last
        called, and are not among `still`."""
        over = {site_id for site_id, _ in self.said} - self.failing - set(still)
        for site_id in sorted(over):
            log.warning("%s of site %s: fails no more", self.work, site_id)
        self.said = {fault: at for fault, at in self.said.items() if fault[0] not in over}
        self.failing.clear()


@contextmanager
def own_fault(engine: Engine, note: Callable[[Exception], object]) -> Iterator[None]:
    """What fails in here was done for one site, or a part of it: `note` is told. Raises Unavailable
    where the fault is everybody's.

    A statement that is too large looks like a server that went away, which then answers the next
    question; so do a deadlock, and a site that takes too long.
    """
    try:
        yield
    except Unavailable as error:
        if error.code == NOT_MIGRATED:
            raise
        check_connection(engine)
        note(error)
    except (PoisonEvent, TooLong, KnownKey, DBAPIError, ValueError) as error:
        check_connection(engine)
        note(error)


def to_be_narrowed(error: Exception) -> None:
    """What is told of a fault whose part is yet to be found."""
    log.debug("one of several parts fails: %s", error)
