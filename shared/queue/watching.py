"""Somebody looks at requests as they come: a mark in Redis says so, and ends by itself.

Ingestion notes requests only while the mark is there, and what it notes is gone some minutes later.
In what is noted there is no key, no user, no whole address and no query.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from shared.clock import SECOND_MS
from shared.queue.event_queue import EventQueue

# How long whoever looks is believed to be there, after each look.
ASKED_MS = 60 * SECOND_MS
KEPT_MS = 300 * SECOND_MS
MOST_KEPT = 100
# Each process reports so often, and is away after as long as some of these.
REPORT_SECONDS = 5.0
SILENT_MS = 20 * SECOND_MS

T = TypeVar("T")


class Noted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A request that ingestion was sent, and what became of it.

    Times are in ms, addresses cut to an IPv4 /24 or an IPv6 /48. `status` and `code` are those of
    /metrics and of the error, `events` how many were kept.
    """

    door: str
    at: int
    method: str
    path: str
    status: int
    code: str | None = None
    events: int = 0
    site_id: str | None = None
    # Where the sender's address was read, PEER or a header's name; None where it could not be.
    address_from: str | None = None
    address: str | None = None
    address_class: str | None = None
    # Equal for equal addresses of one process, and of no use for finding out which.
    sender: str | None = None
    # The connection's.
    peer: str | None = None
    peer_class: str | None = None
    # The headers in which proxies pass an address that were there, believed or not.
    forwarded: tuple[str, ...] = ()
    forwarded_proto: str | None = None
    country: str | None = None
    host: str | None = None
    origin_scheme: str | None = None
    origin_host: str | None = None
    # A browser tells pages of this Origin nothing, because CORS_ORIGINS lists others.
    is_origin_refused: bool = False
    # How far ahead of its arrival the first event says that it happened.
    ahead_ms: int | None = None


class DoorReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How an ingestion process is set up, and what it finds wrong itself; `name` is of its machine
    and process."""

    name: str
    host: str = "127.0.0.1"
    # By the clock of Redis, and how far ahead of that the process's own is, in ms.
    told_at: int = 0
    ahead_ms: int = 0
    has_key: bool = False
    asks_for_key: bool = False
    trusted_proxies: tuple[str, ...] = ()
    registered_only: bool = False
    # A sentence where the file of COUNTRY_DATABASE cannot be used; when the one in use was built,
    # in ms.
    country_problem: str | None = None
    country_built_at: int | None = None
    # The same of DATA_DIR, where others than its owner may read it.
    data_dir_problem: str | None = None
    warnings: tuple[str, ...] = ()


PEER = "peer"
LOOPBACK, PRIVATE, PUBLIC, PROXY = "loopback", "private", "public", "proxy"

encode = msgspec.json.Encoder().encode
decode_noted = msgspec.json.Decoder(Noted).decode
decode_report = msgspec.json.Decoder(DoorReport).decode


class Watched(NamedTuple):
    """What ingestion has told. `asked_ms` is for how long it was asked by now."""

    asked_ms: int
    noted: Sequence[Noted]
    reports: Sequence[DoorReport]


class Watching:
    """Where Redis has it. What it calls raises redis.RedisError."""

    def __init__(self, queue: EventQueue) -> None:
        self.redis = queue.redis
        self.asked = f"{queue.prefix}:doctor:asked"
        self.noted = f"{queue.prefix}:doctor:noted"
        self.reports = f"{queue.prefix}:doctor:reports"

    def ask(self, now: int) -> int:
        """Look on for another ASKED_MS; returns for how many ms somebody has, by this clock."""
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.set(self.asked, now, nx=True, px=ASKED_MS)
            pipeline.pexpire(self.asked, ASKED_MS)
            pipeline.get(self.asked)
            since = pipeline.execute()[-1]
        return max(0, now - int(since))

    def is_asked(self) -> bool:
        return bool(self.redis.exists(self.asked))

    def tell(self, noted: Iterable[Noted]) -> None:
        lines = [encode(each) for each in noted]
        if not lines:
            return
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(self.noted, *lines)
            pipeline.ltrim(self.noted, -MOST_KEPT, -1)
            pipeline.pexpire(self.noted, KEPT_MS)
            pipeline.execute()

    def report(self, report: DoorReport) -> None:
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(self.reports, report.name, encode(report))
            pipeline.pexpire(self.reports, KEPT_MS)
            pipeline.execute()

    def time(self) -> int:
        """By the clock of Redis, in ms."""
        seconds, microseconds = self.redis.time()
        return int(seconds) * SECOND_MS + int(microseconds) // 1000

    def look(self, now: int) -> Watched:
        """Look on, and see what there is, the oldest request first; what processes that ended have
        left of themselves is taken out."""
        asked_ms = self.ask(now)
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.lrange(self.noted, 0, -1)
            pipeline.hvals(self.reports)
            lines, told = pipeline.execute()
        heard_since = self.time() - SILENT_MS
        found = read(told, decode_report)
        reports = [each for each in found if each.told_at >= heard_since]
        # The others' reports let none of these expire.
        if ended := [each.name for each in found if each.told_at < heard_since]:
            self.redis.hdel(self.reports, *ended)
        noted = sorted(read(lines, decode_noted), key=lambda each: each.at)
        return Watched(asked_ms, noted, sorted(reports, key=lambda each: each.name))


def read(lines: Iterable[bytes], decode: Callable[[bytes], T]) -> list[T]:
    """Those that can be read: another version may have written some."""
    found: list[T] = []
    for line in lines:
        try:
            found.append(decode(line))
        except (msgspec.MsgspecError, ValueError):
            continue
    return found
