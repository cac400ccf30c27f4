"""The SELECTs of reporting: pure functions that build them, each labelled for the slow log."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, distinct, func, select

from reporting.query import StatsQuery
from shared.event import PAGE_VIEW
from shared.tables import events, outcomes

Rows = Select[*tuple[Any, ...]]


def within(query: StatsQuery) -> ColumnElement[bool]:
    """One contiguous range of the primary key."""
    return and_(
        events.c.site_id == query.site_id,
        events.c.timestamp >= query.start,
        events.c.timestamp < query.end,
    )


def select_totals(query: StatsQuery) -> Rows:
    """total_events, total_views, unique_users of the range; one row."""
    views, users = query.views_type, query.users_type
    is_view = events.c.event_type == views
    user = events.c.user_id
    counted_user = user if users is None else case((events.c.event_type == users, user))
    return (
        select(
            func.count().label("total_events"),
            (func.count() if views is None else func.count(case((is_view, 1)))).label(
                "total_views"
            ),
            func.count(distinct(counted_user)).label("unique_users"),
        )
        .select_from(events)
        .where(within(query))
        .prefix_with("/* reporting.totals */")
    )


def select_top_paths(query: StatsQuery) -> Rows:
    """path and views, most viewed first, equal ones by path."""
    views = func.count().label("views")
    statement = (
        select(events.c.path, views)
        .where(within(query), events.c.path.is_not(None))
        .group_by(events.c.path)
        .order_by(views.desc(), events.c.path)
        .limit(query.limit)
        .prefix_with("/* reporting.top_paths */")
    )
    if query.views_type is None:
        return statement
    return statement.where(events.c.event_type == query.views_type)


def select_sites() -> Rows:
    """Every site with its first and last event (ms) and totals."""
    is_view = case((events.c.event_type == PAGE_VIEW, 1))
    return (
        select(
            events.c.site_id,
            func.min(events.c.timestamp).label("first_event"),
            func.max(events.c.timestamp).label("last_event"),
            func.count().label("total_events"),
            func.count(is_view).label("total_views"),
        )
        .group_by(events.c.site_id)
        .order_by(events.c.site_id)
        .prefix_with("/* reporting.sites */")
    )


def select_outcomes() -> Rows:
    """outcome, reason and how many events, ever."""
    number = func.sum(outcomes.c.events).label("events")
    return (
        select(outcomes.c.outcome, outcomes.c.reason, number)
        .group_by(outcomes.c.outcome, outcomes.c.reason)
        .prefix_with("/* reporting.outcomes */")
    )
