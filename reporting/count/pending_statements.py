"""The SELECTs on `pending_counts`: pure functions, labelled for the slow log.

`data` is read by the key alone. What only asks how many there are is answered from an index.
"""

from sqlalchemy import func, select

from reporting.ask.paging import SitesQuery
from reporting.count.cover import Span
from reporting.count.statements import Rows, of_sites
from shared.counts.pending_hours import reaches_into
from shared.db.dialect import Texts
from shared.db.tables import pending_counts

of = pending_counts.c


def select_pending(site_id: str, span: Span) -> Rows:
    """The key and the last moment (ms) of each row that may have hours that begin in a span."""
    return (
        select(of.site_id, of.bucket, of.batch_id, of.last_event)
        .where(of.site_id == site_id, reaches_into(*span))
        .prefix_with("/* reporting.pending */")
    )


def select_pending_heads(site_ids: Texts, span: Span) -> Rows:
    """The key, events and views of each such row of many sites."""
    return (
        select(of.site_id, of.bucket, of.batch_id, of.events, of.views)
        .where(of.site_id.in_(site_ids), reaches_into(*span))
        .prefix_with("/* reporting.pending_heads */")
    )


def select_pending_sites(query: SitesQuery) -> Rows:
    """Of a site that has any, or of those of a page and the next one: first and last moment (ms),
    events and page views."""
    statement = (
        select(
            of.site_id,
            func.min(of.first_event).label("first_event"),
            func.max(of.last_event).label("last_event"),
            func.sum(of.events).label("events"),
            func.sum(of.views).label("views"),
        )
        .group_by(of.site_id)
        .prefix_with("/* reporting.pending_sites */")
    )
    return of_sites(statement, of.site_id, query)


def select_pending_extent(site_id: str) -> Rows:
    """The first and last moment (ms) of a site; one row, of nulls where it has none."""
    return (
        select(func.min(of.first_event), func.max(of.last_event))
        .where(of.site_id == site_id)
        .prefix_with("/* reporting.pending_extent */")
    )


def select_pending_site_ids(since: int) -> Rows:
    """The sites of which any has an event at `since` or later."""
    return (
        select(of.site_id)
        .where(of.last_event >= since)
        .distinct()
        .prefix_with("/* reporting.pending_site_ids */")
    )


def select_unmerged() -> Rows:
    """events of all sites, and when the oldest were stored (ms of a worker's clock); one row, of
    nulls where there are none."""
    return select(
        func.sum(of.events).label("events"), func.min(of.stored_at).label("oldest")
    ).prefix_with("/* reporting.unmerged */")
