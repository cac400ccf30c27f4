"""The reporting service described in OpenAPI 3.1."""

from typing import Any

from reporting.openapi_schemas import DATE, SCHEMAS
from reporting.query import DEFAULT_LIMIT, MAX_LIMIT
from shared.event import MAX_NAME
from shared.openapi import (
    KEY_OR_OPEN,
    RETRY_AFTER,
    Json,
    answer,
    common_paths,
    document,
    error,
    example,
    query,
    refusal,
    same_as,
)

ABOUT = """\
Answers what was counted. It only reads, and it answers `503` while the database is away.

With `API_AUTH` set, every route but `/health` and `/ready` asks for the key: \
`Authorization: <key>` or `Authorization: Bearer <key>`. A query parameter that a route does not \
know is an error, so that a misspelt one is not silently ignored. Paths that do not exist are \
answered `404` and wrong methods `405`, in the shape of every other error."""

SITE = "site-abc-123"
NAME: Json = {"type": "string", "maxLength": MAX_NAME}


UNAUTHORIZED = refusal(
    "No key or a wrong one; only with `API_AUTH` set.",
    unauthorized=error("No key", "unauthorized", "a valid API key is required"),
)
DATABASE_AWAY: Json = {
    "database_unavailable": error(
        "The database is away",
        "database_unavailable",
        "the database is unavailable: (2003, \"Can't connect to MySQL server on 'db' "
        '([Errno 111] Connection refused)")',
    ),
    "not_migrated": error(
        "It has no tables", "not_migrated", "the database has no tables: run `make migrate`"
    ),
}
REDIS_AWAY: Json = {
    "queue_unavailable": error(
        "Redis is away",
        "queue_unavailable",
        "redis://127.0.0.1:6379/0: Error 111 connecting to 127.0.0.1:6379. Connection refused.",
    )
}
# Of what asks both and no table.
UNREACHABLE = {"database_unavailable": DATABASE_AWAY["database_unavailable"], **REDIS_AWAY}


def away(examples: Json) -> Json:
    return refusal("For now; try again after `Retry-After`.", headers=RETRY_AFTER, **examples)


def unknown_parameter(name: str, hint: str, **known: str) -> Json:
    message = f"unknown parameter {name}; {hint}"
    return error(
        "A parameter it does not know",
        "unknown_parameter",
        message,
        name,
        query={**known, name: "x"},
    )


def bad(summary: str, code: str, message: str, field: str, **asked: str | list[str]) -> Json:
    return error(summary, code, message, field, query={"site_id": SITE, **asked})


def read(tag: str, summary: str, description: str, answers: Json, **more: Any) -> Json:
    """A GET operation that asks for the key and needs the database."""
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "security": KEY_OR_OPEN,
        **more,
        "responses": {**answers, "401": UNAUTHORIZED, "503": away(DATABASE_AWAY)},
    }


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
NOTHING: Json = {
    "site_id": "no-such-site",
    "date": "2025-11-15",
    "total_views": 0,
    "unique_users": 0,
    "top_paths": [],
    "total_events": 0,
}
STATS_PARAMETERS: list[Json] = [
    query("site_id", NAME, "Which site.", required=True, example=SITE),
    query("date", DATE, "One day. Without it and without a range: today.", example="2025-11-15"),
    query("from", DATE, "The first day of a range, in place of `date`."),
    query("to", DATE, "The last day of a range, included. Without it: today."),
    query(
        "tz",
        {"type": "string", "default": "UTC"},
        "Where days begin, as an IANA name such as `Europe/Berlin`.",
    ),
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "How many `top_paths`.",
    ),
    query(
        "event_type",
        NAME,
        "Narrows views, users and paths to one type; `all` counts every type. Without it, views "
        "and paths are of `page_view` and users of all types.",
    ),
]
STATS_ANSWERS: Json = {
    "200": answer(
        "The numbers; zeros for an unknown site or an empty day.",
        "Stats",
        {
            "a_day": example("A day", A_DAY),
            "a_range": example(
                "A range, its most viewed path only",
                A_RANGE,
                {
                    "query": {
                        "site_id": SITE,
                        "from": "2025-11-01",
                        "to": "2025-11-30",
                        "limit": "1",
                    }
                },
            ),
            "nothing": example(
                "Nothing there",
                NOTHING,
                {"query": {"site_id": "no-such-site", "date": "2025-11-15"}},
            ),
        },
    ),
    "400": refusal(
        "Bad parameters.",
        missing_field=error("No site", "missing_field", "site_id required", "site_id", query={}),
        bad_date=bad(
            "No date",
            "bad_date",
            "date must be a date as YYYY-MM-DD, from 1970-01-01 on",
            "date",
            date="2025-02-30",
        ),
        bad_range=bad(
            "The end before the start",
            "bad_range",
            "from (2025-11-16) is after to (2025-11-15)",
            "from",
            **{"from": "2025-11-16", "to": "2025-11-15"},
        ),
        bad_timezone=bad(
            "No such zone",
            "bad_timezone",
            "tz must be an IANA time zone, for example Europe/Berlin",
            "tz",
            tz="Mars/Olympus",
        ),
        bad_limit=bad(
            "Too many",
            "bad_limit",
            f"limit must be a whole number from 1 to {MAX_LIMIT}",
            "limit",
            limit="5000",
        ),
        repeated_parameter=bad(
            "A parameter given twice",
            "repeated_parameter",
            "date is given twice",
            "date",
            date=["2025-11-15", "2025-11-16"],
        ),
        too_long=error(
            "A name over its bound",
            "too_long",
            f"site_id must have at most {MAX_NAME} characters",
            "site_id",
        ),
        unknown_parameter=unknown_parameter("dat", "did you mean date?", site_id=SITE),
    ),
}
STATS = read(
    "numbers",
    "Views, users and top paths",
    "Of a site, for a day or a range of days.",
    STATS_ANSWERS,
    parameters=STATS_PARAMETERS,
)
STATS_AGGREGATED = same_as("/stats", STATS)

NO_PARAMETERS = refusal(
    "Bad parameters.", unknown_parameter=unknown_parameter("page", "this route takes none")
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
PIPELINE = read(
    "operation",
    "The ledger",
    "What became of every accepted event: stored, a duplicate, dropped for a reason, dead, or "
    "still on its way.",
    {
        "200": answer(
            "The ledger now.",
            "Pipeline",
            {
                "quiet": example(
                    "Nothing waits",
                    {
                        "accepted": 1808,
                        "stored": 1802,
                        "duplicates": 6,
                        "dropped": {},
                        "dead": 0,
                        "queued": 0,
                        "processing": 0,
                        "oldest_queued_seconds": None,
                        "workers": 1,
                        "failed_batches": 0,
                        "balanced": True,
                    },
                )
            },
        ),
        "400": NO_PARAMETERS,
    },
)
PIPELINE["responses"]["503"] = away(DATABASE_AWAY | REDIS_AWAY)
PERSISTENT = same_as("/pipeline/status", PIPELINE)
SYSTEM = read(
    "operation",
    "Machine and stores",
    "How long this service runs, and what it, Redis and the database take up.",
    {
        "200": answer(
            "The numbers now.",
            "System",
            {
                "now": example(
                    "A small installation",
                    {
                        "uptime_seconds": 86412.3,
                        "cpu_percent": 3.1,
                        "memory_bytes": {"total": 8589934592, "available": 6120816640},
                        "process": {"memory_bytes": 72351744},
                        "redis": {"keys": 9, "memory_bytes": 1204224},
                        "database": {"kind": "sqlite", "size_bytes": 12713984},
                    },
                )
            },
        ),
        "400": NO_PARAMETERS,
    },
)
SYSTEM["responses"]["503"] = away(UNREACHABLE)

METRICS = """\
footfall_events_total{outcome="stored",reason=""} 1802.0
footfall_events_total{outcome="duplicate",reason=""} 6.0
footfall_events_total{outcome="dead",reason=""} 0.0
"""

OPENAPI: dict[str, Any] = document(
    "Footfall reporting",
    ABOUT,
    address="http://127.0.0.1:8001",
    tags=[
        {"name": "numbers", "description": "What was counted."},
        {"name": "operation", "description": "For whoever runs it."},
    ],
    paths={
        "/stats": {"get": STATS},
        "/stats/aggregated": {"get": STATS_AGGREGATED},
        "/sites": {"get": SITES},
        "/pipeline/status": {"get": PIPELINE},
        "/persistent/status": {"get": PERSISTENT},
        "/system": {"get": SYSTEM},
        **common_paths(
            security=KEY_OR_OPEN,
            ready={"status": "ready"},
            not_ready=UNREACHABLE,
            refused={"401": UNAUTHORIZED},
            metrics=METRICS,
        ),
    },
    schemas=SCHEMAS,
)
