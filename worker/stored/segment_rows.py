"""Taking segments away; see shared/counts/segments.py. Whoever does so has locked their site."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from shared.counts.segments import COLUMNS
from shared.db.tables import segment_columns, segments, sites

CHUNK_BUCKETS = 50
LABEL = "/* worker.segments */"


def void_segments(
    connection: Connection, site_id: str, start: int = 0, end: int = 2**63 - 1
) -> None:
    """Delete them because events or numbers of users have changed; one that is being made of the
    old ones will not be written."""
    delete_segments(connection, site_id, start, end)
    once_more = update(sites).where(sites.c.site_id == site_id)
    connection.execute(once_more.values(rebuilds=sites.c.rebuilds + 1))


def delete_segments(
    connection: Connection,
    site_id: str,
    start: int = 0,
    end: int = 2**63 - 1,
    most: int | None = None,
) -> int:
    """Delete a site's segments that have any hour from `start` up to `end`, or the oldest `most` of
    them; returns how many."""
    overlapping = (
        select(segments.c.bucket)
        .where(segments.c.site_id == site_id, segments.c.bucket < end, segments.c.until > start)
        .order_by(segments.c.bucket)
        .limit(most)
        .prefix_with(LABEL)
    )
    buckets = connection.scalars(overlapping).all()
    for first in range(0, len(buckets), CHUNK_BUCKETS):
        delete_rows(connection, site_id, buckets[first : first + CHUNK_BUCKETS])
    return len(buckets)


def delete_rows(connection: Connection, site_id: str, buckets: Sequence[int]) -> None:
    """Delete what there is of the segments that begin there."""
    heads = delete(segments).where(segments.c.site_id == site_id, segments.c.bucket.in_(buckets))
    columns = delete(segment_columns).where(
        segment_columns.c.site_id == site_id,
        segment_columns.c.name.in_(COLUMNS),
        segment_columns.c.bucket.in_(buckets),
    )
    connection.execute(heads.prefix_with(LABEL))
    connection.execute(columns.prefix_with(LABEL))
