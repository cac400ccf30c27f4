"""`POST /event` and `POST /events`: one event or several, as JSON or one a line.

Both take the same bodies; only what is said of them differs.
"""

from dataclasses import replace
from typing import NamedTuple

from msgspec import to_builtins

from ingestion.cors import PREFLIGHT
from ingestion.protocols.described import CORS, ONE, SITE, TEXT, USERS, operation
from ingestion.protocols.json_answers import (
    Accepted,
    Dropped,
    Rejected,
    answer_in_json,
    refuse_in_json,
)
from ingestion.protocols.protocol import Protocol
from ingestion.protocols.refusals import BAD_DATE, REFUSALS
from ingestion.reading.aliases import Aliases
from ingestion.reading.body import NDJSON, Payload, payload_from, read_body
from ingestion.reading.fetched_ahead import PREFETCH
from ingestion.reading.request import Request
from shared.fields import EVENT_TYPE
from shared.http.openapi import JSON_TYPE, TEXT_TYPE, Json, answer, example, ref

# What clients of several other systems send.
OTHER_NAMES = Aliases(
    {
        "name": EVENT_TYPE,
        "userId": "user_id",
        "uniqueId": "user_id",
        "createdAt": "timestamp",
        "page_url": "path",
        "url": "path",
        "sessionId": "session_id",
    },
    {"payload": {"page_url": "path"}},
)
TYPE_NAMES = OTHER_NAMES.own_names(EVENT_TYPE)


def read_posted(request: Request) -> Payload:
    """The events in the body. Raises InvalidInput."""
    body = read_body(request)
    return payload_from(body, request.headers.get("content-type") or "", TYPE_NAMES)


class Sample(NamedTuple):
    """A body, and the example of how it is answered."""

    name: str
    media_type: str
    summary: str
    body: object
    answer: Json


DONE = to_builtins(Accepted())
ACCEPTED = example("Accepted", DONE)
BOTH = example("Both accepted", to_builtins(Accepted(2, [])))
BAD = Rejected(1, BAD_DATE.code, BAD_DATE.message, "timestamp")
SECOND_NAMED = example("The second is named", to_builtins(Accepted(1, [BAD])))

FULL = ONE | {
    "timestamp": "2025-11-15T09:46:40.123Z",
    "path": "https://shop.example/pricing?utm_source=newsletter&utm_medium=email&plan=pro#faq",
    "session_id": "session-5d41",
    "referrer": "https://search.example/?q=pricing",
    "title": "Pricing",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "event_id": "order-1042-viewed",
    "utm_campaign": "november",
    "properties": {"plan": "pro", "seats": 5, "trial": False},
}
NAMED = {"site_id": SITE, "name": "pageview", "userId": "user-xyz-789", "createdAt": 1763200000}
ALIASED = NAMED | {"payload": {"page_url": "/blog/post-1"}}
LINE = '{"site_id":"site-abc-123","event_type":"page_view","path":"%s"}'
BEACON = LINE % "/pricing"
LINES = f"{LINE % '/'}\n{LINE % '/café'}\n"
TWO = [ONE, {"site_id": SITE, "event_type": "signup", "user_id": "user-xyz-789"}]
PARTLY_BAD = [ONE, {"site_id": SITE, "event_type": "page_view", "timestamp": "not-a-date"}]
SAMPLES = (
    Sample("one_event", JSON_TYPE, "One event", ONE, ACCEPTED),
    Sample("every_field", JSON_TYPE, "Every field", FULL, ACCEPTED),
    Sample("other_names", JSON_TYPE, "Names that other systems' clients send", ALIASED, ACCEPTED),
    Sample("beacon", TEXT_TYPE, "From navigator.sendBeacon", BEACON, ACCEPTED),
)
SAMPLES_OF_SEVERAL = (
    Sample("array", JSON_TYPE, "An array", TWO, BOTH),
    Sample("events_object", JSON_TYPE, "An object with `events`", {"events": TWO}, BOTH),
    Sample("partly_bad", JSON_TYPE, "One good, one bad", PARTLY_BAD, SECOND_NAMED),
    Sample("lines", NDJSON, "Two lines", LINES, BOTH),
)
ASKED = {"query": {"users": "hashed"}, "body": BEACON}
VISITOR = example("Of a visitor without a name", DONE, ASKED)
LINES_ARE = (
    "One event a line; empty lines are skipped. Two lines or more are understood whatever they are "
    "called, where the first is an object; by this type, or `application/ndjson`, "
    "`application/jsonl` or `application/jsonlines`, one is as well."
)
AHEAD = {"headers": {"Sec-Purpose": "prefetch;prerender"}, "body": ONE}
NOT_COUNTED = example("Fetched ahead", to_builtins(Dropped(PREFETCH, 1)), AHEAD)
SCHEMAS: Json = {
    JSON_TYPE: ref("Events"),
    TEXT_TYPE: {**TEXT, "description": "The same JSON; what `sendBeacon` sends."},
    NDJSON: {**TEXT, "description": LINES_ARE},
}


def posting(summary: str, description: str, samples: tuple[Sample, ...], **more: Json) -> Json:
    """The OpenAPI of a route to post to; `more` are examples of 202 beyond the samples' own."""
    content: Json = {}
    for sample in samples:
        media = {"schema": SCHEMAS[sample.media_type], "examples": {}}
        examples = content.setdefault(sample.media_type, media)["examples"]
        examples[sample.name] = example(sample.summary, sample.body)
    answers = {sample.name: sample.answer for sample in samples}
    taken = "Kept, once; or dropped, where a browser fetched ahead what nobody may look at."
    accepted = answer(taken, "Taken", answers | more, headers=CORS)
    body = {"required": True, "content": content}
    responses = {"202": accepted, **REFUSALS}
    return operation(summary, description, responses, parameters=[USERS], requestBody=body)


POST_EVENT = Protocol(
    name="event",
    method="POST",
    paths=("/event",),
    read=read_posted,
    answer=answer_in_json,
    refuse=refuse_in_json,
    preflight=PREFLIGHT,
    aliases=OTHER_NAMES,
    openapi=posting(
        "Post an event",
        "Takes one event, or several: `/event` and `/events` are the same route.",
        SAMPLES,
        visitor=VISITOR,
        fetched_ahead=NOT_COUNTED,
    ),
)
POST_EVENTS = replace(
    POST_EVENT,
    name="events",
    paths=("/events",),
    openapi=posting(
        "Post several events",
        'An array, `{"events": […]}`, or one JSON object a line. The good ones are accepted, the '
        "bad ones are named. `Content-Encoding: gzip` is understood.",
        SAMPLES_OF_SEVERAL,
    ),
)
