"""Forgetting what nobody needs any more, in chunks too small for anybody to wait for."""

import logging

from sqlalchemy import Column, Engine, Table, delete, select, tuple_

from shared.database import translated_errors
from shared.tables import batch_ledger, dedupe

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
# A batch id is needed while its Redis list may still exist; a week outlasts any restart.
LEDGER_DAYS = 7
CHUNK_ROWS = 1000


def prune(engine: Engine, now: int, dedupe_days: int, held_batches: list[str]) -> int:
    """Delete old idempotency keys and ledger rows; returns how many. `now` is in ms.

    A batch that Redis still holds keeps its ledger row however old: it stops a second count.
    """
    pruned = prune_older(engine, dedupe, dedupe.c.seen_at, now - dedupe_days * DAY_MS, ())
    before = now - LEDGER_DAYS * DAY_MS
    held = tuple(held_batches)
    return pruned + prune_older(engine, batch_ledger, batch_ledger.c.committed_at, before, held)


def prune_older(
    engine: Engine, table: Table, moment: Column[int], before: int, kept: tuple[str, ...]
) -> int:
    key = tuple_(*table.primary_key.columns)
    old = select(*table.primary_key.columns).where(moment < before).limit(CHUNK_ROWS)
    if kept:
        old = old.where(table.c.batch_id.not_in(kept))
    pruned = 0
    while True:
        with translated_errors(), engine.begin() as connection:
            found = [tuple(row) for row in connection.execute(old)]
            if found:
                statement = delete(table).prefix_with("/* worker.prune */").where(key.in_(found))
                connection.execute(statement)
        pruned += len(found)
        if len(found) < CHUNK_ROWS:
            return pruned
