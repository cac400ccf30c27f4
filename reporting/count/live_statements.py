"""The SELECTs of the live and compatibility routes: pure functions, labelled for the slow log.

`site_ids` are values on MariaDB, always. Given `site_id IN (SELECT …)`, it reads all events of each
site, for a join looks up the site and no range of its events; given values, it reads the ranges.
"""

from sqlalchemy import ColumnElement, LargeBinary, and_, case, cast, distinct, func, select

from reporting.ask.live_query import (
    AnalyticsQuery,
    RankingQuery,
    SessionsQuery,
    Window,
)
from reporting.ask.paging import Page
from reporting.count.statements import Rows, on_page
from shared.clock import DAY_MS, MINUTE_MS
from shared.counts.rollups import TOTAL
from shared.db.dialect import Texts
from shared.db.tables import events, events_by_day, events_by_minute, sites
from shared.event import PAGE_VIEW

TOP_PAGES = 5

SiteIds = Texts

# The remainder, not a division: what divides integers goes by other names in each database.
MINUTE = (events.c.timestamp - events.c.timestamp % MINUTE_MS).label("minute")
DAY = (events.c.timestamp - events.c.timestamp % DAY_MS).label("day")
DAY_BUCKET = events_by_day.c.bucket.label("day")
EVENTS = func.sum(events_by_day.c.events).label("events")
IS_VIEW = events.c.event_type == PAGE_VIEW


def select_site_ids(since: int) -> Rows:
    """The sites that may have an event at `since` or later."""
    return (
        select(sites.c.site_id)
        .where(sites.c.last_event >= since)
        .prefix_with("/* reporting.live_sites */")
    )


def within(window: Window, site_ids: SiteIds) -> ColumnElement[bool]:
    """A range of the primary key for each site."""
    return and_(
        events.c.site_id.in_(site_ids),
        events.c.timestamp >= window.start,
        events.c.timestamp < window.end,
    )


def select_active(window: Window, site_ids: SiteIds) -> Rows:
    """active_users, active_sessions and views; one row."""
    return (
        select(
            func.count(distinct(events.c.user_id)).label("active_users"),
            func.count(distinct(events.c.session_id)).label("active_sessions"),
            func.count(case((IS_VIEW, 1))).label("views"),
        )
        .where(within(window, site_ids))
        .prefix_with("/* reporting.active */")
    )


def select_minutes(window: Window, site_ids: SiteIds) -> Rows:
    """minute (ms), views and unique_users of each minute that has an event."""
    return (
        select(
            MINUTE,
            func.count(case((IS_VIEW, 1))).label("views"),
            func.count(distinct(events.c.user_id)).label("unique_users"),
        )
        .where(within(window, site_ids))
        .group_by(MINUTE)
        .prefix_with("/* reporting.live_minutes */")
    )


def select_pages(query: RankingQuery, site_ids: SiteIds) -> Rows:
    """path and views, most viewed first, equal ones by path."""
    views = func.count().label("views")
    return (
        select(events.c.path, views)
        .where(within(query.window, site_ids), IS_VIEW, events.c.path.is_not(None))
        .group_by(events.c.path)
        .order_by(views.desc(), events.c.path)
        .limit(query.limit)
        .prefix_with("/* reporting.live_pages */")
    )


def select_users(query: RankingQuery, site_ids: SiteIds) -> Rows:
    """user_id and events, most active first, equal ones by user_id."""
    number = func.count().label("events")
    return (
        select(events.c.user_id, number)
        .where(within(query.window, site_ids), events.c.user_id.is_not(None))
        .group_by(events.c.user_id)
        .order_by(number.desc(), events.c.user_id)
        .limit(query.limit)
        .prefix_with("/* reporting.live_users */")
    )


def select_sessions(query: SessionsQuery, site_ids: SiteIds) -> Rows:
    """session_id and last_seen (ms), newest first, equal ones by session_id; in each row, of how
    many these are the first."""
    last_seen = func.max(events.c.timestamp).label("last_seen")
    return (
        select(events.c.session_id, last_seen, func.count().over().label("sessions"))
        .where(
            within(query.window, site_ids),
            events.c.user_id == query.user_id,
            events.c.session_id.is_not(None),
        )
        .group_by(events.c.session_id)
        .order_by(last_seen.desc(), events.c.session_id)
        .limit(query.limit)
        .prefix_with("/* reporting.sessions */")
    )


def select_minute_counts(window: Window, event_type: str, site_ids: SiteIds) -> Rows:
    """minute (ms) and events of a type of each minute that has one; `window` is of whole minutes.
    Those that are not merged yet are none of them, as in select_days."""
    bucket = events_by_minute.c.bucket
    return (
        select(bucket.label("minute"), func.sum(events_by_minute.c.events).label("events"))
        .where(
            events_by_minute.c.site_id.in_(site_ids),
            bucket >= window.start,
            bucket < window.end,
            events_by_minute.c.event_type == event_type,
        )
        .group_by(bucket)
        .prefix_with("/* reporting.minute_counts */")
    )


def select_viewers(window: Window, site_ids: SiteIds) -> Rows:
    """minute (ms) and unique_users who viewed a page in it."""
    return (
        select(MINUTE, func.count(distinct(events.c.user_id)).label("unique_users"))
        .where(within(window, site_ids), IS_VIEW)
        .group_by(MINUTE)
        .prefix_with("/* reporting.viewers */")
    )


def select_days(since: int, site_ids: SiteIds, first: str, last: str) -> Rows:
    """day (ms), event_type and events of whole UTC days: of each type from one to another, and of
    all others together, whose type is null."""
    event_type = events_by_day.c.event_type
    listed = case((event_type.between(first, last), event_type)).label("event_type")
    return (
        select(DAY_BUCKET, listed, EVENTS)
        .where(of_days(since, site_ids))
        .group_by(DAY_BUCKET, listed)
        .prefix_with("/* reporting.days */")
    )


def select_types(since: int, site_ids: SiteIds, page: Page) -> Rows:
    """event_type of a page of those in whole UTC days, and the next one."""
    event_type = events_by_day.c.event_type
    statement = select(event_type).where(of_days(since, site_ids)).group_by(event_type)
    return on_page(statement, event_type, page).prefix_with("/* reporting.types */")


def of_days(since: int, site_ids: SiteIds) -> ColumnElement[bool]:
    return and_(
        events_by_day.c.site_id.in_(site_ids),
        events_by_day.c.dimension == TOTAL,
        events_by_day.c.bucket >= since,
    )


def select_filtered_days(query: AnalyticsQuery, since: int, site_ids: SiteIds) -> Rows:
    """The same, in order, of one user, one kind, or both, counted from the events themselves."""
    statement = (
        select(DAY, events.c.event_type, func.count().label("events"))
        .where(events.c.site_id.in_(site_ids), events.c.timestamp >= since)
        .group_by(DAY, events.c.event_type)
        .order_by(DAY, events.c.event_type)
        .prefix_with("/* reporting.filtered_days */")
    )
    if query.user_id is not None:
        statement = statement.where(events.c.user_id == query.user_id)
    if query.kind is not None:
        statement = statement.where(kind_of_event() == query.kind.encode())
    return statement


def kind_of_event() -> ColumnElement[bytes]:
    """Property `type` as bytes: as text, MariaDB takes `Mobile` and `mobile` for equal."""
    return cast(events.c.properties["type"].as_string(), LargeBinary)
