"""The SELECTs on `events` and other plain tables: pure functions, labelled for the slow log."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, distinct, func, literal, select

from reporting.ask.paging import Page, SitesQuery
from reporting.ask.query import Query
from reporting.count.cover import Span
from shared.clock import DAY_MS
from shared.counts import pruned
from shared.counts.rollups import TOTAL, TOTAL_KEY, VALUE_COLUMNS
from shared.db.tables import (
    events,
    events_by_day,
    outcomes,
    site_settings,
    sites,
    sparse_days,
    users,
)
from shared.event import PAGE_VIEW
from shared.fields import EVENT_TYPE

Rows = Select[*tuple[Any, ...]]


def matching(query: Query, span: Span) -> ColumnElement[bool]:
    """The query's events in a span: one contiguous range of the primary key, then its filters."""
    start, end = span
    return and_(
        events.c.site_id == query.site_id,
        events.c.timestamp >= start,
        events.c.timestamp < end,
        *(VALUE_COLUMNS[name] == value for name, value in query.filters),
    )


def counted_views(query: Query) -> ColumnElement[int]:
    if query.views_type is None:
        return func.count()
    return func.count(case((events.c.event_type == query.views_type, 1)))


def counted_users(query: Query) -> ColumnElement[int]:
    user = events.c.user_id
    if query.users_type is None:
        return func.count(distinct(user))
    return func.count(distinct(case((events.c.event_type == query.users_type, user))))


def select_totals(query: Query, span: Span) -> Rows:
    """events, views and unique_users of a span; one row."""
    return (
        select(
            func.count().label("events"),
            counted_views(query).label("views"),
            counted_users(query).label("unique_users"),
        )
        .select_from(events)
        .where(matching(query, span))
        .prefix_with("/* reporting.totals */")
    )


def select_steps(query: Query, step_ms: int) -> Rows:
    """The same by `step`, counted from the query's start; steps without events are left out."""
    step = ((events.c.timestamp - query.start) // step_ms).label("step")
    return (
        select(
            step,
            func.count().label("events"),
            counted_views(query).label("views"),
            counted_users(query).label("unique_users"),
        )
        .where(matching(query, (query.start, query.end)))
        .group_by(step)
        .prefix_with("/* reporting.steps */")
    )


def select_values(query: Query, dimension: str, span: Span, *, with_users: bool) -> Rows:
    """value, views and unique_users where there are views: most viewed first, then by value.

    Without users, which take most of the time, these are 0.
    """
    value = VALUE_COLUMNS[dimension]
    views = counted_views(query).label("views")
    users = counted_users(query) if with_users else literal(0)
    return (
        select(value.label("value"), views, users.label("unique_users"))
        .where(matching(query, span), value.is_not(None))
        .group_by(value)
        .having(counted_views(query) > 0)
        .order_by(views.desc(), value)
        .limit(query.limit)
        .prefix_with("/* reporting.values */")
    )


def select_edge_totals(query: Query, span: Span) -> Rows:
    """events and views of a span; one row."""
    return (
        select(func.count().label("events"), counted_views(query).label("views"))
        .select_from(events)
        .where(matching(query, span))
        .prefix_with("/* reporting.edge_totals */")
    )


def select_edge_values(query: Query, dimension: str, span: Span) -> Rows:
    """value and views of a span, every value."""
    value = VALUE_COLUMNS[dimension]
    statement = (
        select(value.label("value"), func.count().label("views"))
        .where(matching(query, span), value.is_not(None))
        .group_by(value)
        .prefix_with("/* reporting.edge_values */")
    )
    if query.views_type is None:
        return statement
    return statement.where(events.c.event_type == query.views_type)


def select_edge_users(query: Query, dimension: str, values: Collection[str], span: Span) -> Rows:
    """value and number of each user of these values of a dimension; of TOTAL, of all events."""
    everybody = dimension == TOTAL
    value = VALUE_COLUMNS[EVENT_TYPE if everybody else dimension]
    statement = (
        select(value.label("value"), users.c.number)
        .join(
            users,
            and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id),
        )
        .where(matching(query, span))
        .distinct()
        .prefix_with("/* reporting.edge_users */")
    )
    return statement if everybody else statement.where(value.in_(values))


def select_sparse_days(site_id: str, span: Span) -> Rows:
    """bucket, kept and events of each sparse day with any time in a span, in order, and how many
    events the rollups have counted of it."""
    start, end = span
    of = sparse_days.c
    its_totals = and_(
        events_by_day.c.site_id == of.site_id,
        events_by_day.c.dimension == TOTAL,
        events_by_day.c.bucket == of.bucket,
        events_by_day.c.value_key == TOTAL_KEY,
    )
    counted = func.coalesce(func.sum(events_by_day.c.events), 0)
    return (
        select(of.bucket, of.kept, of.events, counted.label("counted"))
        .join_from(sparse_days, events_by_day, its_totals, isouter=True)
        .where(of.site_id == site_id, of.bucket > start - DAY_MS, of.bucket < end)
        .group_by(of.bucket, of.kept, of.events)
        .order_by(of.bucket)
        .prefix_with("/* reporting.sparse_days */")
    )


def select_pruned_before(site_id: str) -> Rows:
    """The moment before which raw events of a site may be gone; NULL where none ever are."""
    return pruned.select_pruned_before(site_id).prefix_with("/* reporting.retention */")


def select_sites() -> Rows:
    """Every site that has an event which is merged, with its first and last one (ms)."""
    return (
        select(sites.c.site_id, sites.c.first_event, sites.c.last_event)
        # The others have a row because numbers were taken for their users.
        .where(sites.c.first_event <= sites.c.last_event)
        .prefix_with("/* reporting.sites */")
    )


def select_some_sites(query: SitesQuery) -> Rows:
    """One of these; without it those of a page, and the next one."""
    return of_sites(select_sites(), sites.c.site_id, query)


def of_sites(statement: Rows, name: ColumnElement[str], query: SitesQuery) -> Rows:
    """Of rows with different names those that are asked for."""
    if query.site_id is not None:
        return statement.where(name == query.site_id)
    if query.only:
        statement = statement.where(name.in_(query.only))
    return on_page(statement, name, query.page)


def on_page(statement: Rows, name: ColumnElement[str], page: Page) -> Rows:
    """Of rows with different names those of a page in order, and the next one."""
    return statement.where(name > page.after).order_by(name).limit(page.limit + 1)


def select_extent(site_id: str) -> Rows:
    """When the first and last event of a site were, as far as they are merged (ms); no row where
    none is."""
    return (
        select_sites()
        .where(sites.c.site_id == site_id)
        .with_only_columns(sites.c.first_event, sites.c.last_event)
    )


def select_site_totals(first: str, last: str) -> Rows:
    """Events and page views, ever, of each site from one to another, as far as they are merged."""
    counted = events_by_day.c.events
    views = case((events_by_day.c.event_type == PAGE_VIEW, counted), else_=0)
    # Named one by one, so that each site's days are a range of the key.
    each_site = events_by_day.c.site_id.in_(
        select(sites.c.site_id).where(sites.c.site_id.between(first, last))
    )
    return (
        select(
            events_by_day.c.site_id,
            func.sum(counted).label("events"),
            func.sum(views).label("views"),
        )
        .where(each_site, events_by_day.c.dimension == TOTAL)
        .group_by(events_by_day.c.site_id)
        .prefix_with("/* reporting.site_totals */")
    )


def select_site_settings(site_ids: Collection[str]) -> Rows:
    """site_id, and settings as JSON, of those that are registered."""
    return (
        select(site_settings.c.site_id, site_settings.c.settings)
        .where(site_settings.c.site_id.in_(site_ids))
        .prefix_with("/* reporting.site_settings */")
    )


def select_outcomes() -> Rows:
    """outcome, reason and how many events, ever."""
    number = func.sum(outcomes.c.events).label("events")
    return (
        select(outcomes.c.outcome, outcomes.c.reason, number)
        .group_by(outcomes.c.outcome, outcomes.c.reason)
        .prefix_with("/* reporting.outcomes */")
    )
