"""How far a replica is behind: what it lacks of the ledger of batches.

That needs no privilege on either server, and holds for whatever makes the copy. It is how old an
answer may be: while nothing new is stored, a replica that stands still is as good as any.
"""

from sqlalchemy import Select, func, select

from reporting.route import Sources
from shared.db.database import translated_errors
from shared.db.tables import batch_ledger

# A batch's moment is when its transaction began, by its worker's clock. So a batch may be committed
# behind one with a later moment: by as much as a transaction takes, and clocks differ.
DISORDER_MS = 60_000
LABEL = "/* reporting.replica */"


def fetch_lag(sources: Sources, now: int) -> float | None:
    """How many seconds ago the oldest batch was stored that the replica lacks, 0 where it lacks
    none; None where there is no replica. `now` is in ms. Raises Unavailable."""
    if sources.replica is None:
        return None
    # The replica first: what arrives there between the two looks must not look older than it is.
    with translated_errors(), sources.replica.begin() as connection:
        since = (connection.scalar(select_newest()) or 0) - DISORDER_MS
        held = {batch_id for batch_id, _ in connection.execute(select_batches(since))}
    with translated_errors(), sources.ledger.begin() as connection:
        # Among one more than the replica has is one that it lacks.
        for batch_id, stored_at in connection.execute(select_batches(since).limit(len(held) + 1)):
            if batch_id not in held:
                return max(0, now - int(stored_at)) / 1000
    return 0.0


def select_newest() -> Select[int]:
    return select(func.max(batch_ledger.c.committed_at)).prefix_with(LABEL)


def select_batches(since: int) -> Select[str, int]:
    """The batches from a moment on, in ms, and when each was stored; the oldest first."""
    return (
        select(batch_ledger.c.batch_id, batch_ledger.c.committed_at)
        .where(batch_ledger.c.committed_at >= since)
        .order_by(batch_ledger.c.committed_at)
        .prefix_with(LABEL)
    )
