"""The SELECTs on the rollups: pure functions, labelled for the slow log."""

from collections.abc import Collection, Iterator, Sequence
from itertools import starmap
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Subquery, Table, and_, func, or_, select, union_all

from reporting.count.cover import Span
from reporting.count.statements import Rows
from shared.db.tables import dimension_values, recent_users

# Most terms of one statement: SQLite takes no deeper expression than 1,000.
CHUNK_TERMS = 500

T = TypeVar("T")


def chunks(many: Sequence[T]) -> Iterator[Sequence[T]]:
    """What is too much for one statement, in parts; nothing makes none."""
    for first in range(0, len(many), CHUNK_TERMS):
        yield many[first : first + CHUNK_TERMS]


def in_spans(table: Table, spans: Sequence[Span]) -> ColumnElement[bool]:
    bucket = table.c.bucket
    return or_(*(and_(bucket >= start, bucket < end) for start, end in spans))


def select_buckets(table: Table, site_id: str, dimension: str, spans: Sequence[Span]) -> Rows:
    """bucket, event_type and events of a dimension that has one value, in `spans`."""
    return (
        select(table.c.bucket, table.c.event_type, table.c.events)
        .where(table.c.site_id == site_id, table.c.dimension == dimension, in_spans(table, spans))
        .prefix_with("/* reporting.buckets */")
    )


def select_value_buckets(
    table: Table, site_id: str, dimension: str, key: bytes, buckets: Collection[int]
) -> Rows:
    """bucket, event_type and events of one value. The buckets are named one by one: a range of them
    would be read with all other values in it."""
    return (
        select(table.c.bucket, table.c.event_type, table.c.events)
        .where(
            table.c.site_id == site_id,
            table.c.dimension == dimension,
            table.c.bucket.in_(buckets),
            table.c.value_key == key,
        )
        .prefix_with("/* reporting.value_buckets */")
    )


class ViewsOf(NamedTuple):
    """Of which rows of a rollup the views of a dimension's values are added up."""

    table: Table
    site_id: str
    dimension: str
    views_type: str | None
    spans: Sequence[Span]


def select_value_views(
    table: Table,
    site_id: str,
    dimension: str,
    views_type: str | None,
    spans: Sequence[Span],
    keys: Collection[bytes] | None = None,
    limit: int | None = None,
) -> Rows:
    """value_key and views of each value, or of these, as ViewsOf tells; of any `limit` at most."""
    statement = (
        select(table.c.value_key, func.sum(table.c.events).label("views"))
        .where(
            table.c.site_id == site_id,
            table.c.dimension == dimension,
            in_spans(table, spans),
        )
        .group_by(table.c.value_key)
        .prefix_with("/* reporting.value_views */")
    )
    if keys is not None:
        statement = statement.where(table.c.value_key.in_(keys))
    if views_type is not None:
        statement = statement.where(table.c.event_type == views_type)
    return statement if limit is None else statement.limit(limit)


def views_of_all(parts: Sequence[ViewsOf]) -> Subquery:
    """The same of several parts together; there is at least one."""
    if len(parts) == 1:
        return select_value_views(*parts[0]).subquery("counted")
    each = union_all(*starmap(select_value_views, parts)).subquery("parts")
    return (
        select(each.c.value_key, func.sum(each.c.views).label("views"))
        .group_by(each.c.value_key)
        .subquery("counted")
    )


def select_most_viewed(parts: Sequence[ViewsOf], limit: int) -> Rows:
    """value_key, value and views of the most viewed values of some parts, equal ones by value."""
    counted = views_of_all(parts)
    return (
        select(counted.c.value_key, dimension_values.c.value, counted.c.views)
        .join(dimension_values, dimension_values.c.value_key == counted.c.value_key)
        .order_by(counted.c.views.desc(), dimension_values.c.value)
        .limit(limit)
        .prefix_with("/* reporting.most_viewed */")
    )


def select_bitmaps(
    table: Table, site_id: str, dimension: str, keys: Collection[bytes], spans: Sequence[Span]
) -> Rows:
    """value_key, bucket and bitmap of these values in `spans`."""
    return (
        select(table.c.value_key, table.c.bucket, table.c.bitmap)
        .where(
            table.c.site_id == site_id,
            table.c.dimension == dimension,
            table.c.value_key.in_(keys),
            in_spans(table, spans),
        )
        .prefix_with("/* reporting.bitmaps */")
    )


def select_recent_users(site_id: str, spans: Sequence[Span]) -> Rows:
    """bucket and sets of what is not compacted yet, in `spans`."""
    return (
        select(recent_users.c.bucket, recent_users.c.sets)
        .where(recent_users.c.site_id == site_id, in_spans(recent_users, spans))
        .prefix_with("/* reporting.recent_users */")
    )


def select_texts(keys: Collection[bytes]) -> Rows:
    """value_key and value."""
    return (
        select(dimension_values.c.value_key, dimension_values.c.value)
        .where(dimension_values.c.value_key.in_(keys))
        .prefix_with("/* reporting.texts */")
    )
