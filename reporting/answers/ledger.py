"""The ledger: every accepted event stored, duplicate, dropped, dead or still on its way.

    accepted = stored + duplicates + dropped + dead + erased + corrected
               + queued + processing + spooled

What ingestion keeps in a spool while Redis is away was accepted, too; it counts from when ingestion
could tell Redis of it.

Redis and SQL cannot be read at one moment, so the equation is checked as two inequalities that hold
at any time and become the equation when nothing moves. Reading SQL, then Redis, then SQL again:
what left Redis must be committed by the second look, and what the first look saw committed must
have left Redis or be in a batch about to. A replica has no part in that: what it lacks is not lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import redis
from msgspec import Meta, Struct
from sqlalchemy import Engine

from reporting.answers.members import about, count, seconds_since
from reporting.answers.replica import fetch_lag
from reporting.answers.unmerged import ALL_MERGED, Unmerged, fetch_unmerged
from reporting.answers.verified import Verified, fetch_verification, verified_from
from reporting.count.statements import select_outcomes
from reporting.route import DATABASE_FAULTS, NO_REDIS, Example, Kept, Route, Sources
from shared.db.database import translated_errors
from shared.errors import Unavailable
from shared.outcomes import Outcome
from shared.queue.event_queue import Backlog
from shared.queue.spooled import silent_events


@dataclass(frozen=True)
class Settled:
    """What became of events, by outcome; dropped ones by reason."""

    stored: int
    duplicates: int
    dead: int
    dropped: dict[str, int]
    # What an operator has entered, by the reason given.
    corrected: dict[str, int] = field(default_factory=dict)
    # Whatever had become of them before.
    erased: int = 0

    @property
    def total(self) -> int:
        by_reason = sum(self.dropped.values()) + sum(self.corrected.values())
        return self.stored + self.duplicates + self.dead + self.erased + by_reason


class Pipeline(Struct, kw_only=True):
    """The ledger: what became of every event that was ever accepted."""

    accepted: Annotated[int, count("Events answered with 202.")]
    stored: Annotated[int, count("Events in the database.")]
    duplicates: Annotated[int, count("Events that were there before, by their `event_id`.")]
    dropped: Annotated[
        dict[str, Annotated[int, count("Events.")]],
        about("On purpose: `bot`, of known crawlers; `burst`, of too many page views in a second."),
    ]
    dead: Annotated[int, count("Events the database refused; `footfall dead-letters` lists them.")]
    erased: Annotated[
        int,
        count("Events of sites that were deleted with all they had, whatever had become of them."),
    ]
    corrected: Annotated[
        dict[str, int],
        about(
            "What an operator has entered with `footfall ledger correct`, by the reason given: "
            "events that are gone, or less than 0: that are there once more than were accepted."
        ),
    ]
    queued: Annotated[int, count("Events that wait in Redis.")]
    processing: Annotated[int, count("Events a worker holds.")]
    spooled: Annotated[
        int, count("Events that ingestion keeps on disk until Redis takes them, as it last told.")
    ]
    silent_spooled: Annotated[
        int,
        count(
            "Of these, in spools of which nothing was heard for a day: their ingestion is away, or "
            "its machine. After 30 days they are given up."
        ),
    ]
    oldest_spooled_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        about("How long the oldest of these waits; null where none does."),
    ]
    queued_bytes: Annotated[int, count("Their size in Redis, which `MAX_BACKLOG_BYTES` bounds.")]
    oldest_queued_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        about("How long the oldest event waits; null where none does."),
    ]
    unmerged_events: Annotated[
        int,
        count("Of those stored, events that answers add up one by one: no rollup has them yet."),
    ]
    oldest_unmerged_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        about("How long ago the oldest of these was stored; null where there is none."),
    ]
    workers: Annotated[int, count("Workers that are alive.")]
    failed_batches: Annotated[int, count("Batches given back because of a fault, not yet stored.")]
    replica_lag_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        about(
            "Where answers are read from a replica: how long ago the oldest batch was stored that "
            "it lacks, 0 where it lacks none. Null where they are read from `DATABASE_URL`."
        ),
    ]
    verified: Annotated[
        Verified | None,
        about(
            "What the nightly comparison of counts and events came to; null where none has ended."
        ),
    ]
    balanced: Annotated[
        bool,
        about(
            "Whether accepted = stored + duplicates + dropped + dead + erased + corrected + "
            "queued + processing + spooled."
        ),
    ]
    unaccounted: Annotated[
        int,
        about(
            "0 where that is so. Else events that were accepted and are nowhere, or less than 0: "
            "that have an outcome and were not accepted. `footfall ledger` says what that can be."
        ),
    ]


def fetch_status(sources: Sources, now: int) -> Pipeline:
    """`now` is in ms. Raises Unavailable."""
    queue = sources.queue
    before = fetch_settled(sources.ledger)
    try:
        backlog, workers = queue.snapshot(), queue.count_workers()
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error
    settled, lag = fetch_settled(sources.ledger), fetch_lag(sources, now)
    unmerged = fetch_unmerged(sources.ledger, now)
    verified = verified_from(fetch_verification(queue))
    return status_of(before, backlog, settled, workers, now, lag, unmerged, verified)


def status_of(
    before: Settled,
    backlog: Backlog,
    settled: Settled,
    workers: int,
    now: int,
    lag: float | None = None,
    unmerged: Unmerged = ALL_MERGED,
    verified: Verified | None = None,
) -> Pipeline:
    spooled = sum(spool.events for spool in backlog.spools)
    oldest_spooled = min((spool.oldest_received_at for spool in backlog.spools), default=None)
    return Pipeline(
        accepted=backlog.accepted + spooled,
        stored=settled.stored,
        duplicates=settled.duplicates,
        dropped=settled.dropped,
        dead=settled.dead,
        erased=settled.erased,
        corrected=settled.corrected,
        queued=backlog.queued,
        processing=backlog.processing,
        spooled=spooled,
        silent_spooled=silent_events(backlog.spools, now),
        oldest_spooled_seconds=seconds_since(oldest_spooled, now),
        queued_bytes=backlog.queued_bytes,
        oldest_queued_seconds=seconds_since(backlog.oldest_received_at, now),
        unmerged_events=unmerged.events,
        oldest_unmerged_seconds=unmerged.oldest_seconds,
        workers=workers,
        failed_batches=backlog.failed_batches,
        replica_lag_seconds=lag,
        verified=verified,
        balanced=unaccounted(before, backlog, settled) == 0,
        unaccounted=unaccounted(before, backlog, settled),
    )


def fetch_settled(engine: Engine) -> Settled:
    """The outcome counters. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        rows = connection.execute(select_outcomes()).all()
    counts = {(row.outcome, row.reason): int(row.events) for row in rows}
    return Settled(
        stored=counts.get((Outcome.STORED, ""), 0),
        duplicates=counts.get((Outcome.DUPLICATE, ""), 0),
        dead=counts.get((Outcome.DEAD, ""), 0),
        dropped=by_reason(counts, Outcome.DROPPED),
        corrected=by_reason(counts, Outcome.CORRECTED),
        erased=counts.get((Outcome.ERASED, ""), 0),
    )


def by_reason(counts: Mapping[tuple[str, str], int], of: Outcome) -> dict[str, int]:
    return {reason: number for (outcome, reason), number in sorted(counts.items()) if outcome == of}


def unaccounted(before: Settled, backlog: Backlog, after: Settled) -> int:
    """How many events are missing, at least; less than 0 where some are counted that nobody
    accepted, or twice."""
    left_redis = backlog.accepted - backlog.queued - backlog.processing
    missing = max(0, left_redis - after.total)
    return missing or min(0, left_redis - (before.total - backlog.processing))


SETTLED = Settled(stored=1802, duplicates=6, dead=0, dropped={})
NOTHING = Backlog(1808, 0, 0, failed_batches=0, oldest_received_at=None, batch_ids=[])
QUIET = status_of(SETTLED, NOTHING, SETTLED, workers=1, now=0)
PIPELINE = Route(
    paths=("/pipeline/status", "/persistent/status"),
    summary="The ledger",
    description="What became of every accepted event, or that it is still on its way.",
    answer=fetch_status,
    kept=Kept.UNSAID,
    is_status=True,
    examples=(Example("quiet", "Nothing waits", QUIET),),
    faults=(*DATABASE_FAULTS, NO_REDIS),
)
