"""The reporting service described in OpenAPI 3.1."""

from typing import Any

from reporting.dashboard.openapi import DASHBOARD_OPERATIONS, DASHBOARD_TAG
from reporting.http.openapi_live import LIVE_OPERATIONS, LIVE_TAG
from reporting.http.openapi_live_schemas import LIVE_SCHEMAS
from reporting.http.openapi_numbers import BREAKDOWN, SERIES, SITES, STATS, STATS_AGGREGATED
from reporting.http.openapi_parts import (
    DATABASE_AWAY,
    NO_PARAMETERS,
    REDIS_AWAY,
    UNAUTHORIZED,
    UNREACHABLE,
    away,
    read,
)
from reporting.http.openapi_schemas import SCHEMAS
from shared.http.openapi import (
    KEY_OR_OPEN,
    answer,
    common_paths,
    document,
    example,
    same_as,
)

ABOUT = """\
Answers what was counted. It only reads, and it answers `503` while the database is away.

With `API_AUTH` set, every route but `/health`, `/ready` and the dashboard asks for the key: \
`Authorization: <key>` or `Authorization: Bearer <key>`. A query parameter that a route does not \
know is an error, so that a misspelt one is not silently ignored. Paths that do not exist are \
answered `404` and wrong methods `405`, in the shape of every other error."""

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
        LIVE_TAG,
        DASHBOARD_TAG,
        {"name": "operation", "description": "For whoever runs it."},
    ],
    paths={
        "/stats": {"get": STATS},
        "/stats/aggregated": {"get": STATS_AGGREGATED},
        "/stats/timeseries": {"get": SERIES},
        "/stats/breakdown": {"get": BREAKDOWN},
        "/sites": {"get": SITES},
        **{path: {"get": read(**asked)} for path, asked in LIVE_OPERATIONS.items()},
        **DASHBOARD_OPERATIONS,
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
    schemas=SCHEMAS | LIVE_SCHEMAS,
)
