"""Events by day, week and month, overall and by type, as clients of analytics-engine ask for them.

As there: `lookback` days, weeks and months back from now; a key only where something was counted;
days as `2025-11-15`, weeks as the Sunday they begin with, months as `2025-11`; a type is listed if
it has an event in any of these months; `uniqueId` filters by user, `type` by the property of that
name, and both filter the overall counts too; an event stamped after now counts on its day.

Unlike there, the oldest day, week and month are whole, where it cuts them at the very millisecond
that long ago; days are UTC; and `type` may be left out, which counts every event. Counts of a user
or a `type` come from the events themselves, so they know only those that MAX_AGE has left.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from reporting.ask.live_query import AnalyticsQuery, week_of
from reporting.ask.periods import midnight_ms
from reporting.count.live_sites import fetch_site_ids
from reporting.count.live_statements import select_days, select_filtered_days
from shared.db.database import translated_errors

Json = dict[str, Any]
# day, event_type, events
DayCount = tuple[date, str, int]
Counts = dict[str, Counter[str]]


def fetch_analytics(engine: Engine, query: AnalyticsQuery) -> Json:
    """The answer of /analytics. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        days = fetch_days(connection, query)
    return {"status": 200, "data": counts_of(days, query)}


def fetch_days(connection: Connection, query: AnalyticsQuery) -> list[DayCount]:
    since = midnight_ms(query.first_month, ZoneInfo("UTC"))  # months reach back furthest
    site_ids = fetch_site_ids(connection, query.site_id, since)
    if query.user_id is None and query.kind is None:
        rows = connection.execute(select_days(since, site_ids))
    else:
        rows = connection.execute(select_filtered_days(query, since, site_ids))
    return [
        (datetime.fromtimestamp(row.day / 1000, UTC).date(), row.event_type, int(row.events))
        for row in rows
    ]


def counts_of(days: Iterable[DayCount], query: AnalyticsQuery) -> Json:
    overall = no_counts()
    by_type: dict[str, Counts] = {}
    for day, event_type, events in days:
        add(overall, day, events, query)
        add(by_type.setdefault(event_type, no_counts()), day, events, query)
    return {"global": overall, "usages": dict(sorted(by_type.items()))}


def no_counts() -> Counts:
    return {"daily": Counter(), "weekly": Counter(), "monthly": Counter()}


def add(counts: Counts, day: date, events: int, query: AnalyticsQuery) -> None:
    if day >= query.first_day:
        counts["daily"][day.isoformat()] += events
    if week_of(day) >= query.first_week:
        counts["weekly"][week_of(day).isoformat()] += events
    counts["monthly"][day.isoformat()[:7]] += events
