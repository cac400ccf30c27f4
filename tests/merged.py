"""What upkeep does behind batches, without its process."""

import pytest
from sqlalchemy import Engine, delete, select

from shared.counts.pending import read_pending
from shared.counts.user_sets import encode_sets
from shared.db.driver_rows import insert_tuples
from shared.db.tables import pending_counts, recent_users
from worker.counting.rollups import add_events, add_values, user_sets_from, values_in, widen_sites
from worker.stopping import StopFlag
from worker.stored.site_locks import lock_rows
from worker.upkeep import merging
from worker.upkeep import unmerged as waiting
from worker.upkeep.merging import Merger
from worker.upkeep.unmerged import columns_of


def in_portions(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    """Let merging take few events into a transaction."""
    monkeypatch.setattr(waiting, "SLICE_EVENTS", events)
    monkeypatch.setattr(merging, "events_at_once", lambda _: events)


def merge(engine: Engine) -> int:
    """Merge all that waits; returns how many events that was."""
    return Merger(engine, StopFlag()).merge_all()


def merge_as_before(engine: Engine) -> None:
    """The same as batches of the version before did it in their transaction: users are left to
    compaction, and the locks are the rows in `sites`."""
    with engine.begin() as connection:
        lock_rows(connection, connection.scalars(select(pending_counts.c.site_id).distinct()).all())
        for row in connection.execute(select(pending_counts)).all():
            key = (row.site_id, row.bucket, row.batch_id)
            pending = read_pending(row.bucket, row.events, row.data)
            columns, numbers = columns_of([(key, pending)])
            add_events(connection, [columns])
            add_values(connection, values_in(columns))
            for (site_id, hour), sets in user_sets_from(columns, numbers).items():
                of_hour = [(site_id, hour, row.batch_id, encode_sets(sets))]
                insert_tuples(connection, recent_users.insert(), of_hour)
            widen_sites(connection, [columns])
        connection.execute(delete(pending_counts))


def unmerged(engine: Engine) -> dict[str, int]:
    """How many events of each site wait to be merged."""
    found: dict[str, int] = {}
    with engine.begin() as connection:
        rows = connection.execute(select(pending_counts.c.site_id, pending_counts.c.events))
        for site_id, events in rows:
            found[site_id] = found.get(site_id, 0) + events
    return found
