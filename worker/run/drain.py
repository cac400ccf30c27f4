"""The job's loop: claim a batch, store it, finish it, until nothing waits.

An RQ job carries no events; it only says that some wait. This loop is what it then does. Ending
by an empty buffer, its time budget or a stop, it sees to a successor; ending by an error, it leaves
that to the next sweep.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import redis
from rq.timeouts import BaseTimeoutException
from sqlalchemy import Engine

from shared.clock import now_ms
from shared.errors import BatchHalted, Unavailable
from shared.outcomes import Outcome
from shared.queue.event_queue import HALT_MS, Batch, EventQueue
from worker.batch.commit import KEEP_ALL, AlreadyCommitted, commit_batch
from worker.counting.users import UserNumbers
from worker.enrich.bots import BotRule
from worker.run.pace import Pace
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

# A job ends after this, so that RQ sees its worker alive; a successor goes on.
BUDGET_SECONDS = 20.0
# A trickle is left to gather this long between batches, and a job waits that often for more.
PAUSE_SECONDS = 0.2
LINGER_ROUNDS = 5
FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0


@dataclass
class Runtime:
    """What a worker process has: its queue, its database, whether it was asked to stop, its rule,
    its pace, the numbers of users that it has taken. `relieve` is called before each batch, and
    does what more batches would make too much of.

    `held` is the batch in hand: the sweep renews its lease, however long the database takes.
    """

    queue: EventQueue
    engine: Engine
    stopping: StopFlag
    rule: BotRule = KEEP_ALL
    relieve: Callable[[], None] = lambda: None
    held: str | None = None
    pace: Pace = field(init=False)
    numbers: UserNumbers = field(init=False)

    def __post_init__(self) -> None:
        self.pace = Pace(self.queue.batch_size, self.queue.largest_batch)
        self.numbers = UserNumbers(self.engine)


def drain(runtime: Runtime) -> None:
    """Store what waits. Raises redis.RedisError where Redis goes away."""
    queue = runtime.queue
    deadline = time.monotonic() + BUDGET_SECONDS
    idle_rounds = 0
    while not runtime.stopping.is_set() and time.monotonic() < deadline:
        with suppress(Unavailable):  # for what the database is away, the batch waits
            runtime.relieve()
        batch = queue.claim(runtime.pace.most)
        if batch is not None:
            idle_rounds = 0
            runtime.held = batch.id
            try:
                is_settled = settle(runtime, batch, deadline)
            except BaseTimeoutException as error:
                # RQ's: its clock goes on while this process is stopped, and no job else is so long.
                log.warning("a batch is given back, to be tried again: %s", error)
                queue.release(batch.id)
                is_settled = False
            finally:
                runtime.held = None
            if not is_settled:
                break
            if len(batch.payloads) >= queue.batch_size:
                continue
        elif idle_rounds >= LINGER_ROUNDS and queue.leave():
            return
        else:
            idle_rounds += 1
        runtime.stopping.wait(PAUSE_SECONDS)
    if not queue.leave():
        queue.wake()


def settle(runtime: Runtime, batch: Batch, deadline: float) -> bool:
    """Bring one batch to its end; False where it was given back, because the database is away.

    `deadline` is on the monotonic clock. The batch is the same on every try, and the ledger makes a
    try after a commit whose answer was lost a no-op.
    """
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        try:
            store(runtime, batch)
            return True
        except BatchHalted as error:
            log.error("storing stops for %d s, then is tried again: %s", HALT_MS // 1000, error)
            runtime.queue.halt(batch.id)
            return False
        except Unavailable as error:
            runtime.pace.begin_anew()
            if backoff == FIRST_BACKOFF_SECONDS:
                log.warning("waiting, %d events held: %s", len(batch.payloads), error)
            if time.monotonic() + backoff > deadline or runtime.stopping.wait(backoff):
                runtime.queue.release(batch.id)
                return False
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
            runtime.queue.renew(batch.id)
        except (redis.RedisError, BaseTimeoutException):
            raise  # the lease may run out: the ledger knows what was committed
        except Exception:  # a bug: the next batch would fail like this one; leave the backlog be
            runtime.queue.halt(batch.id)
            raise


def store(runtime: Runtime, batch: Batch) -> None:
    """Commit the batch, then forget it; dying between the two, it is found committed."""
    started = time.monotonic()
    try:
        counts = commit_batch(runtime.engine, batch, now_ms(), runtime.rule, runtime.numbers)
    except AlreadyCommitted:
        log.info("batch %s was stored before", batch.id)
    else:
        seconds = time.monotonic() - started
        runtime.pace.note(len(batch.payloads), seconds)
        log.debug(
            "stored %d of %d events in %.0f ms",
            counts[Outcome.STORED, ""],
            len(batch.payloads),
            1000 * seconds,
        )
        if counts[Outcome.DEAD, ""]:
            log.error("%d events parked as dead letters", counts[Outcome.DEAD, ""])
    runtime.queue.finish(batch.id)
