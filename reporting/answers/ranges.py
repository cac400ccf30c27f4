"""/stats/timeseries and /stats/breakdown: a site's days told apart by time, or by what events have
in common; and what /stats shares with them."""

from datetime import date
from itertools import pairwise
from typing import Annotated

from msgspec import UNSET, Struct, UnsetType, field
from sqlalchemy import Connection

from reporting.answers.members import AsAsked, about, count, moment
from reporting.ask import parameters as by
from reporting.ask.query import Query, breakdown_query, series_query
from reporting.count.decide import fetch_totals, fetch_values
from reporting.route import DATABASE_FAULTS, Example, Kept, Route, Table, failure, from_database
from shared.clock import iso_from_ms
from shared.zones import MONDAY, SUNDAY

Day = Annotated[date, about("The day.")]
FirstDay = Annotated[date, about("The first day of the range.")]
LastDay = Annotated[date, about("The last day of the range.")]
Views = Annotated[int, count("Events of type `page_view`, or of the `event_type` asked for.")]
Users = Annotated[
    int,
    count(
        "Distinct `user_id` over events of all types, or of the `event_type` asked for. Events "
        "without a `user_id` count no user."
    ),
]


class Range(Struct):
    """Days of a site."""

    site_id: AsAsked
    first_day: FirstDay = field(name="from")
    last_day: LastDay = field(name="to")
    tz: Annotated[str, about("The time zone in which these are days.")]


class Point(Struct):
    """A minute, hour, day, week or month."""

    start: Annotated[str, moment("When it begins, in UTC.")]
    views: Views
    unique_users: Users


class Timeseries(Range):
    """A range told apart by time."""

    interval: Annotated[str, about("As it was asked, or the default.")]
    points: list[Point]
    week_start: (
        Annotated[str, about("Of weeks that begin with another day than Monday: that day.")]
        | UnsetType
    ) = UNSET


class Row(Struct):
    value: str
    views: Views
    unique_users: Users


class Breakdown(Range):
    """A range told apart by the values of a dimension."""

    dimension: AsAsked
    rows: list[Row]


def range_of(query: Query) -> tuple[str, date, date, str]:
    """The members of a Range."""
    return query.site_id, query.first_day, query.last_day, query.zone.key


def fetch_series(connection: Connection, query: Query) -> Timeseries:
    assert query.interval
    totals = fetch_totals(connection, query, query.boundaries)
    points = [
        Point(iso_from_ms(start), at.views, at.unique_users)
        for (start, end), at in zip(pairwise(query.boundaries), totals, strict=True)
        if start < end  # a day that a zone skipped, as Samoa did in 2011, is none
    ]
    is_usual = query.interval != "week" or query.week_start == MONDAY
    week_start = UNSET if is_usual else query.week_start
    return Timeseries(*range_of(query), query.interval, points, week_start)


def fetch_breakdown(connection: Connection, query: Query) -> Breakdown:
    assert query.dimension
    values = fetch_values(connection, query, query.dimension)
    return Breakdown(*range_of(query), query.dimension, [Row(*value) for value in values])


WRONG = {
    "The end before the start": {"from": "2025-11-16", "to": "2025-11-15"},
    "An end without a start": {"to": "2025-11-15"},
}
PRUNED = failure(
    "Half an hour of which the events are gone",
    "pruned",
    "events before 2024-01-01 were deleted for their age; of earlier days, ask for whole UTC "
    "hours, days or more, with one filter at most",
    "date",
    asked={"date": "2023-11-15", "tz": "Asia/Kolkata"},
)
A_YEAR_OF_MINUTES = {"from": "2024-11-16", "to": "2025-11-15", "interval": "minute"}
TOO_SLOW = failure(
    "Counted from the events for too long",
    "too_slow",
    "the answer takes longer than QUERY_SECONDS: ask for a shorter range or fewer filters",
    asked={"date": "2025-11-15", "path": "/pricing", "device": "mobile"},
)
FAULTS = (*DATABASE_FAULTS, TOO_SLOW)

FIRST, DAY = date(2025, 11, 13), date(2025, 11, 15)
THREE_DAYS = [
    Point("2025-11-13T00:00:00Z", 0, 0),
    Point("2025-11-14T00:00:00Z", 0, 0),
    Point("2025-11-15T00:00:00Z", 1450, 212),
]
A_FRIDAY = date(2025, 11, 7)
TWO_WEEKS = [Point("2025-11-07T00:00:00Z", 0, 0), Point("2025-11-09T00:00:00Z", 1450, 212)]
TIMESERIES = Route(
    paths=("/stats/timeseries",),
    summary="Views and users over time",
    description="By minute, hour, day, week (from Monday, or as `week_start` says) or month of the "
    "time zone; gaps are filled with zeros. The first and last week or month hold only the days "
    "asked for.",
    parameters=(by.SITE, by.INTERVAL, by.WEEK_START, by.FORMAT, *by.RANGE),
    query=series_query,
    is_public=True,
    answer=from_database(fetch_series),
    examples=(
        Example(
            "days",
            "Three days",
            Timeseries(by.SITE.example, FIRST, DAY, "UTC", "day", THREE_DAYS),
            {"from": "2025-11-13", "to": "2025-11-15", "interval": "day"},
        ),
        Example(
            "weeks",
            "Weeks from Sunday",
            Timeseries(by.SITE.example, A_FRIDAY, DAY, "UTC", "week", TWO_WEEKS, SUNDAY),
            {"from": "2025-11-07", "to": "2025-11-15", "interval": "week", "week_start": SUNDAY},
        ),
    ),
    kept=Kept.LIKE_THE_RANGE,
    table=Table("points", Point),
    wrong={**WRONG, "A year of minutes": A_YEAR_OF_MINUTES},
    refusals=(PRUNED,),
    faults=FAULTS,
)
TWO_PATHS = [Row("/pricing", 700, 212), Row("/blog/post-1", 500, 212)]
BREAKDOWN = Route(
    paths=("/stats/breakdown",),
    summary="Views and users by what they have in common",
    description="The most viewed values of a dimension; equal counts are in order of value. Events "
    "without a value are left out. `referrer` is the site that a referrer leads to.",
    parameters=(by.SITE, by.DIMENSION, by.LIMIT, by.FORMAT, *by.RANGE),
    query=breakdown_query,
    is_public=True,
    answer=from_database(fetch_breakdown),
    examples=(
        Example(
            "paths",
            "The two most viewed paths of a day",
            Breakdown(by.SITE.example, DAY, DAY, "UTC", "path", TWO_PATHS),
            {"date": "2025-11-15", "limit": 2},
        ),
    ),
    kept=Kept.LIKE_THE_RANGE,
    table=Table("rows", Row),
    wrong=WRONG,
    refusals=(PRUNED,),
    faults=FAULTS,
)
