"""What waits to be merged, counted as batches of earlier versions counted their events."""

from collections import deque

from sqlalchemy import Engine, select

from shared.counts.pending import read_pending
from shared.counts.user_sets import encode_sets
from shared.db.tables import pending_counts, recent_users
from worker.counting.rollups import add_events, add_values, user_sets_from, values_in, widen_sites
from worker.upkeep.merging import Merger
from worker.upkeep.unmerged import ROW_COLUMNS, columns_of, fetch_keys


def count_as_before(engine: Engine) -> None:
    """In the rollups, with the users in `recent_users`."""
    with engine.begin() as connection:
        rows = [
            ((site_id, bucket, batch_id), read_pending(bucket, events, data))
            for site_id, bucket, batch_id, events, data in connection.execute(select(*ROW_COLUMNS))
        ]
        if not rows:
            return
        columns, numbers = columns_of(rows)
        add_events(connection, [columns])
        add_values(connection, values_in(columns))
        widen_sites(connection, [columns])
        recent = [
            {
                "site_id": site_id,
                "bucket": hour,
                "batch_id": rows[0][0][2],
                "sets": encode_sets(of_hour),
            }
            for (site_id, hour), of_hour in user_sets_from(columns, numbers).items()
        ]
        if recent:
            connection.execute(recent_users.insert(), recent)
        connection.execute(pending_counts.delete())


def merge_half(merger: Merger) -> None:
    """Merge every other row that waits."""
    keys = [key for key, _ in fetch_keys(merger.engine)]
    merger.merge_rows(deque([keys[::2]]))
