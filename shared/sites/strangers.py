"""The sites with events that nobody has registered: how many there may be, counted in Redis.

Whoever can post can make one by naming it, and each costs rows for ever. The periodic process
enters those that have events in the database, however many these are, and takes out those that have
none any more; until it has, after Redis lost its data, all are taken.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from shared.clock import DAY_MS, now_ms
from shared.queue.connections import Script
from shared.queue.event_queue import EventQueue

CHUNK = 1000
# A site whose first event waits for so long has none.
WAITING_MS = DAY_MS


class Counted(NamedTuple):
    """When those with events were entered last, in ms, and of which registered sites it was known
    then that they are none: fetch_stamp of shared/sites/stored.py."""

    at: int
    stamp: str


# KEYS[1] has the strangers by when they came, KEYS[2] is there once the periodic process has
# entered them; ARGV[1] is how many there may be, ARGV[2] now in ms, the rest are sites. Returns
# those that may have no events.
ADMIT = """
local most = tonumber(ARGV[1])
local is_counted = redis.call('EXISTS', KEYS[2]) == 1
local refused = {}
for i = 3, #ARGV do
    if not redis.call('ZSCORE', KEYS[1], ARGV[i]) then
        if is_counted and redis.call('ZCARD', KEYS[1]) >= most then
            refused[#refused + 1] = ARGV[i]
        else
            redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
        end
    end
end
return refused
"""


class Strangers:
    """What it calls raises redis.RedisError."""

    def __init__(self, queue: EventQueue, most: int) -> None:
        self.redis = queue.redis
        self.most = most
        self.key, self.counted_key = (
            f"{queue.prefix}:strangers",
            f"{queue.prefix}:strangers:counted",
        )
        self._admit = Script(self.redis, ADMIT)

    def admit(self, site_ids: Collection[str]) -> list[str]:
        """Let these have events; returns those that may not."""
        keys, now = [self.key, self.counted_key], now_ms()
        return [
            site_id.decode()
            for some in chunks(site_ids)
            for site_id in self._admit(keys=keys, args=[self.most, now, *some])
        ]

    def counted(self) -> Counted | None:
        """None where Redis has none of them."""
        found: bytes | None = self.redis.get(self.counted_key)  # type: ignore[assignment]
        if found is None:
            return None
        at, _, stamp = found.decode().partition(" ")
        return Counted(int(at), stamp)

    def enter(self, site_ids: Iterable[str], now: int, stamp: str = "") -> None:
        """Those that have events in the database, which are taken whatever their number."""
        for some in chunks(site_ids):
            self.redis.zadd(self.key, dict.fromkeys(some, now))
        self.redis.set(self.counted_key, f"{now} {stamp}")

    def count_again(self) -> None:
        """Soon: the periodic process does it, and until then all are taken."""
        self.redis.delete(self.counted_key)

    def old_ones(self, now: int) -> Iterator[str]:
        """Those that came so long ago that the database has their events, if they have any."""
        found = self.redis.zrangebyscore(self.key, "-inf", now - WAITING_MS)
        return (site_id.decode() for site_id in found)  # type: ignore[union-attr]

    def leave(self, site_ids: Iterable[str]) -> None:
        """Those that have no events any more, or were registered."""
        for some in chunks(site_ids):
            self.redis.zrem(self.key, *some)

    def count(self) -> int:
        return int(self.redis.zcard(self.key))


def chunks(site_ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(site_ids)
    while some := list(islice(rest, CHUNK)):
        yield some
