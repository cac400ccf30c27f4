"""The SELECTs behind from_segments: pure functions, labelled for the slow log."""

from collections.abc import Collection

from sqlalchemy import and_, select

from reporting.ask.query import Query
from reporting.count.cover import Span
from reporting.count.statements import Rows, matching
from shared.counts.rollups import VALUE_COLUMNS
from shared.db.tables import events, segment_columns, users

# Of `events` at a time in memory.
CHUNK_ROWS = 10_000


def select_columns(site_id: str, names: Collection[str], buckets: Collection[int]) -> Rows:
    """bucket, name and data of these columns of these segments, part by part."""
    table = segment_columns
    return (
        select(table.c.bucket, table.c.name, table.c.data)
        .where(table.c.site_id == site_id, table.c.name.in_(names), table.c.bucket.in_(buckets))
        .order_by(table.c.site_id, table.c.name, table.c.bucket, table.c.part)
        .prefix_with("/* reporting.segment_columns */")
    )


def select_matching(query: Query, dimension: str | None, span: Span) -> Rows:
    """timestamp, event_type, the dimension's value (of none: the type) and the user's number, of
    each of the query's events in a span; to be read piece by piece."""
    its_user = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)
    value = events.c.event_type if dimension is None else VALUE_COLUMNS[dimension]
    return (
        select(events.c.timestamp, events.c.event_type, value.label("value"), users.c.number)
        .join_from(events, users, its_user, isouter=True)
        .where(matching(query, span))
        .prefix_with("/* reporting.matching */")
        .execution_options(stream_results=True, yield_per=CHUNK_ROWS)
    )
