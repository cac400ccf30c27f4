"""What is refused, and the request that each refusal answers."""

from typing import Any, NamedTuple

from msgspec import UNSET, to_builtins

from ingestion.protocols.described import ONE
from ingestion.protocols.json_answers import Refused, Rejected, refused
from ingestion.protocols.protocol import Refusal
from ingestion.reading import body as read
from ingestion.reading.faults import too_long, wrong_type
from ingestion.reading.schema import missing
from ingestion.reading.timestamps import bad_timestamp
from shared.errors import InvalidInput, Unavailable
from shared.fields import MAX_EVENT_ID
from shared.http.openapi import RETRY_AFTER, Json, answer, example

NO_SITE, NO_SITE_BODY = missing("site_id"), {"event_type": "page_view"}
BAD_DATE = bad_timestamp("timestamp must be ISO 8601 or Unix seconds or milliseconds")
BAD_TYPE = wrong_type("user_id", "a string", 42)
BAD_USERS = InvalidInput("bad_users", "users must be hashed, or absent", field="users")
LONG_ID = too_long("event_id", f"{MAX_EVENT_ID} characters")
NUL = InvalidInput("nul_character", "an event must not contain NUL characters")
EMPTY = InvalidInput("no_events", "the body holds no event")
NOT_JSON = "the body is not JSON: JSON is malformed: invalid character (byte 0)"
HUGE = InvalidInput("number_out_of_range", "a number is out of range")
HUGE_BODY = '{"site_id":"site-abc-123","event_type":"sale","amount":1e999}'
NO_KEY = InvalidInput("unauthorized", "a valid API key is required", status=401)
NO_QUEUE = "the queue takes no events: Error 111 connecting to 127.0.0.1:6379. Connection refused."
BACKLOG = "1000000 events wait already, and MAX_BACKLOG is 1000000"
REJECTED = Rejected(0, NO_SITE.code, NO_SITE.message, "site_id")
ALL_BAD = to_builtins(Refused(NO_SITE.code, "no event was accepted", UNSET, 0, [REJECTED]))


class Row(NamedTuple):
    """An error, called by its code or by what tells it apart."""

    status: int
    name: str
    example: Json


def row(summary: str, error: Refusal, name: str = "", **request: object) -> Row:
    """An error and the request that provokes it, where a readable one does."""
    value = to_builtins(refused(error))
    return Row(error.status, name or error.code, example(summary, value, request or None))


ROWS = (
    row("A required field is missing", NO_SITE, body=NO_SITE_BODY),
    row("No time, or one out of bounds", BAD_DATE, body=ONE | {"timestamp": "not-a-date"}),
    row("A value of the wrong type", BAD_TYPE, body=ONE | {"user_id": 42}),
    row("Visitors told apart in another way", BAD_USERS, query={"users": "none"}, body=ONE),
    row("A text or list over its bound", LONG_ID, body=ONE | {"event_id": "0123456789" * 7}),
    row("A NUL character anywhere", NUL, body=ONE | {"title": "a\0b"}),
    row("Nothing in it", EMPTY, body=[]),
    row("Not JSON", InvalidInput("invalid_json", NOT_JSON), body="site_id=site-abc-123"),
    row("Not UTF-8", InvalidInput("invalid_utf8", "the body is not UTF-8")),
    row("A number that no double holds", HUGE, body=HUGE_BODY),
    row("Nested too deeply", InvalidInput("too_deep", "the body is nested too deeply")),
    row("A `Content-Length` that is none", read.bad_length()),
    row("The connection ended early", read.incomplete()),
    row("Damaged gzip", read.bad_gzip(), body="not gzip", headers={"Content-Encoding": "gzip"}),
    Row(
        400, "none_accepted", example("Several events, all bad", ALL_BAD, {"body": [NO_SITE_BODY]})
    ),
    row("No key", NO_KEY, body=ONE),
    row(f"More than {read.MAX_BODY_BYTES:,} bytes, counted after decompression", read.too_large()),
    row(
        f"One event over {read.MAX_EVENT_BYTES:,} bytes", read.event_too_large(), "event_too_large"
    ),
    row(f"More than {read.MAX_EVENTS:,} events", read.too_many()),
    row("Brotli", read.unsupported_encoding(), body=ONE, headers={"Content-Encoding": "br"}),
    row("Redis is away or takes no writes", Unavailable("queue_unavailable", NO_QUEUE), body=ONE),
    row("`MAX_BACKLOG` events wait already", Unavailable("backlog_full", BACKLOG), body=ONE),
)


def of_status(status: int, description: str, schema: str = "Error", **more: Any) -> Json:
    examples = {row.name: row.example for row in ROWS if row.status == status}
    return answer(description, schema, examples, **more)


TRY_AGAIN = "Nothing was queued; send the same again after `Retry-After`."
REFUSALS: Json = {
    "400": of_status(400, "Bad input; nothing was queued.", "Refused"),
    "401": of_status(401, "No key or a wrong one; only with `INGEST_AUTH=true`."),
    "413": of_status(413, "Too large; nothing was queued."),
    "415": of_status(415, "A `Content-Encoding` other than gzip."),
    "503": of_status(503, TRY_AGAIN, headers=RETRY_AFTER),
}
