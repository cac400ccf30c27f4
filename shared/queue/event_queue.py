"""The queue between ingestion and the workers; the only module that knows a Redis key.

push (ingestion) → buffer → claim (worker) → batch, under a lease → finish. A claimed batch never
changes: it is retried or finished as a whole, under its id. Every verb is one atomic round trip,
and a lost wake-up is harmless: `neglected` finds what waits.
"""

import logging
import math
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import redis
from rq import Queue as RqQueue
from rq.serializers import JSONSerializer

from shared.clock import DAY_MS
from shared.errors import Unavailable
from shared.event import decode_event
from shared.queue import scripts
from shared.queue.connections import Script, Server, connect
from shared.queue.faults import explained, leads_elsewhere
from shared.queue.limits import Charges, OverLimit
from shared.queue.push import ThreadPush
from shared.queue.push_command import Place, PushCommand, Pushed
from shared.queue.refusals import (
    ADD,
    FORGET,
    KEPT_MS,
    Refused,
    add_refusals,
    fetch_refusals,
    forget_refusals,
)
from shared.queue.spooled import SPOOLED, SPOOLED_ENCODER, Spooled, forget_spools
from shared.queue.verification import VERIFICATION, VERIFICATION_ENCODER, Verification
from shared.settings import Settings, masked

log = logging.getLogger(__name__)

DRAIN_JOB = "worker.jobs.drain"
FORGET_JOB = "worker.jobs.forget"
FORGET_PLACES_JOB = "worker.jobs.forget_places"
COMPACT_JOB = "worker.jobs.compact"
PRUNE_JOB = "worker.jobs.prune_events"
SEGMENTS_JOB = "worker.jobs.build_segments"
LATE_SEGMENTS_JOB = "worker.jobs.build_late_segments"
FILL_GROWN_JOB = "worker.jobs.fill_grown"
FILL_MIXED_JOB = "worker.jobs.fill_mixed"
RECEIPTS_JOB = "worker.jobs.add_receipts"
VERIFY_JOB = "worker.jobs.verify_nightly"
SITE_BOOK_JOB = "worker.jobs.keep_site_book"
ERASE_JOB = "worker.jobs.erase_sites"
JOB_TIMEOUT_SECONDS = 300
FAILED_JOB_TTL_SECONDS = 86_400
# Of a batch: what a worker holds in memory and writes in a transaction is a few times as much, and
# TiDB takes 100 MB of those.
MAX_BATCH_BYTES = 4 << 20
# How long the queue believes that somebody drains, after the last claim.
AWAKE_MS = 2_000
HALT_MS = 30_000
ALIVE_MS = 10_000
SALT_BYTES = 32
SLOW_SECONDS = 0.2


class Batch(NamedTuple):
    """Events claimed together; `payloads` are encoded events in the order of arrival."""

    id: str
    payloads: list[bytes]


class Backlog(NamedTuple):
    """What is in Redis at one moment, and what spools have reported to it.

    `oldest_received_at` is in ms, None where nothing waits.
    """

    accepted: int
    queued: int
    processing: int
    failed_batches: int
    oldest_received_at: int | None
    batch_ids: list[str]
    queued_bytes: int = 0
    spools: Sequence[Spooled] = ()


class EventQueue:
    """Events on their way from the door to the database.

    `push` raises Unavailable where Redis is away or refuses writes for now; what the workers call
    raises redis.RedisError.
    """

    def __init__(
        self, settings: Settings, *, timeout_seconds: float = 10, max_age_seconds: float = math.inf
    ) -> None:
        self.url = settings.redis_address
        self.address = masked(self.url)
        self.timeout_seconds = timeout_seconds
        self.redis = connect(settings, timeout_seconds, max_age_seconds)
        self.server: Server = self.redis.connection_pool.connection_kwargs["server"]
        self.rq = rq_queue(settings.redis_queue_name, self.redis)
        self.prefix = prefix = settings.redis_key
        self.batch_prefix = f"{prefix}:batch:"
        self.buffer = f"{prefix}:buffer"
        self.bytes = f"{prefix}:bytes"
        self.accepted = f"{prefix}:accepted"
        self.awake = f"{prefix}:awake"
        self.batches = f"{prefix}:batches"
        self.failures = f"{prefix}:failures"
        self.halted = f"{prefix}:halted"
        self.workers = f"{prefix}:workers"
        self.spools = f"{prefix}:spools"
        self.refusals_prefix = f"{prefix}:refusals:"
        self.verified = f"{prefix}:verified"
        self.verifying = f"{prefix}:verifying"
        self.salt_prefix = f"{prefix}:salt:"
        # A worker that stops renewing is taken for dead after this; its batch is adopted.
        self.lease_ms = settings.lease_seconds * 1000
        self.largest_batch = settings.largest_batch
        self.batch_size = min(settings.batch_size, self.largest_batch)
        self.max_backlog = settings.max_backlog
        self.max_backlog_bytes = settings.max_backlog_bytes
        self.push_command = PushCommand(
            (self.buffer, self.accepted, self.awake, self.rq.key, self.bytes),
            f"{prefix}:stream:",
            f"{prefix}:limit:",
            self.batch_size,
            (settings.max_backlog, settings.max_backlog_bytes),
        )
        self._push = ThreadPush(self.redis, self.push_command)
        self._claim = Script(self.redis, scripts.CLAIM)
        self._lease = Script(self.redis, scripts.LEASE)
        self._halt = Script(self.redis, scripts.HALT)
        self._leave = Script(self.redis, scripts.LEAVE)
        self._neglected = Script(self.redis, scripts.NEGLECTED)
        self._snapshot = Script(self.redis, scripts.SNAPSHOT)
        self._report = Script(self.redis, scripts.REPORT)
        self._alive = Script(self.redis, scripts.ALIVE)
        self._refuse = Script(self.redis, ADD)
        self._forget = Script(self.redis, FORGET)
        self._salt = Script(self.redis, scripts.SALT)

    def close(self) -> None:
        """Close the connections that are idle or this thread's own; the next verb opens one."""
        self._push.disconnect()
        self.redis.close()

    def push(self, events: list[bytes], charges: Charges = ()) -> int:
        """Append encoded events, all or none; returns how many wait now.

        Raises OverLimit where one of those that are charged may bring no more now, Unavailable at
        the backlog's limits (`backlog_full`) and where Redis may evict them (`queue_not_durable`),
        NotTaken where it is away or did not answer. Once this returns, the events are in Redis.
        Without events nothing changes; what would refuse them refuses that.
        """
        started = time.monotonic()
        taken = self._push(events, charges)
        if refusal := self.refusal(taken.outcomes[0], taken.waiting, charges):
            raise refusal
        # A slow Redis has used up the second within which to answer; the next sweep wakes instead.
        if taken.is_job_wanted and time.monotonic() - started < SLOW_SECONDS:
            self.wake_or_leave_to_sweep()
        return taken.waiting

    def push_again(self, requests: Sequence[Sequence[bytes]], place: Place) -> bool:
        """Append the events of requests of consecutive places, the first of them given, as far as
        they are not there yet; whether all are now. False says that too much waits already.

        Raises NotTaken.
        """
        taken = self._push.again(requests, place)
        if taken.is_job_wanted:
            self.wake_or_leave_to_sweep()
        return all(outcome == Pushed.TAKEN for outcome in taken.outcomes)

    def refusal(self, outcome: Any, waiting: int, charges: Charges) -> Unavailable | None:
        """What to tell a client of a push that Redis has answered; None where it is taken."""
        if outcome == Pushed.TAKEN:
            return None
        if isinstance(outcome, list):
            _, place, wait_ms = outcome
            return OverLimit(charges[place], wait_ms)
        if outcome == Pushed.TOO_MANY_WAIT:
            reason = f"{waiting} events wait already, and MAX_BACKLOG is {self.max_backlog}"
        else:
            bound = self.max_backlog_bytes
            reason = f"{waiting} events wait already, and MAX_BACKLOG_BYTES is {bound}"
        return Unavailable("backlog_full", reason, retry_after_seconds=5)

    def share_salt(
        self, start: int, lasting_ms: int, period: str = "", known: bytes | None = None
    ) -> bytes:
        """The random bytes that all processes have for a day, given by its first ms, or for another
        `period` that begins then; made, to last so long, where nobody has asked before, or taken to
        be what is `known` already. Raises Unavailable."""
        key = f"{self.salt_prefix}{period and f'{period}:'}{start}"

        def fetch() -> bytes:
            args = (known or secrets.token_bytes(SALT_BYTES), lasting_ms)
            return bytes(self._salt(keys=[key], args=args))

        try:
            try:
                return fetch()
            except redis.RedisError as error:
                # The pool's connection may be a day old, and dead or a replica's by now.
                if not isinstance(error, redis.ConnectionError) and not leads_elsewhere(error):
                    raise
                return fetch()
        except redis.RedisError as error:
            message = f"the queue has no salt: {explained(error)}"
            raise Unavailable("queue_unavailable", message) from error

    def wake_or_leave_to_sweep(self) -> None:
        """Enqueue a job; if that fails the event is in Redis all the same, and a sweep finds it."""
        try:
            self.wake()
        except redis.RedisError as error:
            log.warning("no job enqueued, the next sweep will: %s", error)

    def wake(self) -> None:
        """Enqueue one RQ job that says: something waits."""
        self.rq.enqueue(
            DRAIN_JOB,
            job_timeout=JOB_TIMEOUT_SECONDS,
            result_ttl=0,
            failure_ttl=FAILED_JOB_TTL_SECONDS,
            description="drain",
        )

    def claim(self, most: int = 0) -> Batch | None:
        """The oldest unowned batch, or a new one cut from the buffer; None where nothing waits.

        A new one has the worker's share of what waits: BATCH_SIZE events, or up to `most` where
        that is more. Where another batch waits, a job is enqueued for whoever is idle.
        """
        found = self._claim(
            keys=[
                self.buffer,
                self.batches,
                self.awake,
                self.halted,
                self.bytes,
                self.rq.key,
                self.workers,
            ],
            args=[
                self.batch_prefix,
                uuid.uuid4().hex,
                self.batch_size,
                self.lease_ms,
                AWAKE_MS,
                most,
                MAX_BATCH_BYTES,
                ALIVE_MS,
            ],
        )
        if not found:
            return None
        batch_id, payloads, is_job_wanted = found
        if is_job_wanted:
            self.wake_or_leave_to_sweep()
        return Batch(batch_id.decode(), payloads)

    def renew(self, batch_id: str) -> None:
        """Keep the batch for another lease."""
        self._lease(keys=[self.batches], args=[batch_id, self.lease_ms])

    def release(self, batch_id: str) -> None:
        """Give the batch back, so that any worker may adopt it at once."""
        self._lease(keys=[self.batches], args=[batch_id, -1])

    def finish(self, batch_id: str) -> None:
        """Forget the batch: its transaction has committed. Running twice does nothing."""
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(self.batch_prefix + batch_id)
            pipeline.zrem(self.batches, batch_id)
            pipeline.hdel(self.failures, batch_id)
            pipeline.execute()

    def halt(self, batch_id: str) -> None:
        """Give the batch back and let nobody claim anything for HALT_MS."""
        self._halt(keys=[self.batches, self.failures, self.halted], args=[batch_id, HALT_MS])

    def leave(self) -> bool:
        """Say that this worker stops draining; False where something arrived meanwhile."""
        return bool(self._leave(keys=[self.buffer, self.awake]))

    def neglected(self) -> bool:
        """Whether no job is on its way and a whole batch waits, or less while nobody drains."""
        keys = [self.buffer, self.batches, self.awake, self.halted, self.rq.key]
        return bool(self._neglected(keys=keys, args=[self.batch_size]))

    def report(self, worker: str) -> None:
        """Say that this worker is alive; to be repeated well within ALIVE_MS.

        Leases, reports and marks that lie too far ahead, because Redis's clock was set back, are
        brought back on the way.
        """
        self._report(
            keys=[self.workers, self.batches, self.awake, self.halted],
            args=[worker, ALIVE_MS, self.lease_ms, AWAKE_MS, HALT_MS],
        )

    def count_workers(self) -> int:
        """How many workers have reported within ALIVE_MS."""
        return int(self._alive(keys=[self.workers], args=[ALIVE_MS]))

    def snapshot(self) -> Backlog:
        """What is in Redis right now, read in one step."""
        accepted, queued, processing, failed, ids, heads, size, spools = self._snapshot(
            keys=[
                self.buffer,
                self.accepted,
                self.batches,
                self.failures,
                self.bytes,
                self.spools,
            ],
            args=[self.batch_prefix],
        )
        arrivals = [moment for head in heads if (moment := arrival(head)) is not None]
        return Backlog(
            accepted,
            queued,
            processing,
            failed,
            min(arrivals, default=None),
            [batch_id.decode() for batch_id in ids],
            size,
            [SPOOLED.decode(report) for report in spools],
        )

    def report_spool(self, name: str, spooled: Spooled | None) -> None:
        """Say what waits in a spool, to be repeated; None where nothing does any more. Raises
        redis.RedisError."""
        if spooled is None:
            self.redis.hdel(self.spools, name)
        else:
            self.redis.hset(self.spools, name, SPOOLED_ENCODER.encode(spooled))

    def forget_spools(self, now: int) -> dict[str, Spooled]:
        """Those of which nothing was heard for so long that they are given up, by name; `now` is
        in ms. Raises redis.RedisError."""
        return forget_spools(self.redis, self.spools, now)

    def add_refusals(self, day: int, counts: Mapping[Refused, int]) -> None:
        """Add to what was refused on a UTC day, which begins at `day` in ms. Raises
        redis.RedisError."""
        add_refusals(self._refuse, f"{self.refusals_prefix}{day}", counts)

    def fetch_refusals(self, days: Sequence[int]) -> dict[int, Counter[Refused]]:
        """What was refused on UTC days, by when each begins in ms. Raises redis.RedisError."""
        return fetch_refusals(self.redis, self.refusals_prefix, days)

    def forget_refusals(self, site_id: str, now: int) -> None:
        """Of any day: they become those of no site. `now` is in ms. Raises redis.RedisError."""
        today = now - now % DAY_MS
        days = range(today - KEPT_MS - DAY_MS, today + DAY_MS, DAY_MS)
        forget_refusals(self.redis, self._forget, self.refusals_prefix, site_id, days)

    def fetch_verification(self) -> Verification | None:
        """The last comparison that has ended. Raises redis.RedisError."""
        found: bytes | None = self.redis.get(self.verified)  # type: ignore[assignment]
        return None if found is None else VERIFICATION.decode(found)

    def fetch_verifying(self) -> bytes | None:
        """What was kept of one that is on its way. Raises redis.RedisError."""
        return self.redis.get(self.verifying)  # type: ignore[return-value]

    def keep_verifying(self, night: bytes) -> None:
        """Raises redis.RedisError."""
        self.redis.set(self.verifying, night)

    def end_verifying(self, verification: Verification) -> None:
        """Raises redis.RedisError."""
        self.redis.set(self.verified, VERIFICATION_ENCODER.encode(verification))
        self.redis.delete(self.verifying)


def arrival(payload: bytes) -> int | None:
    """When this queued event arrived, in ms; None for a payload that cannot be read."""
    try:
        return decode_event(payload).received_at
    except ValueError:  # not JSON, not an event, or not UTF-8
        return None


def periodic_queue_name(settings: Settings) -> str:
    """The RQ queue of periodic work, which must never wait behind events, nor they behind it."""
    return f"{settings.redis_queue_name}-periodic"


def rq_queue(name: str, client: "redis.Redis") -> RqQueue:
    """An RQ queue whose jobs are JSON: to read a pickle is to run it."""
    return RqQueue(name, connection=client, serializer=JSONSerializer)
