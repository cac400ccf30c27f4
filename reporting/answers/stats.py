"""The answers of /stats, its timeseries and breakdown, and /sites: each from one snapshot."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Engine

from reporting.ask.periods import boundaries_of
from reporting.ask.query import Query
from reporting.count.decide import fetch_totals, fetch_values
from reporting.count.statements import select_site_totals, select_sites
from reporting.count.totals import Totals
from shared.clock import iso_from_ms
from shared.db.database import translated_errors

COMPARED = ("total_views", "unique_users", "total_events")


def fetch_stats(engine: Engine, query: Query) -> dict[str, Any]:
    """The answer of /stats. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        totals = fetch_range(connection, query)
        paths = fetch_values(connection, query, "path", with_users=False)
        compared = comparison(connection, query, totals) if query.is_compared else {}
    return {
        "site_id": query.site_id,
        **days_of(query),
        "total_views": totals.views,
        "unique_users": totals.unique_users,
        "top_paths": [{"path": path.value, "views": path.views} for path in paths],
        "total_events": totals.events,
        **compared,
    }


def fetch_range(connection: Connection, query: Query) -> Totals:
    """The totals of the whole range."""
    return fetch_totals(connection, query, (query.start, query.end))[0]


def comparison(connection: Connection, query: Query, totals: Totals) -> dict[str, Any]:
    """The range before, as long as this one, and by how much this one is higher."""
    before = query.previous()
    previous, current = numbers_of(fetch_range(connection, before)), numbers_of(totals)
    return {
        "previous": {**days_of(before), **previous},
        "change": {name: current[name] - previous[name] for name in COMPARED},
    }


def numbers_of(totals: Totals) -> dict[str, int]:
    return dict(zip(COMPARED, (totals.views, totals.unique_users, totals.events), strict=True))


def days_of(query: Query) -> dict[str, str]:
    """`date` where a single day was asked for, else `from` and `to`."""
    if query.first_day == query.last_day:
        return {"date": query.first_day.isoformat()}
    return {"from": query.first_day.isoformat(), "to": query.last_day.isoformat()}


def fetch_series(engine: Engine, query: Query) -> dict[str, Any]:
    """The answer of /stats/timeseries. Raises Unavailable, and InvalidInput for too many points."""
    assert query.interval
    boundaries = boundaries_of(query.first_day, query.last_day, query.zone, query.interval)
    with translated_errors(), engine.begin() as connection:
        totals = fetch_totals(connection, query, boundaries)
    return {
        "site_id": query.site_id,
        **range_of(query),
        "interval": query.interval,
        "points": [
            {"start": iso_from_ms(start), "views": at.views, "unique_users": at.unique_users}
            for (start, end), at in zip(pairwise(boundaries), totals, strict=True)
            if start < end  # a day that a zone skipped, as Samoa did in 2011, is none
        ],
    }


def range_of(query: Query) -> dict[str, str]:
    return {
        "from": query.first_day.isoformat(),
        "to": query.last_day.isoformat(),
        "tz": query.zone.key,
    }


def fetch_breakdown(engine: Engine, query: Query) -> dict[str, Any]:
    """The answer of /stats/breakdown. Raises Unavailable."""
    assert query.dimension
    with translated_errors(), engine.begin() as connection:
        values = fetch_values(connection, query, query.dimension)
    return {
        "site_id": query.site_id,
        **range_of(query),
        "dimension": query.dimension,
        "rows": [value._asdict() for value in values],
    }


def fetch_sites(engine: Engine) -> list[dict[str, Any]]:
    """The sites seen. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        rows: Sequence[Any] = connection.execute(select_sites()).all()
        totals = {row.site_id: row for row in connection.execute(select_site_totals())}
    return [
        {
            "site_id": row.site_id,
            "first_event": iso_from_ms(row.first_event),
            "last_event": iso_from_ms(row.last_event),
            "total_events": int(totals[row.site_id].events),
            "total_views": int(totals[row.site_id].views),
        }
        for row in rows
    ]
