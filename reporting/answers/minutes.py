"""Events by the minute, as clients of event-analytics ask for them.

Minutes are whole, in UTC, and in order; those without an event are listed with 0, as they are
there. Unlike there, a minute can be asked for at any time later.
"""

from typing import Any

from sqlalchemy import Engine

from reporting.ask.live_query import BucketQuery, Window
from reporting.count.live_sites import fetch_site_ids
from reporting.count.live_statements import select_bucket, select_view_minutes, select_viewers
from shared.clock import MINUTE_MS, iso_from_ms
from shared.db.database import translated_errors

Json = dict[str, Any]


def fetch_views_per_minute(engine: Engine, window: Window) -> Json:
    """The answer of /analytics/page_views_per_minute. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        site_ids = fetch_site_ids(connection, window.site_id, window.start)
        counted = connection.execute(select_view_minutes(window, site_ids)).all()
        viewers = connection.execute(select_viewers(window, site_ids)).all()
    views = {row.minute: int(row.events) for row in counted}
    users = {row.minute: row.unique_users for row in viewers}
    return {
        "page_views_per_minute": [
            {
                "minute_timestamp": iso_from_ms(minute),
                "count": views.get(minute, 0),
                "unique_users": users.get(minute, 0),
            }
            for minute in range(window.start, window.end, MINUTE_MS)
        ]
    }


def fetch_bucket(engine: Engine, query: BucketQuery) -> Json:
    """The answer of /analytics/minute-buckets/<bucket_key>. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        site_ids = fetch_site_ids(connection, query.window.site_id, query.window.start)
        found = connection.execute(select_bucket(query, site_ids)).one_or_none()
    return {"bucket_key": query.key, "count": int(found.events) if found else 0}
