"""The ingestion service described in OpenAPI 3.1: its routes, with an example of every answer."""

from collections.abc import Iterable
from typing import Any

from ingestion.protocols.openapi_errors import NOT_READY, ONE, REFUSALS, SITE
from ingestion.protocols.openapi_schemas import SCHEMAS
from ingestion.reading.body import NDJSON
from ingestion.tracker.openapi import TRACKER_PATHS, USERS, fixed_header
from shared.http.openapi import (
    JSON_TYPE,
    KEY_OR_OPEN,
    TEXT_TYPE,
    Json,
    answer,
    common_paths,
    document,
    example,
    query,
    ref,
    same_as,
)

ABOUT = """\
Takes events and answers `202` as soon as they are in the queue, in Redis. An event accepted here \
is stored and counted exactly once, also when the database is down at the moment.

Bodies are parsed as JSON whatever their content type, so `navigator.sendBeacon` works. Fields \
that are not listed become properties; an empty string or `null` is the same as no value. Paths \
that do not exist are answered `404` and wrong methods `405`, in the shape of every other error."""

FULL = {
    "site_id": SITE,
    "event_type": "page_view",
    "timestamp": "2025-11-15T09:46:40.123Z",
    "path": "https://shop.example/pricing?utm_source=newsletter&utm_medium=email&plan=pro#faq",
    "user_id": "user-xyz-789",
    "session_id": "session-5d41",
    "referrer": "https://search.example/?q=pricing",
    "title": "Pricing",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "event_id": "order-1042-viewed",
    "utm_campaign": "november",
    "properties": {"plan": "pro", "seats": 5, "trial": False},
}
OTHER_NAMES = {
    "site_id": SITE,
    "name": "pageview",
    "userId": "user-xyz-789",
    "createdAt": 1763200000,
    "payload": {"page_url": "/blog/post-1"},
}
SEVERAL = [ONE, {"site_id": SITE, "event_type": "signup", "user_id": "user-xyz-789"}]
PARTLY_BAD = [ONE, {"site_id": SITE, "event_type": "page_view", "timestamp": "not-a-date"}]
LINES = (
    '{"site_id":"site-abc-123","event_type":"page_view","path":"/"}\n'
    '{"site_id":"site-abc-123","event_type":"page_view","path":"/caf\u00e9"}\n'
)
BEACON = '{"site_id":"site-abc-123","event_type":"page_view","path":"/pricing"}'


ACCEPTED = {"status": "accepted"}
CORS_HEADERS: Json = {
    "Access-Control-Allow-Origin": {
        "description": "`*`, or with `CORS_ORIGINS` the origin that asks, if it is listed.",
        "schema": {"type": "string"},
        "example": "*",
    }
}


def body_of(media: Json) -> Json:
    return {"required": True, "content": media}


def media(schema: Json, examples: Json) -> Json:
    return {"schema": schema, "examples": examples}


def accepted(examples: Iterable[str], values: Json) -> Json:
    """The 202 of a route: the same answer for each of `examples`, except for those in `values`."""
    described = {name: values.get(name, example("Accepted", ACCEPTED)) for name in examples}
    return answer("In the queue.", "Accepted", described, headers=CORS_HEADERS)


def counted(summary: str, number: int, *rejected: Json) -> Json:
    return example(summary, {**ACCEPTED, "accepted": number, "rejected": list(rejected)})


POST_EVENT: Json = {
    "tags": ["events"],
    "summary": "Post an event",
    "description": "Takes one event, or several: `/event` and `/events` are the same route.",
    "security": KEY_OR_OPEN,
    "parameters": [USERS],
    "requestBody": body_of(
        {
            JSON_TYPE: media(
                ref("Events"),
                {
                    "one_event": example("One event", ONE),
                    "every_field": example("Every field", FULL),
                    "other_names": example("Names that other systems' clients send", OTHER_NAMES),
                },
            ),
            TEXT_TYPE: media(
                {"type": "string", "description": "The same JSON; what `sendBeacon` sends."},
                {"beacon": example("From navigator.sendBeacon", BEACON)},
            ),
        }
    ),
    "responses": {
        "202": accepted(
            ("one_event", "every_field", "other_names", "beacon", "visitor"),
            {
                "visitor": example(
                    "Of a visitor without a name",
                    ACCEPTED,
                    {"query": {"users": "hashed"}, "body": BEACON},
                )
            },
        ),
        **REFUSALS,
    },
}
POST_EVENTS: Json = {
    "tags": ["events"],
    "summary": "Post several events",
    "description": 'An array, `{"events": […]}`, or one JSON object a line. The good ones are '
    "accepted, the bad ones are named. `Content-Encoding: gzip` is understood.",
    "security": KEY_OR_OPEN,
    "parameters": [USERS],
    "requestBody": body_of(
        {
            JSON_TYPE: media(
                ref("Events"),
                {
                    "array": example("An array", SEVERAL),
                    "events_object": example("An object with `events`", {"events": SEVERAL}),
                    "partly_bad": example("One good, one bad", PARTLY_BAD),
                },
            ),
            NDJSON: media(
                {"type": "string", "description": "One event a line; empty lines are skipped."},
                {"lines": example("Two lines", LINES)},
            ),
        }
    ),
    "responses": {
        "202": accepted(
            ("array", "events_object", "partly_bad", "lines"),
            {
                "array": counted("Both accepted", 2),
                "events_object": counted("Both accepted", 2),
                "partly_bad": counted(
                    "The second is named",
                    1,
                    {
                        "index": 1,
                        "code": "bad_timestamp",
                        "error": "timestamp must be ISO 8601 or Unix seconds or milliseconds",
                        "field": "timestamp",
                    },
                ),
                "lines": counted("Both accepted", 2),
            },
        ),
        **REFUSALS,
    },
}


PREFLIGHT: Json = {
    "tags": ["events"],
    "summary": "May this page post?",
    "description": "What a browser asks before it posts from another origin.",
    "security": [],
    "parameters": [
        {
            "name": "Origin",
            "in": "header",
            "description": "The page's origin.",
            "schema": {"type": "string"},
            "example": "https://shop.example",
        },
        {
            "name": "Access-Control-Request-Method",
            "in": "header",
            "description": "The method it wants to use.",
            "schema": {"type": "string"},
            "example": "POST",
        },
    ],
    "responses": {
        "204": {
            "description": "It may, if its origin is allowed.",
            "headers": {
                **CORS_HEADERS,
                "Access-Control-Allow-Methods": fixed_header("POST, OPTIONS", "How."),
                "Access-Control-Allow-Headers": fixed_header(
                    "Content-Type, Content-Encoding, Authorization", "With which headers."
                ),
                "Access-Control-Max-Age": fixed_header("86400", "For how many seconds."),
            },
        }
    },
}
PIXEL: Json = {
    "tags": ["events"],
    "summary": "Post an event with an image",
    "description": "For pages without scripts and for mails: "
    '`<img src="…/pixel.gif?site_id=…&event_type=page_view" alt="">`. Every field and other name '
    "of an event may be a query parameter, except `properties`; unknown parameters become "
    "properties. The answer is always the image, whatever became of the event. No key is asked.",
    "security": [],
    "parameters": [
        query("site_id", {"type": "string"}, "Whose event it is.", example=SITE),
        query("event_type", {"type": "string"}, "What happened.", example="page_view"),
        query(
            "path",
            {"type": "string"},
            "The page; without it, the one that the `Referer` header names.",
            example="/pricing",
        ),
        USERS,
    ],
    "responses": {
        "200": {
            "description": "A transparent image of 43 bytes, never cached.",
            "headers": {
                "Cache-Control": fixed_header("no-store", "Each view asks again."),
                "X-Footfall": fixed_header("accepted", "`accepted`, or the code of the error."),
            },
            "content": {"image/gif": {}},
        }
    },
}

METRICS = """\
footfall_ingestion_answers_total{status="202"} 1.0
footfall_ingestion_events_total 1.0
footfall_accepted_events_total 1.0
footfall_queued_events 1.0
footfall_processing_events 0.0
"""
OPENAPI: dict[str, Any] = document(
    "Footfall ingestion",
    ABOUT,
    address="http://127.0.0.1:8000",
    tags=[
        {"name": "events", "description": "How events enter."},
        {"name": "operation", "description": "For whoever runs it."},
    ],
    paths={
        "/event": {"post": POST_EVENT, "options": PREFLIGHT},
        "/events": {"post": POST_EVENTS, "options": same_as("/event", PREFLIGHT)},
        "/pixel.gif": {"get": PIXEL},
        **TRACKER_PATHS,
        **common_paths(
            security=[], ready={"status": "ready"}, not_ready=NOT_READY, refused={}, metrics=METRICS
        ),
    },
    schemas=SCHEMAS,
)
