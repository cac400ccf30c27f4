"""The routes of a site's numbers, described in OpenAPI."""

from reporting.ask.periods import INTERVALS, MAX_POINTS
from reporting.ask.query import BREAKDOWNS
from reporting.http.openapi_parts import (
    DATABASE_AWAY,
    NO_PARAMETERS,
    SITE,
    away,
    bad,
    read,
    unknown_parameter,
)
from reporting.http.openapi_ranges import (
    AWAY_OR_SLOW,
    BAD_FORMAT,
    BAD_LIMIT,
    FORMAT,
    KEPT,
    LIMIT,
    NEEDS_DIMENSION,
    TOO_SLOW,
    UNCHANGED,
    asked,
    bad_of,
    site_and,
    table_answer,
    with_query,
    without_dimension,
)
from shared.http.openapi import Json, answer, example, query, refusal, same_as

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
