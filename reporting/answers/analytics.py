"""Events by day, week and month, overall and by type, as clients of analytics-engine ask for them.

As there: `lookback` days, weeks and months back from now; a key only where something was counted;
days as `2025-11-15`, weeks as the Sunday they begin with, months as `2025-11`; a type is listed if
it has an event in any of these months; `uniqueId` filters by user, `type` by the property of that
name, and both filter the overall counts too; an event stamped after now counts on its day.

Unlike there, the oldest day, week and month are whole, where it cuts them at the very millisecond
that long ago; days are UTC, whatever is set for a site; `week_start` may name another day than
Sunday; and `type` may be left out, which counts every event. Counts of a user
or a `type` come from the events themselves, so they know none that was deleted for its age.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, Struct, UnsetType, field
from sqlalchemy import Connection

from reporting.answers.members import NEXT_CURSOR, about, count
from reporting.ask import parameters as by
from reporting.ask.live_query import AnalyticsQuery, analytics_query
from reporting.ask.periods import midnight_ms, week_of
from reporting.count import live_counts
from reporting.count.live_counts import DayCounts
from reporting.count.live_sites import find_sites
from reporting.route import Example, Route, from_database

Day = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Month = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}$")]
Events = Annotated[int, count("Events.")]


class Usage(Struct):
    """Events by day, week and month; only those that have any."""

    daily: Annotated[dict[Day, Events], about("By day.")]
    weekly: Annotated[dict[Day, Events], about("By the day a week begins with.")]
    monthly: Annotated[dict[Month, Events], about("By month.")]


class Usages(Struct):
    overall: Annotated[Usage, about("Of all event types together.")] = field(name="global")
    usages: Annotated[dict[str, Usage], about("Of each event type that has any, in order of name.")]


class Analytics(Struct):
    """Events by day, week and month."""

    status: Annotated[Literal[200], about("The HTTP status.")]
    data: Usages
    next_cursor: Annotated[str, NEXT_CURSOR] | UnsetType = UNSET


def fetch_analytics(connection: Connection, query: AnalyticsQuery) -> Analytics:
    counts = fetch_days(connection, query)
    return Analytics(200, usages_of(counts, query), counts.next_cursor or UNSET)


def fetch_days(connection: Connection, query: AnalyticsQuery) -> DayCounts:
    since = midnight_ms(query.first_month, ZoneInfo("UTC"))  # months reach back furthest
    site_ids = find_sites(connection, query.site_id, since)
    if query.user_id is None and query.kind is None:
        return live_counts.fetch_days(connection, since, site_ids, query.page)
    return live_counts.fetch_filtered_days(connection, query, since, site_ids)


def usages_of(counts: DayCounts, query: AnalyticsQuery) -> Usages:
    overall = no_counts()
    for day, events in sorted(counts.overall.items()):
        add(overall, day, events, query)
    by_type: dict[str, Usage] = {}
    for (day, event_type), events in sorted(counts.of_types.items()):
        add(by_type.setdefault(event_type, no_counts()), day, events, query)
    return Usages(overall, dict(sorted(by_type.items())))


def no_counts() -> Usage:
    return Usage(Counter(), Counter(), Counter())


def add(usage: Usage, day_ms: int, events: int, query: AnalyticsQuery) -> None:
    day = datetime.fromtimestamp(day_ms / 1000, UTC).date()
    if day >= query.first_day:
        usage.daily[day.isoformat()] += events
    week = week_of(day, query.week_start)
    if week >= query.first_week:
        usage.weekly[week.isoformat()] += events
    usage.monthly[day.isoformat()[:7]] += events


def in_november(events: int, earlier: int = 0) -> Usage:
    """Events of 15 November 2025, and those of the 2nd."""
    weeks = {"2025-11-02": earlier} if earlier else {}
    weekly = weeks | {"2025-11-09": events}
    return Usage({"2025-11-15": events}, weekly, {"2025-11": events + earlier})


def analytics(overall: Usage, **usages: Usage) -> Analytics:
    return Analytics(200, Usages(overall, usages))


ALL = analytics(in_november(1502, 300), page_view=in_november(1450, 300), signup=in_november(52))
OF_A_USER = analytics(in_november(8), page_view=in_november(7), signup=in_november(1))
OF_A_TYPE = analytics(in_november(52), signup=in_november(52))
ANALYTICS = Route(
    paths=("/analytics",),
    summary="Events by day, week and month",
    description="Overall and by event type, in UTC, also of a site with a `time_zone`. Only days, "
    "weeks and months with an event are listed; a week is named by the day it begins with, which "
    "is a Sunday unless `week_start` says otherwise. The oldest of each is the one that now was in "
    "`lookback` days, weeks or months ago, counted whole. With `uniqueId` or `type`, what "
    "was deleted for its age is not counted. Of event types `limit` are listed at a time, and "
    "`next_cursor` says where to go on while there are more.",
    parameters=(
        by.LOOKBACK,
        by.SUNDAY_OR,
        by.ANY_SITE,
        by.UNIQUE_ID,
        by.KIND,
        by.PAGE_LIMIT,
        by.CURSOR,
    ),
    query=analytics_query,
    is_public=True,
    answer=from_database(fetch_analytics),
    examples=(
        Example("all", "All events", ALL, {"lookback": 7}),
        Example("of_a_user", "Of a user", OF_A_USER, {"uniqueId": by.USER_ID.example}),
        Example("of_a_type", "Of a type", OF_A_TYPE, {"type": "trial"}),
    ),
)
