"""The live and compatibility routes in OpenAPI: what `read` of reporting.openapi makes of each."""

from typing import Any

from reporting.ask.live_query import DEFAULT_LOOKBACK, DEFAULT_MINUTES, MAX_LOOKBACK, MAX_MINUTES
from reporting.ask.parameters import DEFAULT_LIMIT, MAX_LIMIT
from reporting.http.openapi_parts import NAME, SITE, unknown_parameter
from shared.http.openapi import Json, answer, error, example, query, refusal

USER = "user-7"
BUCKET_KEY = "page_view_2025-11-15_18:29"
NOT_KEPT: Json = {
    "Cache-Control": {
        "description": "The answer is another one the next moment.",
        "required": True,
        "schema": {"type": "string"},
        "example": "no-store",
    }
}
ONE_SITE = query("site_id", NAME, "Which site.", required=True, example=SITE)
ANY_SITE = query("site_id", NAME, "Which site. Without it: all.")
LIMIT = query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "How many.",
)


def in_path(name: str, schema: Json, description: str, value: str) -> Json:
    """A parameter that is a part of the path."""
    described = {"name": name, "in": "path", "required": True, "schema": schema}
    return described | {"description": description, "example": value}


USER_ID = in_path("user_id", NAME, "Which user, percent-encoded; `%2F` and `/` are the same.", USER)


def answered(description: str, schema: str, **examples: Json) -> Json:
    return answer(description, schema, examples, headers=NOT_KEPT)


def refused(**examples: Json) -> Json:
    return refusal("Bad parameters.", **examples)


def operation(
    summary: str, description: str, parameters: list[Json], good: Json, bad: Json
) -> Json:
    """The arguments of `read`."""
    return {
        "tag": "now",
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "answers": {"200": good, "400": bad},
    }


NO_SITE = error("No site", "missing_field", "site_id required", "site_id", query={})
BAD_LIMIT = error(
    "Too many",
    "bad_limit",
    f"limit must be a whole number from 1 to {MAX_LIMIT}",
    "limit",
    query={"limit": "5000"},
)
ONLY_SITE = unknown_parameter("limit", "known are site_id", site_id=SITE)
SESSIONS: Json = {
    "user_id": USER,
    "active_sessions": 2,
    "sessions": [
        {"session_id": "session-7", "last_seen": "2025-11-15T18:29:59.993Z"},
        {"session_id": "session-219", "last_seen": "2025-11-15T18:29:59.781Z"},
    ],
}


def minute(name: str, views: int, users: int, *names: str) -> Json:
    """A member of a list of minutes, whose members have these names."""
    return dict(zip(names, (f"2025-11-15T{name}:00Z", views, users), strict=True))


REALTIME_MEMBERS = ("minute", "views", "unique_users")
REALTIME = operation(
    "The last five minutes",
    "Of a site: who is there, and what is viewed. Both ends of the five minutes count. "
    "`per_minute` lists each UTC minute that they touch, with as much of it as is in them.",
    [ONE_SITE],
    answered(
        "The numbers now.",
        "Realtime",
        now=example(
            "A burst two minutes ago",
            {
                "active_users": 212,
                "active_sessions": 424,
                "views": 1450,
                "top_pages": [
                    {"path": "/pricing", "views": 700},
                    {"path": "/blog/post-1", "views": 500},
                    {"path": "/", "views": 250},
                ],
                "per_minute": [
                    minute("18:27", 0, 0, *REALTIME_MEMBERS),
                    minute("18:28", 0, 0, *REALTIME_MEMBERS),
                    minute("18:29", 1449, 212, *REALTIME_MEMBERS),
                    minute("18:30", 1, 1, *REALTIME_MEMBERS),
                    minute("18:31", 0, 0, *REALTIME_MEMBERS),
                    minute("18:32", 0, 0, *REALTIME_MEMBERS),
                ],
            },
        ),
    ),
    refused(missing_field=NO_SITE, unknown_parameter=ONLY_SITE),
)
USER_SESSIONS = operation(
    "A user's sessions",
    "Those with an event in the last five minutes, newest first, equal ones by `session_id`.",
    [USER_ID, ONE_SITE],
    answered("The sessions.", "Sessions", two=example("Two", SESSIONS)),
    refused(missing_field=NO_SITE, unknown_parameter=ONLY_SITE),
)
SESSIONS_ANYWHERE = operation(
    "A user's sessions, of any site",
    "The same as `/users/{user_id}/sessions` where `site_id` may be left out.",
    [USER_ID, ANY_SITE],
    answered("The sessions.", "Sessions", two=example("Two", SESSIONS)),
    refused(unknown_parameter=ONLY_SITE),
)
ACTIVE_USERS = operation(
    "The most active users",
    "Those with the most events, of any type, in the last five minutes; equal ones by name.",
    [ANY_SITE, {**LIMIT, "example": 3}],
    answered(
        "The users.",
        "ActiveUsers",
        three=example(
            "Three",
            [
                {"user_id": "user-0", "events": 8},
                {"user_id": "user-1", "events": 8},
                {"user_id": "user-10", "events": 8},
            ],
        ),
    ),
    refused(
        bad_limit=BAD_LIMIT,
        unknown_parameter=unknown_parameter("limt", "did you mean limit?", site_id=SITE),
    ),
)
PAGE_VIEWS = operation(
    "The most viewed pages",
    "Of the last five minutes; equal ones by name.",
    [ANY_SITE, {**LIMIT, "example": 2}],
    answered(
        "The pages.",
        "PageViews",
        two=example(
            "Two",
            [
                {"page_url": "/pricing", "views": 700},
                {"page_url": "/blog/post-1", "views": 500},
            ],
        ),
    ),
    refused(
        bad_limit=BAD_LIMIT,
        unknown_parameter=unknown_parameter("limt", "did you mean limit?", site_id=SITE),
    ),
)


def usage(daily: Json, weekly: Json, monthly: Json) -> Json:
    return {"daily": daily, "weekly": weekly, "monthly": monthly}


def in_november(events: int, earlier: int = 0) -> Json:
    """Events of 15 November 2025, and those of the 2nd."""
    weeks = {"2025-11-02": earlier} if earlier else {}
    return usage(
        {"2025-11-15": events},
        weeks | {"2025-11-09": events},
        {"2025-11": events + earlier},
    )


def analytics(overall: Json, **usages: Json) -> Json:
    return {"status": 200, "data": {"global": overall, "usages": usages}}


ANALYTICS = operation(
    "Events by day, week and month",
    "Overall and by event type, in UTC. Only days, weeks and months with an event are listed; "
    "a week is named by the Sunday it begins with. The oldest of each is the one that now was in "
    "`lookback` days, weeks or months ago, counted whole. With `uniqueId` or `type`, what "
    "`MAX_AGE` has deleted is not counted.",
    [
        query(
            "lookback",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_LOOKBACK,
                "default": DEFAULT_LOOKBACK,
            },
            "How many days, weeks and months to look back.",
            example=7,
        ),
        ANY_SITE,
        query("uniqueId", NAME, "Events of one `user_id` only."),
        query("type", NAME, "Events whose property `type` is this only."),
    ],
    answered(
        "The counts.",
        "Analytics",
        all=example(
            "All events",
            analytics(
                in_november(1502, 300), page_view=in_november(1450, 300), signup=in_november(52)
            ),
        ),
        of_a_user=example(
            "Of a user",
            analytics(in_november(8), page_view=in_november(7), signup=in_november(1)),
            {"query": {"uniqueId": USER}},
        ),
        of_a_type=example(
            "Of a type",
            analytics(in_november(52), signup=in_november(52)),
            {"query": {"type": "trial"}},
        ),
    ),
    refused(
        bad_lookback=error(
            "Too far back",
            "bad_lookback",
            f"lookback must be a whole number from 1 to {MAX_LOOKBACK}",
            "lookback",
            query={"lookback": "1000"},
        ),
        unknown_parameter=unknown_parameter("userId", "did you mean uniqueId?"),
    ),
)
VIEWS_MEMBERS = ("minute_timestamp", "count", "unique_users")
VIEWS_PER_MINUTE = operation(
    "Page views by the minute",
    "Whole UTC minutes in order, from that of `minutes` ago to that of now, the empty ones too.",
    [
        query(
            "minutes",
            {"type": "integer", "minimum": 1, "maximum": MAX_MINUTES, "default": DEFAULT_MINUTES},
            "How many minutes to look back.",
            example=3,
        ),
        ANY_SITE,
    ],
    answered(
        "The minutes.",
        "ViewsPerMinute",
        some=example(
            "Three minutes back",
            {
                "page_views_per_minute": [
                    minute("18:29", 1449, 212, *VIEWS_MEMBERS),
                    minute("18:30", 1, 1, *VIEWS_MEMBERS),
                    minute("18:31", 0, 0, *VIEWS_MEMBERS),
                    minute("18:32", 0, 0, *VIEWS_MEMBERS),
                ]
            },
        ),
    ),
    refused(
        bad_minutes=error(
            "Too many",
            "bad_minutes",
            f"minutes must be a whole number from 1 to {MAX_MINUTES}",
            "minutes",
            query={"minutes": "1441"},
        ),
        unknown_parameter=unknown_parameter("minute", "did you mean minutes?"),
    ),
)
MINUTE_BUCKET = operation(
    "Events of one type in one minute",
    "Of any minute, however long ago.",
    [
        in_path(
            "bucket_key",
            {"type": "string", "pattern": "^.+_[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}:[0-9]{2}$"},
            "The type and the UTC minute, as `<event_type>_YYYY-MM-DD_HH:MM`.",
            BUCKET_KEY,
        ),
        ANY_SITE,
    ],
    answered(
        "The count; 0 where there was none.",
        "MinuteBucket",
        views=example("Page views", {"bucket_key": BUCKET_KEY, "count": 1449}),
    ),
    refused(
        bad_bucket_key=error(
            "No minute",
            "bad_bucket_key",
            "bucket_key must be <event_type>_YYYY-MM-DD_HH:MM, "
            "for example page_view_2024-06-07_12:34",
            "bucket_key",
            path={"bucket_key": "page_view_2025-11-15"},
        ),
        unknown_parameter=ONLY_SITE,
    ),
)

LIVE_TAG: Json = {
    "name": "now",
    "description": "The last minutes, and what dashboards of other systems poll.",
}
LIVE_OPERATIONS: dict[str, dict[str, Any]] = {
    "/realtime": REALTIME,
    "/users/{user_id}/sessions": USER_SESSIONS,
    "/metrics/active-users": ACTIVE_USERS,
    "/metrics/page-views": PAGE_VIEWS,
    "/metrics/user-sessions/{user_id}": SESSIONS_ANYWHERE,
    "/analytics": ANALYTICS,
    "/analytics/page_views_per_minute": VIEWS_PER_MINUTE,
    "/analytics/minute-buckets/{bucket_key}": MINUTE_BUCKET,
}
