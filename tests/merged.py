"""What upkeep does behind batches, without its process."""

from sqlalchemy import Engine, select

from shared.db.tables import pending_counts
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger


def merge(engine: Engine) -> int:
    """Merge all that waits; returns how many events that was."""
    return Merger(engine, StopFlag()).merge_all()


def unmerged(engine: Engine) -> dict[str, int]:
    """How many events of each site wait to be merged."""
    found: dict[str, int] = {}
    with engine.begin() as connection:
        rows = connection.execute(select(pending_counts.c.site_id, pending_counts.c.events))
        for site_id, events in rows:
            found[site_id] = found.get(site_id, 0) + events
    return found
