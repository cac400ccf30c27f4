"""The ledger for the operator: whether it adds up, what it can mean where it does not, and entering
what is known to be the reason, so that it adds up again."""

import time
from collections.abc import Iterator

import redis
from sqlalchemy import Engine

from footfall.preflight import check_database
from reporting.answers.ledger import Settled, fetch_settled, unaccounted
from shared.db.database import translated_errors, writing_engine
from shared.db.dialects import insert_adding
from shared.db.tables import outcomes
from shared.errors import InvalidInput, Unavailable
from shared.outcomes import Outcome
from shared.queue.event_queue import Backlog, EventQueue
from shared.settings import Settings

MOST_REASON = 64
# Between two looks that must agree.
PAUSE_SECONDS = 1.0

MISSING = (
    "{number} events were accepted and are nowhere. A restored backup of the database lacks what "
    "was stored after it was made; a Redis that lost its data, or failed over to a replica that "
    "was behind, forgot what waited there. Events that clients still have can be posted again "
    "under their event_id."
)
ONE_MORE = (
    "{number} more events have an outcome than were accepted. A restored backup of Redis, or a "
    "failover to a replica that was behind, forgot that it had accepted them, or brought a batch "
    "back that was stored: what came again under the same event_id is counted as a duplicate, and "
    "in no answer twice."
)
THEN = "If you know the reason, enter it: footfall ledger correct --reason TEXT"


def tell(settings: Settings) -> Iterator[str]:
    """The ledger, line by line. Raises BadSetting and Unavailable."""
    before, backlog, after = look(settings)
    spooled = sum(spool.events for spool in backlog.spools)
    yield f"accepted {backlog.accepted + spooled}"
    yield f"= stored {after.stored} + duplicates {after.duplicates}"
    for word, numbers in (("dropped", after.dropped), ("corrected", after.corrected)):
        yield from (f"+ {word} as {reason!r} {number}" for reason, number in numbers.items())
    yield f"+ dead {after.dead} + erased {after.erased}"
    yield f"+ queued {backlog.queued} + processing {backlog.processing} + spooled {spooled}"
    number = unaccounted(before, backlog, after)
    if number == 0:
        yield "It adds up."
        return
    yield (MISSING if number > 0 else ONE_MORE).format(number=abs(number))
    yield THEN


def correct(settings: Settings, reason: str) -> str:
    """Enter what is missing, or too much, under a reason; returns what was done.

    Raises BadSetting, InvalidInput where there is nothing to enter or something moves, Unavailable.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MOST_REASON:
        raise InvalidInput(
            "bad_reason", f"--reason must be 1 to {MOST_REASON} characters", field="--reason"
        )
    first = look(settings)
    time.sleep(PAUSE_SECONDS)
    last = look(settings)
    if last[1].processing or first[0].total != last[2].total:
        raise InvalidInput("ledger_moves", "workers store events: stop them, and try again")
    number = unaccounted(*last)
    if number == 0:
        raise InvalidInput("ledger_adds_up", "the ledger adds up: there is nothing to enter")
    engine = writing_engine(settings)
    try:
        enter(engine, reason, number)
    finally:
        engine.dispose()
    return f"{number} events entered as {reason!r}; the ledger adds up"


def enter(engine: Engine, reason: str, number: int) -> None:
    row = {"outcome": Outcome.CORRECTED, "reason": reason, "shard": 0, "events": number}
    with translated_errors(), engine.begin() as connection:
        connection.execute(insert_adding(connection, outcomes, outcomes.c.events), row)


def look(settings: Settings) -> tuple[Settled, Backlog, Settled]:
    """What was settled, what is in Redis, and what was settled after that."""
    check_database(settings, migrated=True)
    engine, queue = writing_engine(settings), EventQueue(settings)
    try:
        before = fetch_settled(engine)
        backlog = queue.snapshot()
        return before, backlog, fetch_settled(engine)
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error
    finally:
        queue.close()
        engine.dispose()
