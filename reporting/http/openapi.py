"""The reporting service described in OpenAPI 3.1."""

from reporting.dashboard.openapi import DASHBOARD_OPERATIONS
from reporting.http.call_description import call_paths_and_schemas
from reporting.http.calls import CALLS
from reporting.http.description import NOT_UNDER_THIS_NAME, REFUSED, paths_and_schemas
from reporting.http.routes import ROUTES
from reporting.route import NO_DATABASE, NO_REDIS, failure
from shared.http.openapi import KEY_OR_OPEN, STATUS_SCHEMA, Json, common_paths, document, example

ABOUT = """\
Answers what was counted, and lets an admin change what is set. It answers `503` while the \
database is away. Questions only read, over connections that cannot write.

With `API_AUTH` set, every route but `/health`, `/ready` and the dashboard asks for the key: \
`Authorization: <key>` or `Authorization: Bearer <key>`; numbers of a site that is public \
(`footfall sites set`) need none, but what names single users or sessions. A query parameter that \
a route does not know is an error, so that a misspelt one is not silently ignored; an empty one \
counts as not given. Paths that do not exist are answered `404` and wrong methods `405`, in the \
shape of every other error; slashes too many, as in `//stats` or `/health/`, change nothing, but \
where they are part of a name."""
TAGS = {
    "numbers": "What was counted.",
    "now": "The last minutes, and what dashboards of other systems poll.",
    "dashboard": "The page for people.",
    "settings": "Sites and keys, for a key of the kind *admin*; without `API_AUTH`, for whoever "
    "asks from this machine and is no other website's page.",
    "operation": "For whoever runs it.",
}
METRICS = """\
footfall_events_total{outcome="stored",reason=""} 1802.0
footfall_events_total{outcome="duplicate",reason=""} 6.0
footfall_events_total{outcome="dead",reason=""} 0.0
footfall_events_total{outcome="erased",reason=""} 0.0
"""

NOT_READY = (
    NO_DATABASE,
    failure(
        "The database lacks something",
        "not_migrated",
        "the database lacks the table events_by_week; run `make migrate`",
    ),
    NO_REDIS,
)


def dashboard(page: Json) -> Json:
    return {**page, "responses": page["responses"] | NOT_UNDER_THIS_NAME}


PATHS, SCHEMAS = paths_and_schemas(ROUTES)
CALL_PATHS, CALL_SCHEMAS = call_paths_and_schemas(CALLS)
OPENAPI: Json = document(
    "Footfall reporting",
    ABOUT,
    address="http://127.0.0.1:8001",
    tags=[{"name": name, "description": description} for name, description in TAGS.items()],
    paths=PATHS
    | CALL_PATHS
    | {path: {"get": dashboard(page)} for path, page in DASHBOARD_OPERATIONS.items()}
    | common_paths(
        security=KEY_OR_OPEN,
        ready={"ready": example("Ready", {"status": "ready"})},
        not_ready={fault.name: example(fault.summary, fault.value) for fault in NOT_READY},
        refused=REFUSED,
        not_described=NOT_UNDER_THIS_NAME,
        metrics=METRICS,
    ),
    schemas=SCHEMAS | CALL_SCHEMAS | {"Status": STATUS_SCHEMA},
)
