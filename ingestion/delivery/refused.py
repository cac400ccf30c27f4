"""What this process refused, by site and day, until it has told Redis.

Memory is bounded whatever sites clients name: what is too many is counted without its site.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import redis

from ingestion.reading.aliases import Aliases
from shared.clock import DAY_MS
from shared.fields import MAX_NAME
from shared.queue.event_queue import EventQueue
from shared.queue.refusals import NO_SITE, Refused

MOST_ROWS = 500
SITE_ID = "site_id"


class RefusalCount:
    """Counted by the threads that answer, told by the keeper's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counted: Counter[tuple[int, Refused]] = Counter()

    def add(self, now: int, refused: Refused, number: int = 1) -> None:
        """`now` is in ms."""
        with self.lock:
            self.add_one(now - now % DAY_MS, refused, number)

    def add_one(self, day: int, refused: Refused, number: int) -> None:
        if len(self.counted) >= MOST_ROWS and (day, refused) not in self.counted:
            refused = refused._replace(site_id=NO_SITE)
        self.counted[day, refused] += number

    def tell(self, queue: EventQueue) -> None:
        """Add what was counted since to what Redis has. Raises redis.RedisError, and counts it on;
        what Redis took although its answer was lost is then there twice."""
        with self.lock:
            taken, self.counted = self.counted, Counter()
        for day in sorted({day for day, _ in taken}):
            counts = {refused: number for (at, refused), number in taken.items() if at == day}
            try:
                queue.add_refusals(day, counts)
            except redis.RedisError:
                self.put_back(taken)
                raise
            taken -= Counter({(day, refused): number for refused, number in counts.items()})

    def put_back(self, taken: Mapping[tuple[int, Refused], int]) -> None:
        with self.lock:
            for (day, refused), number in taken.items():
                self.add_one(day, refused, number)


def site_named(raw: object, aliases: Aliases, default: str | None) -> str:
    """The site that an event names which is refused for something else; NO_SITE where none."""
    if type(raw) is not dict:
        return NO_SITE
    given: dict[str, Any] = raw
    named = (given.get(name) for name in (SITE_ID, *sorted(aliases.own_names(SITE_ID))))
    site_id = next(filter(None, named), default)
    if not isinstance(site_id, str) or len(site_id) > MAX_NAME or site_id.isspace():
        return NO_SITE
    return site_id
