"""/stats: a site's views, users and top paths, and those of as many days before."""

from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace
from sqlalchemy import Connection

from reporting.answers.members import AsAsked, about, count
from reporting.answers.ranges import FAULTS, PRUNED, WRONG, Day, FirstDay, LastDay, Users, Views
from reporting.ask import parameters as by
from reporting.ask.query import UTC, Query, stats_query
from reporting.count.decide import fetch_totals, fetch_values
from reporting.count.unmerged import Unmerged
from reporting.route import Example, Kept, Route, from_database

Events = Annotated[int, count("Events of all types, whatever `event_type` says.")]
# What a single day has, and what a longer range has in its place.
DATE_OR_BOTH = [{"required": ["date"]}, {"required": ["from", "to"]}]


class TopPath(Struct):
    path: str
    views: Annotated[int, count("Its views.")]


class Compared(Struct, kw_only=True):
    date: Day | UnsetType = UNSET
    first_day: FirstDay | UnsetType = field(name="from", default=UNSET)
    last_day: LastDay | UnsetType = field(name="to", default=UNSET)
    total_views: Views
    unique_users: Users
    total_events: Events


class Change(Struct):
    total_views: int
    unique_users: int
    total_events: int


class Stats(Struct, kw_only=True):
    """A single day has `date`; a longer range has `from` and `to` in its place."""

    site_id: AsAsked
    date: Day | UnsetType = UNSET
    first_day: FirstDay | UnsetType = field(name="from", default=UNSET)
    last_day: LastDay | UnsetType = field(name="to", default=UNSET)
    total_views: Views
    unique_users: Users
    top_paths: Annotated[
        list[TopPath],
        about("The most viewed ones, equal ones in order; without the events that have no path."),
    ]
    total_events: Events
    tz: (
        Annotated[str, about("The time zone in which these are days; UTC where it is left out.")]
        | UnsetType
    ) = UNSET
    previous: Annotated[Compared, about("Of as many days before.")] | UnsetType = UNSET
    change: Annotated[Change, about("By how much this range is higher.")] | UnsetType = UNSET


def fetch_stats(
    connection: Connection, query: Query
) -> Annotated[Stats, Meta(extra_json_schema={"oneOf": DATE_OR_BOTH})]:
    first = query.previous() if query.is_compared else query
    unmerged = Unmerged(connection, query.site_id, (first.start, query.end))
    numbers = numbers_of(connection, query, unmerged)
    values = fetch_values(connection, query, "path", unmerged, with_users=False)
    paths = [TopPath(path.value, path.views) for path in values]
    answer = Stats(site_id=query.site_id, **numbers, top_paths=paths)
    if query.zone.key != UTC.key:
        answer.tz = query.zone.key
    if query.is_compared:
        before = Compared(**numbers_of(connection, first, unmerged))
        answer.previous = before
        answer.change = Change(
            answer.total_views - before.total_views,
            answer.unique_users - before.unique_users,
            answer.total_events - before.total_events,
        )
    return answer


def numbers_of(connection: Connection, query: Query, unmerged: Unmerged) -> dict[str, Any]:
    """The totals of the whole range, and its `date`, or its first and last day."""
    (totals,) = fetch_totals(connection, query, (query.start, query.end), unmerged)
    days = {"first_day": query.first_day, "last_day": query.last_day}
    return {
        **({"date": query.first_day} if query.first_day == query.last_day else days),
        "total_views": totals.views,
        "unique_users": totals.unique_users,
        "total_events": totals.events,
    }


A_DAY = Stats(
    site_id=by.SITE.example,
    date=date(2025, 11, 15),
    total_views=1450,
    unique_users=212,
    top_paths=[TopPath("/pricing", 700), TopPath("/blog/post-1", 500), TopPath("/", 250)],
    total_events=1502,
)
A_RANGE = Stats(
    site_id=by.SITE.example,
    first_day=date(2025, 11, 1),
    last_day=date(2025, 11, 30),
    total_views=1750,
    unique_users=260,
    top_paths=[TopPath("/pricing", 1000)],
    total_events=1802,
)
COMPARED = replace(
    A_DAY,
    previous=Compared(date=date(2025, 11, 14), total_views=0, unique_users=0, total_events=0),
    change=Change(1450, 212, 1502),
)
NOTHING = replace(
    A_DAY, site_id="no-such-site", total_views=0, unique_users=0, top_paths=[], total_events=0
)
ELSEWHERE = replace(A_DAY, tz="Europe/Berlin")
ON = {"date": "2025-11-15"}
A_MONTH = {"from": "2025-11-01", "to": "2025-11-30", "limit": 1}
STATS = Route(
    paths=("/stats", "/stats/aggregated"),
    summary="Views, users and top paths",
    description="Of a site, for a day or several; zeros for an unknown site or an empty day.",
    parameters=(by.SITE, by.LIMIT, by.COMPARE, *by.RANGE),
    query=stats_query,
    is_public=True,
    answer=from_database(fetch_stats),
    examples=(
        Example("a_day", "A day", A_DAY, ON),
        Example("a_range", "A range, its most viewed path only", A_RANGE, A_MONTH),
        Example("elsewhere", "A day of Berlin", ELSEWHERE, {**ON, "tz": "Europe/Berlin"}),
        Example("compared", "A day, and that before", COMPARED, {**ON, "compare": "previous"}),
        Example("nothing", "Nothing there", NOTHING, {**ON, "site_id": "no-such-site"}),
    ),
    kept=Kept.LIKE_THE_RANGE,
    wrong=WRONG,
    refusals=(PRUNED,),
    faults=FAULTS,
)
