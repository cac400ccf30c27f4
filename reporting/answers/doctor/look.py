"""Looking: all that a doctor goes by, asked at one moment. What does not answer is no fault of the
question: it is seen.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import redis
from rq import worker_registration
from sqlalchemy import Engine

from reporting.answers.doctor.seen import DatabaseSeen, RedisSeen, Seen
from reporting.answers.ledger import fetch_settled
from reporting.answers.unmerged import fetch_unmerged
from reporting.route import Sources
from shared.clock import DAY_MS
from shared.db.database import at_once, translated_errors
from shared.db.dialects import dialect_of
from shared.db.schema import find_lack
from shared.errors import Unavailable
from shared.keys.stored import StoredKey, fetch_keys
from shared.private import told_to_others
from shared.queue.durability import check_durability
from shared.queue.event_queue import EventQueue, periodic_queue_name, rq_queue
from shared.queue.faults import explained
from shared.queue.spooled import silent_events
from shared.queue.watching import Watched, Watching
from shared.settings import Settings

T = TypeVar("T")
Clock = Callable[[], int]


def look(sources: Sources, now: int) -> Seen:
    """Also asks ingestion to note what it is sent for a minute from now on; `now` is in ms."""
    clock = running_from(now)
    settings = sources.settings
    watched, seen = look_at_redis(sources.queue, settings, clock)
    return Seen(
        now=now,
        settings=settings,
        redis=seen,
        database=look_at_database(sources.ledger, now, clock),
        noted=watched.noted,
        doors=watched.reports,
        asked_ms=watched.asked_ms,
        data_dir_problem=told_to_others(settings),
    )


def running_from(now: int) -> Clock:
    """A clock that shows `now` (ms) at this moment."""
    started = time.monotonic()
    return lambda: now + round(1000 * (time.monotonic() - started))


def look_at_redis(queue: EventQueue, settings: Settings, clock: Clock) -> tuple[Watched, RedisSeen]:
    nothing = Watched(0, [], [])
    watching = Watching(queue)
    now = clock()
    try:
        ahead = ahead_of(watching.time, clock)
        seen = RedisSeen(
            unsafe=check_durability(queue.redis),
            ahead_ms=ahead,
            workers=queue.count_workers(),
            periodic=count_periodic(queue, settings),
            silent_spooled=silent_events(queue.snapshot().spools, now),
            refused_today=queue.fetch_refusals([now - now % DAY_MS]).get(now - now % DAY_MS, {}),
        )
    except redis.RedisError as error:
        return nothing, RedisSeen(problem=f"{queue.address}: {explained(error)}")
    try:
        return watching.look(now), seen
    except redis.RedisError as error:
        return nothing, replace(seen, unwatched=explained(error))


def count_periodic(queue: EventQueue, settings: Settings) -> int:
    """How many periodic processes RQ knows of: one that was killed for a minute and a half."""
    of_periodic = rq_queue(periodic_queue_name(settings), queue.redis)
    keys = worker_registration.get_keys(queue=of_periodic, connection=queue.redis)
    return int(queue.redis.exists(*keys)) if keys else 0


def ahead_of(there: Callable[[], int], clock: Clock) -> int:
    """How far our clock is ahead of another, in ms."""
    before, at, after = clock(), there(), clock()
    return (before + after) // 2 - at


def look_at_database(engine: Engine, now: int, clock: Clock) -> DatabaseSeen:
    try:
        with at_once():
            if lack := find_lack(engine):
                return DatabaseSeen(lack=lack)
            return DatabaseSeen(
                ahead_ms=fetch_ahead(engine, clock),
                dead=fetch_settled(engine).dead,
                not_merged=fetch_unmerged(engine, now).warnings,
                keys=fetch_holding(engine),
            )
    except Unavailable as error:
        return DatabaseSeen(problem=str(error))


def fetch_ahead(engine: Engine, clock: Clock) -> int | None:
    """How far our clock is ahead of the database's; None where it has ours."""
    dialect = dialect_of(engine)
    with translated_errors(), engine.begin() as connection:
        before, at, after = clock(), dialect.fetch_now(connection), clock()
    return None if at is None else (before + after) // 2 - at


def fetch_holding(engine: Engine) -> list[StoredKey]:
    with translated_errors(), engine.begin() as connection:
        return [key for key in fetch_keys(connection) if key.revoked_at is None]
