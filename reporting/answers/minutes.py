"""Events by the minute, as clients of event-analytics ask for them.

Minutes are whole, in UTC, and in order; those without an event are listed with 0, as they are
there. Unlike there, a minute can be asked for at any time later.
"""

from typing import Annotated

from msgspec import Struct
from sqlalchemy import Connection

from reporting.answers.members import AsAsked, ViewCount, about, count, moment
from reporting.ask import parameters as by
from reporting.ask.live_query import BucketQuery, Window, bucket_query, minutes_query
from reporting.count.live_counts import fetch_minutes
from reporting.count.live_sites import find_sites
from reporting.count.live_statements import select_viewers
from reporting.route import Example, Route, from_database
from shared.clock import MINUTE_MS, iso_from_ms
from shared.event import PAGE_VIEW


class MinuteViews(Struct):
    """A UTC minute."""

    minute_timestamp: Annotated[str, moment("When it begins.")]
    count: ViewCount
    unique_users: Annotated[int, count("Distinct `user_id` of its page views.")]


class ViewsPerMinute(Struct):
    """Page views by the minute."""

    page_views_per_minute: Annotated[list[MinuteViews], about("In order, with the empty ones.")]


class MinuteBucket(Struct):
    """Events of one type in one minute; 0 where there was none."""

    bucket_key: AsAsked
    count: Annotated[int, count("Of all sites, or of the one asked for.")]


def fetch_views(connection: Connection, window: Window) -> ViewsPerMinute:
    site_ids = find_sites(connection, window.site_id, window.start)
    views = fetch_minutes(connection, window, PAGE_VIEW, site_ids)
    viewers = connection.execute(select_viewers(window, site_ids))
    users = {row.minute: row.unique_users for row in viewers}
    return ViewsPerMinute(
        [
            MinuteViews(iso_from_ms(minute), views[minute], users.get(minute, 0))
            for minute in range(window.start, window.end, MINUTE_MS)
        ]
    )


def fetch_bucket(connection: Connection, query: BucketQuery) -> MinuteBucket:
    window = query.window
    site_ids = find_sites(connection, window.site_id, window.start)
    minutes = fetch_minutes(connection, window, query.event_type, site_ids)
    return MinuteBucket(query.key, minutes[window.start])


FOUR_MINUTES = [
    MinuteViews("2025-11-15T18:29:00Z", 1449, 212),
    MinuteViews("2025-11-15T18:30:00Z", 1, 1),
    MinuteViews("2025-11-15T18:31:00Z", 0, 0),
    MinuteViews("2025-11-15T18:32:00Z", 0, 0),
]
VIEWS_PER_MINUTE = Route(
    paths=("/analytics/page_views_per_minute",),
    summary="Page views by the minute",
    description="Whole UTC minutes in order, from that of `minutes` ago to that of now, the empty "
    "ones too.",
    parameters=(by.MINUTES, by.ANY_SITE),
    query=minutes_query,
    answer=from_database(fetch_views),
    is_public=True,
    examples=(Example("some", "Three minutes back", ViewsPerMinute(FOUR_MINUTES), {"minutes": 3}),),
)
MINUTE_BUCKET = Route(
    paths=("/analytics/minute-buckets/{bucket_key}",),
    summary="Events of one type in one minute",
    description="Of any minute, however long ago.",
    parameters=(by.ANY_SITE, by.BUCKET_KEY),
    query=bucket_query,
    answer=from_database(fetch_bucket),
    is_public=True,
    examples=(Example("views", "Page views", MinuteBucket(by.BUCKET_KEY.example, 1449)),),
)
