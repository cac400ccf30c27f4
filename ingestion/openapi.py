"""The ingestion service described in OpenAPI 3.1, as its protocols and fields are declared."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ingestion.protocols.described import CORS_OF_SHOP, SHOP, TEXT, operation
from ingestion.protocols.event_schema import event_schema
from ingestion.protocols.json_answers import Accepted, Dropped, Refused
from ingestion.protocols.known import protocols_with
from ingestion.protocols.posted import OTHER_NAMES
from ingestion.protocols.protocol import Protocol
from ingestion.protocols.refusals import AWAY, FULL, shown
from ingestion.tracker.openapi import tracker_paths
from shared.fields import MAX_EVENTS
from shared.http.openapi import (
    KEY_OR_OPEN,
    RETRY_AFTER,
    STATUS_SCHEMA,
    Json,
    common_paths,
    document,
    error,
    example,
    header,
    ref,
    refusal,
    same_as,
)
from shared.keys.keys import Key, Kind, all_sites, keys_unknown, wrong_kind

ABOUT = """\
Takes events and answers `202` as soon as they are kept: in the queue, in Redis, or while that \
takes none, in the spool on this machine's disk, from where they are pushed later. An event \
accepted here is stored and counted exactly once, also when the database or Redis is down at the \
moment. `503` means that nothing was kept.

Bodies are parsed as JSON whatever their content type, so `navigator.sendBeacon` works. Fields \
that are not listed become properties; an empty string or `null` is the same as no value. Paths \
that do not exist are answered `404` and wrong methods `405`, in the shape of every other error; \
slashes too many, as in `//event` or `/health/`, change nothing."""
METRICS = """\
footfall_ingestion_answers_total{status="202"} 1.0
footfall_ingestion_events_total 1.0
footfall_accepted_events_total 1.0
footfall_queued_events 1.0
footfall_queued_bytes 153.0
footfall_processing_events 0.0
footfall_spooled_events 0.0
footfall_spool_bytes 0.0
"""
NO_REDIS = f"redis://127.0.0.1:6379/0: {AWAY}"
FORGETFUL = "Redis has no append-only file: set `appendonly yes`, or a restart loses events"
NO_ROOM = f"redis://127.0.0.1:6379/0: {FULL}"
NO_KEY_GIVEN = refusal(
    "No key or a wrong one; only with `API_AUTH` set.",
    no_key=error("No key", "unauthorized", "a valid API key is required"),
)
WRONG_KEY = wrong_kind(Key("", Kind.INGEST), Kind.READ)
OF_BLOG = all_sites(["blog"])
NOT_WITH_THIS = refusal(
    "A key that does not read numbers, or not those of all sites.",
    posting_key=error("A key for posting", "wrong_key", WRONG_KEY.message),
    key_of_a_site=error("A key of one site", OF_BLOG.code, OF_BLOG.message, OF_BLOG.field),
)
NOT_NOW = refusal(
    "For now; try again after `Retry-After`.",
    headers=RETRY_AFTER,
    keys_unknown=shown("Redis is away, and has told of no keys", keys_unknown()),
)
READY = {
    "ready": example("Ready", {"status": "ready"}),
    "spooling": example(
        "Redis is away, and events are kept in the spool",
        {"status": "ready", "warnings": [f"events are kept in the spool: {NO_REDIS}"]},
    ),
}
NOT_READY = {
    "queue_unavailable": error(
        "Redis is away, and the spool is off or full", "queue_unavailable", NO_REDIS
    ),
    "queue_not_durable": error("Redis would forget", "queue_not_durable", FORGETFUL),
    "backlog_full": error("`MAX_BACKLOG` events wait already", "backlog_full", NO_ROOM),
}


def events_schema() -> Json:
    several = {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": ref("Event")}
    wrapped = {"type": "object", "required": ["events"], "properties": {"events": several}}
    description = f"One event or several, at most {MAX_EVENTS:,}."
    return {"description": description, "anyOf": [ref("Event"), several, wrapped]}


def preflight_of(protocol: Protocol) -> Json:
    asked = {
        "Origin": ("The page's origin.", SHOP),
        "Access-Control-Request-Method": ("The method it wants to use.", protocol.method),
    }
    parameters = [
        {"name": name, "in": "header", "description": text, "schema": TEXT, "example": value}
        for name, (text, value) in asked.items()
    ]
    headers = CORS_OF_SHOP | {
        name: header(value, "What it may do.") for name, value in protocol.preflight
    }
    allowed = {"description": "It may, if its origin is allowed.", "headers": headers}
    return operation(
        "May this page post?",
        "What a browser asks before it posts from another origin. Headers that it names in "
        "`Access-Control-Request-Headers` are allowed as well, whatever they are.",
        {"204": allowed},
        security=[],
        parameters=parameters,
    )


def protocol_paths(protocols: Iterable[Protocol]) -> Json:
    paths: Json = {}
    for protocol in protocols:
        for path in protocol.paths:
            add_operation(paths, path, protocol.method.lower(), protocol.openapi)
            if protocol.preflight:
                add_operation(paths, path, "options", preflight_of(protocol))
    return paths


def add_operation(paths: Json, path: str, method: str, operation: Json) -> None:
    """Add a path's operation; where an earlier path has the very same, it is another name of it."""
    earlier = next((p for p, known in paths.items() if known.get(method) == operation), None)
    described = same_as(earlier, operation) if earlier else dict(operation)
    paths.setdefault(path, {})[method] = described


def describe(event_path: str = "", tracker_path: str = "") -> Json:
    """The document, with paths of an installation's own where there are any."""
    return document(
        "Footfall ingestion",
        ABOUT,
        address="http://127.0.0.1:8000",
        tags=[
            {"name": "events", "description": "How events enter."},
            {"name": "operation", "description": "For whoever runs it."},
        ],
        paths={
            **protocol_paths(protocols_with(event_path)),
            **tracker_paths(tracker_path),
            **common_paths(
                security=KEY_OR_OPEN,
                ready=READY,
                not_ready=NOT_READY,
                refused={"401": NO_KEY_GIVEN, "403": NOT_WITH_THIS, "503": NOT_NOW},
                metrics=METRICS,
            ),
        },
        schemas={
            "Event": event_schema(OTHER_NAMES),
            "Events": events_schema(),
            # As the structs that are encoded have them.
            **msgspec.json.schema_components(
                [Accepted, Dropped, Refused], ref_template="#/components/schemas/{name}"
            )[1],
            "Taken": {"oneOf": [ref("Accepted"), ref("Dropped")]},
            "Status": STATUS_SCHEMA,
        },
    )


OPENAPI: dict[str, Any] = describe()
