"""The routes of a site's numbers, described in OpenAPI."""

from reporting.openapi_parts import (
    DATABASE_AWAY,
    NAME,
    NO_PARAMETERS,
    SITE,
    away,
    bad,
    read,
    unknown_parameter,
)
from reporting.openapi_schemas import DATE
from reporting.parameters import DEFAULT_LIMIT, MAX_LIMIT
from reporting.periods import INTERVALS, MAX_POINTS
from reporting.query import BREAKDOWNS, FORMATS
from shared.event import MAX_NAME, MAX_TEXT
from shared.openapi import Json, answer, error, example, query, refusal, same_as
from shared.rollups import DIMENSIONS

KEPT: Json = {
    "Cache-Control": {
        "description": "Seconds are the answer good for: few while the range goes on, an hour once "
        "it has ended, for events may still come late.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Sent back as `If-None-Match`, it is answered `304` while nothing changed.",
        "required": True,
        "schema": {"type": "string"},
    },
}
UNCHANGED: Json = {"304": {"description": "As it was when the `If-None-Match` was given."}}

RANGE_PARAMETERS: list[Json] = [
    query("date", DATE, "One day. Without it and without a range: today."),
    query("from", DATE, "The first day of a range, in place of `date`."),
    query("to", DATE, "The last day of a range, included. Without it: today."),
    query(
        "tz",
        {"type": "string", "default": "UTC"},
        "Where days begin, as an IANA name such as `Europe/Berlin`.",
    ),
    query(
        "event_type",
        NAME,
        "Narrows views and users to one type; `all` counts every type. Without it, views are of "
        "`page_view` and users of all types.",
    ),
    *(
        query(
            name,
            {"type": "string", "maxLength": MAX_TEXT},
            f"Only events with this value of `{name}`, exactly.",
        )
        for name in DIMENSIONS
    ),
]
LIMIT: Json = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
FORMAT = query(
    "format",
    {"enum": list(FORMATS), "default": "json"},
    "`csv` for a spreadsheet, as `Accept: text/csv` does. A text that a spreadsheet would take for "
    "a formula has an apostrophe before it.",
)


def site_and(first: list[Json], examples: dict[str, str]) -> list[Json]:
    """The site, the parameters of the route, then those of the range; with these examples."""
    site = query("site_id", NAME, "Which site.", required=True, example=SITE)
    return [
        {**parameter, "example": examples[parameter["name"]]}
        if parameter["name"] in examples
        else parameter
        for parameter in [site, *first, *RANGE_PARAMETERS]
    ]


def asked(**parameters: str) -> Json:
    """The request of an example."""
    return {"query": {"site_id": SITE} | {k.rstrip("_"): v for k, v in parameters.items()}}


A_DAY: Json = {
    "site_id": SITE,
    "date": "2025-11-15",
    "total_views": 1450,
    "unique_users": 212,
    "top_paths": [
        {"path": "/pricing", "views": 700},
        {"path": "/blog/post-1", "views": 500},
        {"path": "/", "views": 250},
    ],
    "total_events": 1502,
}
A_RANGE: Json = {
    "site_id": SITE,
    "from": "2025-11-01",
    "to": "2025-11-30",
    "total_views": 1750,
    "unique_users": 260,
    "top_paths": [{"path": "/pricing", "views": 1000}],
    "total_events": 1802,
}
COMPARED: Json = A_DAY | {
    "previous": {"date": "2025-11-14", "total_views": 0, "unique_users": 0, "total_events": 0},
    "change": {"total_views": 1450, "unique_users": 212, "total_events": 1502},
}
NOTHING: Json = {
    "site_id": "no-such-site",
    "date": "2025-11-15",
    "total_views": 0,
    "unique_users": 0,
    "top_paths": [],
    "total_events": 0,
}

BAD_RANGE: dict[str, Json] = {
    "missing_field": error("No site", "missing_field", "site_id required", "site_id", query={}),
    "bad_date": bad(
        "No date",
        "bad_date",
        "date must be a date as YYYY-MM-DD, from 1970-01-01 on",
        "date",
        date="2025-02-30",
    ),
    "bad_range": bad(
        "The end before the start",
        "bad_range",
        "from (2025-11-16) is after to (2025-11-15)",
        "from",
        **{"from": "2025-11-16", "to": "2025-11-15"},
    ),
    "bad_timezone": bad(
        "No such zone",
        "bad_timezone",
        "tz must be an IANA time zone, for example Europe/Berlin",
        "tz",
        tz="Mars/Olympus",
    ),
    "repeated_parameter": bad(
        "A parameter given twice",
        "repeated_parameter",
        "date is given twice",
        "date",
        date=["2025-11-15", "2025-11-16"],
    ),
    "too_long": error(
        "A name over its bound",
        "too_long",
        f"site_id must have at most {MAX_NAME} characters",
        "site_id",
    ),
    "pruned": bad(
        "Half an hour of which the events are gone",
        "pruned",
        "events before 2024-01-01 were deleted (MAX_AGE); of earlier days, ask for whole UTC "
        "hours, days or more, with one filter at most",
        "date",
        date="2023-11-15",
        tz="Asia/Kolkata",
    ),
}
TOO_SLOW = bad(
    "Counted from the events for too long",
    "too_slow",
    "the answer takes longer than QUERY_SECONDS: ask for a shorter range or fewer filters",
    field=None,
    date="2025-11-15",
    path="/pricing",
    device="mobile",
)
AWAY_OR_SLOW = away(DATABASE_AWAY | {"too_slow": TOO_SLOW})
NEEDS_DIMENSION: Json = {"dimension": "path"}


def bad_of(route: Json) -> dict[str, Json]:
    """The errors of a range, in requests that have what the route requires besides."""
    return {name: with_query(described, route) for name, described in BAD_RANGE.items()}


def with_query(described: Json, more: Json) -> Json:
    """An example whose request, where it has one, asks for more."""
    if "x-request" not in described:
        return described
    return described | {"x-request": {"query": more | described["x-request"]["query"]}}


BAD_LIMIT = bad(
    "Too many", "bad_limit", f"limit must be a whole number from 1 to {MAX_LIMIT}", "limit",
    limit="5000", dimension="path",
)  # fmt: skip
BAD_FORMAT = bad("No such format", "bad_format", "format must be one of json, csv", "format",
                 format="xml", dimension="path")  # fmt: skip


def without_dimension(described: Json) -> Json:
    """The same request to a route that knows no dimension."""
    kept = {k: v for k, v in described["x-request"]["query"].items() if k != "dimension"}
    return described | {"x-request": {"query": kept}}


STATS = read(
    "numbers",
    "Views, users and top paths",
    "Of a site, for a day or a range of days.",
    {
        "200": answer(
            "The numbers; zeros for an unknown site or an empty day.",
            "Stats",
            {
                "a_day": example("A day", A_DAY),
                "a_range": example(
                    "A range, its most viewed path only",
                    A_RANGE,
                    asked(from_="2025-11-01", to="2025-11-30", limit="1"),
                ),
                "compared": example(
                    "A day, and the day before",
                    COMPARED,
                    asked(date="2025-11-15", compare="previous"),
                ),
                "nothing": example(
                    "Nothing there",
                    NOTHING,
                    {"query": {"site_id": "no-such-site", "date": "2025-11-15"}},
                ),
            },
            headers=KEPT,
        ),
        **UNCHANGED,
        "400": refusal(
            "Bad parameters.",
            **bad_of({}),
            bad_limit=without_dimension(BAD_LIMIT),
            bad_compare=bad(
                "Compared with something else",
                "bad_compare",
                "compare must be one of previous",
                "compare",
                compare="next",
            ),
            unknown_parameter=unknown_parameter("dat", "did you mean date?", site_id=SITE),
        ),
    },
    parameters=site_and(
        [
            query("limit", LIMIT, "How many `top_paths`."),
            query(
                "compare",
                {"enum": ["previous"]},
                "`previous` adds the numbers of as many days right before, and the differences.",
            ),
        ],
        {"date": "2025-11-15"},
    ),
)
STATS["responses"]["503"] = AWAY_OR_SLOW
STATS_AGGREGATED = same_as("/stats", STATS)

DAYS: Json = {
    "site_id": SITE,
    "from": "2025-11-13",
    "to": "2025-11-15",
    "tz": "UTC",
    "interval": "day",
    "points": [
        {"start": "2025-11-13T00:00:00Z", "views": 0, "unique_users": 0},
        {"start": "2025-11-14T00:00:00Z", "views": 0, "unique_users": 0},
        {"start": "2025-11-15T00:00:00Z", "views": 1450, "unique_users": 212},
    ],
}
DAYS_CSV = "start,views,unique_users\r\n" + "".join(
    f"{point['start']},{point['views']},{point['unique_users']}\r\n" for point in DAYS["points"]
)


def table_answer(description: str, schema: str, examples: Json, csv: str, request: Json) -> Json:
    """An answer as JSON, and as CSV where that is asked for."""
    described = answer(description, schema, examples, headers=KEPT)
    described["content"]["text/csv"] = {
        "schema": {"type": "string"},
        "examples": {"csv": example("As CSV", csv, request)},
    }
    return described


SERIES = read(
    "numbers",
    "Views and users over time",
    "By minute, hour, day, week (from Monday) or month of the time zone; gaps are filled with "
    "zeros. The first and last week or month hold only the days asked for.",
    {
        "200": table_answer(
            "One point each interval; `start` is when it begins, in UTC.",
            "Timeseries",
            {"days": example("Three days", DAYS)},
            DAYS_CSV,
            asked(from_="2025-11-13", to="2025-11-15", format="csv"),
        ),
        **UNCHANGED,
        "400": refusal(
            "Bad parameters.",
            **bad_of({}),
            bad_interval=bad(
                "No such interval",
                "bad_interval",
                f"interval must be one of {', '.join(INTERVALS)}",
                "interval",
                interval="year",
            ),
            too_many_points=bad(
                "A year of minutes",
                "too_many_points",
                f"the range has 525600 minutes, more than {MAX_POINTS}: "
                "ask for a longer interval or a shorter range",
                "interval",
                interval="minute",
                **{"from": "2024-11-16", "to": "2025-11-15"},
            ),
            bad_format=without_dimension(BAD_FORMAT),
            unknown_parameter=unknown_parameter(
                "intervall", "did you mean interval?", site_id=SITE
            ),
        ),
    },
    parameters=site_and(
        [
            query(
                "interval",
                {"enum": list(INTERVALS)},
                "Without it: `hour` for a single day, else `day`. "
                f"At most {MAX_POINTS} points are given.",
            ),
            FORMAT,
        ],
        {"from": "2025-11-13", "to": "2025-11-15", "interval": "day"},
    ),
)
SERIES["responses"]["503"] = AWAY_OR_SLOW

PATHS: Json = {
    "site_id": SITE,
    "from": "2025-11-15",
    "to": "2025-11-15",
    "tz": "UTC",
    "dimension": "path",
    "rows": [
        {"value": "/pricing", "views": 700, "unique_users": 212},
        {"value": "/blog/post-1", "views": 500, "unique_users": 212},
    ],
}
PATHS_CSV = "value,views,unique_users\r\n/pricing,700,212\r\n/blog/post-1,500,212\r\n/,250,212\r\n"
BREAKDOWN = read(
    "numbers",
    "Views and users by what they have in common",
    "The most viewed values of a dimension; equal counts are in order of value. Events without a "
    "value are left out. `referrer` is the site that a referrer leads to.",
    {
        "200": table_answer(
            "One row each value.",
            "Breakdown",
            {"paths": example("The two most viewed paths of a day", PATHS)},
            PATHS_CSV,
            asked(dimension="path", date="2025-11-15", format="csv"),
        ),
        **UNCHANGED,
        "400": refusal(
            "Bad parameters.",
            **bad_of(NEEDS_DIMENSION),
            bad_dimension=bad(
                "No such dimension",
                "bad_dimension",
                f"dimension must be one of {', '.join(BREAKDOWNS)}",
                "dimension",
                dimension="user_id",
            ),
            bad_limit=BAD_LIMIT,
            bad_format=BAD_FORMAT,
            unknown_parameter=unknown_parameter(
                "dimensions", "did you mean dimension?", site_id=SITE
            ),
        ),
    },
    parameters=site_and(
        [
            query("dimension", {"enum": list(BREAKDOWNS)}, "By what.", required=True),
            query("limit", LIMIT, "How many rows."),
            FORMAT,
        ],
        {"date": "2025-11-15", "dimension": "path", "limit": "2"},
    ),
)

BREAKDOWN["responses"]["503"] = away(
    DATABASE_AWAY | {"too_slow": with_query(TOO_SLOW, NEEDS_DIMENSION)}
)
SITES = read(
    "numbers",
    "The sites seen",
    "Every site that has an event, with its first and last one.",
    {
        "200": answer(
            "The sites, in order of `site_id`.",
            "Sites",
            {
                "one_site": example(
                    "One site",
                    {
                        "sites": [
                            {
                                "site_id": SITE,
                                "first_event": "2025-11-02T08:00:00.500Z",
                                "last_event": "2025-11-15T18:30:00Z",
                                "total_events": 1802,
                                "total_views": 1750,
                            }
                        ]
                    },
                )
            },
        ),
        "400": NO_PARAMETERS,
    },
)
