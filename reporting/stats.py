"""The numbers of /stats and /sites, from one consistent view of the database."""

from typing import Any

from sqlalchemy import Engine

from reporting.query import StatsQuery
from reporting.statements import select_sites, select_top_paths, select_totals
from shared.clock import iso_from_ms
from shared.database import translated_errors


def fetch_stats(engine: Engine, query: StatsQuery) -> dict[str, Any]:
    """The answer of /stats. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        totals = connection.execute(select_totals(query)).one()
        paths = connection.execute(select_top_paths(query)).all()
    return {
        "site_id": query.site_id,
        **days_of(query),
        "total_views": totals.total_views,
        "unique_users": totals.unique_users,
        "top_paths": [{"path": row.path, "views": row.views} for row in paths],
        "total_events": totals.total_events,
    }


def days_of(query: StatsQuery) -> dict[str, str]:
    """`date` where a single day was asked for, else `from` and `to`."""
    if query.first_day == query.last_day:
        return {"date": query.first_day.isoformat()}
    return {"from": query.first_day.isoformat(), "to": query.last_day.isoformat()}


def fetch_sites(engine: Engine) -> list[dict[str, Any]]:
    """The sites seen. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        rows = connection.execute(select_sites()).all()
    return [
        {
            "site_id": row.site_id,
            "first_event": iso_from_ms(row.first_event),
            "last_event": iso_from_ms(row.last_event),
            "total_events": row.total_events,
            "total_views": row.total_views,
        }
        for row in rows
    ]
