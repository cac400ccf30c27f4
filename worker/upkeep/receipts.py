"""Adding up the receipts of batches, some at a time, in the transaction in which they are deleted.

Killed at any line, it adds nothing twice. Nobody else writes what is added to; where two add at
once, one finds what it has read gone, and leaves it to the other.
"""

import time
from collections import Counter

from sqlalchemy import Engine, select

from shared.counts.receipts import unpack_lines
from shared.db.database import translated_errors
from shared.db.dialects import insert_adding
from shared.db.driver_rows import delete_by_keys
from shared.db.tables import batch_receipts, receipt_totals, receipts
from worker.stopping import StopFlag

# Of one transaction; each has a line or some for every site of its batch, 400 at most.
CHUNK_ROWS = 50
BUDGET_SECONDS = 2.0

LABEL = "/* worker.receipts */"


def add_receipts(engine: Engine, stopping: StopFlag) -> int:
    """Add up what batches have written, for some seconds at most; returns how many rows that
    were. Raises Unavailable."""
    deadline = time.monotonic() + BUDGET_SECONDS
    added = 0
    while time.monotonic() < deadline and not stopping.is_set():
        some = add_some(engine)
        added += some
        if some < CHUNK_ROWS:
            break
    return added


def add_some(engine: Engine) -> int:
    """The transaction; 0 where somebody else was first."""
    key = (batch_receipts.c.batch_id, batch_receipts.c.part)
    waiting = select(*key, batch_receipts.c.data)
    statement = waiting.order_by(*key).limit(CHUNK_ROWS).prefix_with(LABEL)
    with translated_errors(), engine.connect() as connection, connection.begin() as transaction:
        found = [tuple(row) for row in connection.execute(statement)]
        if not found:
            return 0
        keys = [tuple(row_key) for *row_key, _ in found]
        if delete_by_keys(connection, batch_receipts, key, keys, LABEL) < len(found):
            transaction.rollback()
            return 0
        lines: Counter[tuple[str, int, str, str]] = Counter()
        totals: Counter[tuple[str, str]] = Counter()
        for *_, data in found:
            for site_id, day, outcome, reason, events in unpack_lines(data):
                lines[site_id, day, outcome, reason] += events
                totals[outcome, reason] += events
        for table, sums in ((receipts, lines), (receipt_totals, totals)):
            names = table.columns.keys()
            rows = [dict(zip(names, (*at, n), strict=True)) for at, n in sorted(sums.items())]
            if rows:
                adding = insert_adding(connection, table, table.c.events)
                connection.execute(adding.prefix_with(LABEL), rows)
    return len(found)
