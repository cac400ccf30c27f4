"""The comparison that runs by itself, once a night: of the days that are new since the one before.

It takes turns with other periodic work. How far it is stands in Redis, so that whoever has the next
turn goes on there; where that is lost it begins anew, and nothing else depends on it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec
from sqlalchemy import Engine

from shared.clock import DAY_MS, HOUR_MS
from shared.queue.event_queue import EventQueue
from shared.queue.verification import Verification
from worker.stopping import StopFlag
from worker.stored.extent import Part
from worker.verify.verify import Verified, verify

log = logging.getLogger(__name__)

# When a night's begins, in ms since midnight, UTC; where it could not, as soon as it can.
NIGHT_MS = 3 * HOUR_MS
# Days further back are left to `footfall verify`.
MOST_DAYS = 7
# Of one turn, but for the portion that it is at.
BUDGET_SECONDS = 5.0


@dataclass
class Night:
    """One comparison on its way; times are in ms."""

    since: int
    began_at: int
    verified: Verified = field(default_factory=Verified)


ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(Night)


def verify_nightly(
    reader: Engine, queue: EventQueue, clock: Callable[[], int], stopping: StopFlag
) -> bool:
    """Compare for one turn, if it is time; False where there is more to compare. Raises Unavailable
    and redis.RedisError."""
    night = night_of(queue, clock())
    if night is None:
        return True
    deadline = time.monotonic() + BUDGET_SECONDS
    is_done = True

    def is_over(_: Verified) -> bool:
        nonlocal is_done
        is_done = time.monotonic() < deadline and not stopping.is_set()
        return not is_done

    part = Part(start=night.since)
    say = partial(log.warning, "%s")
    night.verified = verify(reader, part, say=say, verified=night.verified, is_over=is_over)
    if not is_done:
        queue.keep_verifying(ENCODER.encode(night))
        return False
    differences = night.verified.differences
    queue.end_verifying(Verification(night.since, night.began_at, clock(), differences))
    log.info(
        "compared %d events with what is counted: %d differ", night.verified.events, differences
    )
    return True


def night_of(queue: EventQueue, now: int) -> Night | None:
    """The one that is on its way, or that begins now; None where neither is."""
    last = queue.fetch_verification()
    due_at = (now - NIGHT_MS) // DAY_MS * DAY_MS + NIGHT_MS
    if last is not None and last.until >= due_at:
        return None
    kept = queue.fetch_verifying()
    if kept is not None and (night := DECODER.decode(kept)).began_at >= due_at:
        return night
    known = now if last is None else last.until
    since = max(min(known, now - DAY_MS), now - MOST_DAYS * DAY_MS)
    return Night(max(0, since - since % DAY_MS), now)
