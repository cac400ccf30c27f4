"""What happens now: users, sessions and pages of the last five minutes, counted anew each time."""

from typing import Any

from sqlalchemy import Connection, Engine

from reporting.ask.live_query import RankingQuery, SessionsQuery, Window
from reporting.count.live_sites import fetch_site_ids
from reporting.count.live_statements import (
    TOP_PAGES,
    SiteIds,
    select_active,
    select_minutes,
    select_pages,
    select_sessions,
    select_users,
)
from shared.clock import MINUTE_MS, iso_from_ms
from shared.db.database import translated_errors

Json = dict[str, Any]


def fetch_realtime(engine: Engine, window: Window) -> Json:
    """The answer of /realtime. Raises Unavailable, as all of these do."""
    with translated_errors(), engine.begin() as connection:
        site_ids = fetch_site_ids(connection, window.site_id, window.start)
        active = connection.execute(select_active(window, site_ids)).one()
        pages = connection.execute(select_pages(RankingQuery(window, TOP_PAGES), site_ids)).all()
        per_minute = fetch_minutes(connection, window, site_ids)
    return {
        "active_users": active.active_users,
        "active_sessions": active.active_sessions,
        "views": active.views,
        "top_pages": [{"path": row.path, "views": row.views} for row in pages],
        "per_minute": per_minute,
    }


def fetch_minutes(connection: Connection, window: Window, site_ids: SiteIds) -> list[Json]:
    """Every minute that the window touches, with what of it is in the window."""
    rows = connection.execute(select_minutes(window, site_ids))
    counted = {row.minute: (row.views, row.unique_users) for row in rows}
    minutes = []
    for minute in range(window.start - window.start % MINUTE_MS, window.end, MINUTE_MS):
        views, users = counted.get(minute, (0, 0))
        minutes.append({"minute": iso_from_ms(minute), "views": views, "unique_users": users})
    return minutes


def fetch_active_users(engine: Engine, query: RankingQuery) -> list[Json]:
    """The answer of /metrics/active-users."""
    with translated_errors(), engine.begin() as connection:
        site_ids = fetch_site_ids(connection, query.window.site_id, query.window.start)
        rows = connection.execute(select_users(query, site_ids)).all()
    return [{"user_id": row.user_id, "events": row.events} for row in rows]


def fetch_page_views(engine: Engine, query: RankingQuery) -> list[Json]:
    """The answer of /metrics/page-views."""
    with translated_errors(), engine.begin() as connection:
        site_ids = fetch_site_ids(connection, query.window.site_id, query.window.start)
        rows = connection.execute(select_pages(query, site_ids)).all()
    return [{"page_url": row.path, "views": row.views} for row in rows]


def fetch_sessions(engine: Engine, query: SessionsQuery) -> Json:
    """The answer of /users/<user_id>/sessions and /metrics/user-sessions/<user_id>."""
    with translated_errors(), engine.begin() as connection:
        site_ids = fetch_site_ids(connection, query.window.site_id, query.window.start)
        rows = connection.execute(select_sessions(query, site_ids)).all()
    return {
        "user_id": query.user_id,
        "active_sessions": len(rows),
        "sessions": [
            {"session_id": row.session_id, "last_seen": iso_from_ms(row.last_seen)} for row in rows
        ],
    }
