"""The reporting service described in OpenAPI 3.1."""

from typing import Any

from shared.openapi import (
    KEY_OR_OPEN,
    RETRY_AFTER,
    STATUS_SCHEMA,
    Json,
    answer,
    common_paths,
    document,
    error,
    example,
    query,
    refusal,
)

ABOUT = """\
Answers what was counted. It only reads, and it answers `503` while the database is away.

With `API_AUTH` set, every route but `/health` and `/ready` asks for the key: \
`Authorization: <key>` or `Authorization: Bearer <key>`. A query parameter that a route does not \
know is an error, so that a misspelt one is not silently ignored. Paths that do not exist are \
answered `404` and wrong methods `405`, in the shape of every other error."""

SITE = "site-abc-123"
MAX_LIMIT = 1000


def count(description: str) -> Json:
    return {"type": "integer", "minimum": 0, "description": description}


def an_object(description: str, properties: Json, **more: Any) -> Json:
    """A schema of an object that always has all these members."""
    return {
        "type": "object",
        "description": description,
        "required": list(properties),
        "properties": properties,
        **more,
    }


DATE: Json = {"type": "string", "format": "date"}
TIME: Json = {"type": "string", "format": "date-time"}
TOTALS: Json = {
    "site_id": {"type": "string", "description": "As it was asked."},
    "total_views": count("Events of type `page_view`, or of the `event_type` asked for."),
    "unique_users": count(
        "Distinct `user_id` over events of all types, or of the `event_type` asked for. Events "
        "without a `user_id` count no user."
    ),
    "top_paths": {
        "type": "array",
        "description": "The most viewed paths; equal counts are in order of path. Events without a "
        "path are left out.",
        "items": an_object(
            "A path and its views.", {"path": {"type": "string"}, "views": count("Its views.")}
        ),
    },
    "total_events": count("Events of all types, whatever `event_type` says."),
}
SCHEMAS: Json = {
    "Stats": {
        "type": "object",
        "description": "A day has `date`; a range has `from` and `to` in its place.",
        "required": list(TOTALS),
        "oneOf": [{"required": ["date"]}, {"required": ["from", "to"]}],
        "properties": {
            "date": {**DATE, "description": "The day."},
            "from": {**DATE, "description": "The first day of the range."},
            "to": {**DATE, "description": "The last day of the range."},
            **TOTALS,
        },
    },
    "Sites": an_object(
        "Every site that has an event.",
        {
            "sites": {
                "type": "array",
                "items": an_object(
                    "A site.",
                    {
                        "site_id": {"type": "string"},
                        "first_event": {**TIME, "description": "Its earliest `timestamp`."},
                        "last_event": {**TIME, "description": "Its latest `timestamp`."},
                        "total_events": count("Events of all types."),
                        "total_views": count("Events of type `page_view`."),
                    },
                ),
            }
        },
    ),
    "Pipeline": an_object(
        "The ledger: what became of every event that was ever accepted.",
        {
            "accepted": count("Events answered with 202."),
            "stored": count("Events in the database."),
            "duplicates": count("Events that were there before, by their `event_id`."),
            "dropped": {
                "type": "object",
                "description": "Events not counted on purpose, by reason.",
                "additionalProperties": count("Events."),
            },
            "dead": count("Events the database refused; `footfall dead-letters` lists them."),
            "queued": count("Events that wait in Redis."),
            "processing": count("Events a worker holds."),
            "oldest_queued_seconds": {
                "type": ["number", "null"],
                "minimum": 0,
                "description": "How long the oldest event waits; null where none does.",
            },
            "workers": count("Workers that are alive."),
            "failed_batches": count("Batches given back because of a fault, not yet stored."),
            "balanced": {
                "type": "boolean",
                "description": "Whether accepted = stored + duplicates + dropped + dead + queued + "
                "processing.",
            },
        },
    ),
    "System": an_object(
        "The machine and the stores, in seconds, percent and bytes.",
        {
            "uptime_seconds": {"type": "number", "description": "Of this service."},
            "cpu_percent": {"type": "number", "description": "Of the machine."},
            "memory_bytes": count("Of the machine, in use."),
            "process": an_object(
                "This service.",
                {"cpu_percent": {"type": "number"}, "memory_bytes": count("Resident.")},
            ),
            "redis": an_object(
                "Null members while Redis is away.",
                {
                    "keys": {"type": ["integer", "null"]},
                    "memory_bytes": {"type": ["integer", "null"]},
                },
            ),
            "database": an_object(
                "The database.",
                {
                    "kind": {"enum": ["sqlite", "mariadb", "mysql"]},
                    "size_bytes": {"type": ["integer", "null"]},
                },
            ),
        },
    ),
    "Status": STATUS_SCHEMA,
}

UNAUTHORIZED = refusal(
    "No key or a wrong one; only with `API_AUTH` set.",
    unauthorized=error("No key", "unauthorized", "a valid API key is required"),
)
AWAY = refusal(
    "The database is away; try again after `Retry-After`.",
    headers=RETRY_AFTER,
    database_unavailable=error(
        "The database is away",
        "database_unavailable",
        "the database is unavailable: (2003, \"Can't connect to MySQL server on 'db' "
        '([Errno 111] Connection refused)")',
    ),
    not_migrated=error(
        "It has no tables", "not_migrated", "the database has no tables: run `make migrate`"
    ),
)


def unknown_parameter(**known: str) -> Json:
    return error(
        "A misspelt parameter",
        "unknown_parameter",
        "unknown parameter: dat",
        "dat",
        query={**known, "dat": "2025-11-15"},
    )


def bad(summary: str, code: str, message: str, field: str, **asked: str) -> Json:
    return error(summary, code, message, field, query={"site_id": SITE, **asked})


def read(tag: str, summary: str, description: str, answers: Json, **more: Any) -> Json:
    """A GET operation that asks for the key and needs the database."""
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "security": KEY_OR_OPEN,
        **more,
        "responses": {**answers, "401": UNAUTHORIZED, "503": AWAY},
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
    "total_views": 40210,
    "unique_users": 3977,
    "top_paths": [{"path": "/pricing", "views": 19200}],
    "total_events": 43019,
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
    query("site_id", {"type": "string"}, "Which site.", required=True, example=SITE),
    query("date", DATE, "One day. Without it and without a range: today.", example="2025-11-15"),
    query("from", DATE, "The first day of a range, in place of `date`; needs `to`."),
    query("to", DATE, "The last day of a range, included; needs `from`."),
    query(
        "tz",
        {"type": "string", "default": "UTC"},
        "Where days begin, as an IANA name such as `Europe/Berlin`.",
    ),
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 10},
        "How many `top_paths`.",
    ),
    query(
        "event_type",
        {"type": "string", "default": "page_view"},
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
        bad_date=bad("No date", "bad_date", "date must be YYYY-MM-DD", "date", date="2025-02-30"),
        bad_range=bad(
            "The end before the start",
            "bad_range",
            "from must not be after to",
            "from",
            **{"from": "2025-11-16", "to": "2025-11-15"},
        ),
        bad_timezone=bad(
            "No such zone", "bad_timezone", "tz must be an IANA time zone", "tz", tz="Mars/Olympus"
        ),
        bad_limit=bad(
            "Too many",
            "bad_limit",
            f"limit must be a whole number from 1 to {MAX_LIMIT}",
            "limit",
            limit="5000",
        ),
        unknown_parameter=unknown_parameter(site_id=SITE),
    ),
}
STATS = read(
    "numbers",
    "Views, users and top paths",
    "Of a site, for a day or a range of days.",
    STATS_ANSWERS,
    parameters=STATS_PARAMETERS,
)
STATS_AGGREGATED = STATS | {"summary": "The same as /stats", "description": "Another name for it."}

NO_PARAMETERS = refusal("Bad parameters.", unknown_parameter=unknown_parameter())
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
                                "first_event": "2025-11-01T00:00:12.500Z",
                                "last_event": "2025-11-30T23:59:58Z",
                                "total_events": 43019,
                                "total_views": 40210,
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
                        "accepted": 43025,
                        "stored": 43019,
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
PERSISTENT = PIPELINE | {
    "summary": "The same as /pipeline/status",
    "description": "Another name for it.",
}
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
                        "memory_bytes": 1288490188,
                        "process": {"cpu_percent": 0.2, "memory_bytes": 72351744},
                        "redis": {"keys": 9, "memory_bytes": 1204224},
                        "database": {"kind": "sqlite", "size_bytes": 12713984},
                    },
                )
            },
        ),
        "400": NO_PARAMETERS,
    },
)

METRICS = """\
footfall_accepted_events_total 43025.0
footfall_queued_events 0.0
footfall_processing_events 0.0
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
            not_ready=AWAY["content"]["application/json"]["examples"],
            refused={"401": UNAUTHORIZED},
            metrics=METRICS,
        ),
    },
    schemas=SCHEMAS,
)
