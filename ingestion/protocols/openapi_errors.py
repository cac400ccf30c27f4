"""What ingestion refuses, and the request that each refusal answers."""

from ingestion.door import MAX_EVENT_BYTES
from ingestion.reading.body import MAX_BODY_BYTES, MAX_EVENTS
from shared.fields import MAX_EVENT_ID
from shared.http.openapi import RETRY_AFTER, Json, answer, error, example, refusal

SITE = "site-abc-123"
ONE = {"site_id": SITE, "event_type": "page_view", "path": "/pricing", "user_id": "user-xyz-789"}
ALL_BAD = [{"event_type": "page_view"}]


def posted(value: object, **more: str) -> Json:
    """The keywords of an error's example that say which body, sent how, is answered so."""
    return {"body": value, **({"headers": more} if more else {})}


def with_one(**fields: object) -> Json:
    return posted({**ONE, **fields})


BAD_INPUT: Json = {
    "missing_field": error(
        "A required field is missing",
        "missing_field",
        "site_id required",
        "site_id",
        **posted({"event_type": "page_view", "path": "/pricing"}),
    ),
    "bad_timestamp": error(
        "No time, or one out of bounds",
        "bad_timestamp",
        "timestamp must be ISO 8601 or Unix seconds or milliseconds",
        "timestamp",
        **with_one(timestamp="not-a-date"),
    ),
    "bad_type": error(
        "A value of the wrong type",
        "bad_type",
        "user_id: expected str | null, got int",
        "user_id",
        **with_one(user_id=42),
    ),
    "bad_users": error(
        "Visitors told apart in another way",
        "bad_users",
        "users must be hashed, or absent",
        "users",
        query={"users": "none"},
        body=ONE,
    ),
    "too_long": error(
        "A text or list over its bound",
        "too_long",
        f"event_id: expected str of length <= {MAX_EVENT_ID}",
        "event_id",
        **with_one(event_id="0123456789" * 7),
    ),
    "nul_character": error(
        "A NUL character anywhere",
        "nul_character",
        "an event must not contain NUL characters",
        **with_one(title="a\0b"),
    ),
    "no_events": error(
        "Nothing in it",
        "no_events",
        "the body holds no event",
        **posted([]),
    ),
    "invalid_json": error(
        "Not JSON",
        "invalid_json",
        "the body is not JSON: JSON is malformed: invalid character (byte 0)",
        **posted("site_id=site-abc-123"),
    ),
    "invalid_utf8": error("Not UTF-8", "invalid_utf8", "the body is not UTF-8"),
    "number_out_of_range": error(
        "A number that no double holds",
        "number_out_of_range",
        "a number is out of range",
        **posted('{"site_id":"site-abc-123","event_type":"sale","amount":1e999}'),
    ),
    "too_deep": error("Nested too deeply", "too_deep", "the body is nested too deeply"),
    "bad_length": error(
        "A `Content-Length` that is none",
        "bad_length",
        "Content-Length must be a whole number",
        "Content-Length",
    ),
    "incomplete_body": error(
        "The connection ended early",
        "incomplete_body",
        "the body ended early, or its chunks are malformed",
    ),
    "bad_gzip": error(
        "Damaged gzip",
        "bad_gzip",
        "the body is not valid gzip",
        "Content-Encoding",
        **posted("not gzip", **{"Content-Encoding": "gzip"}),
    ),
}
NONE_ACCEPTED: Json = {
    "none_accepted": example(
        "Several events, all bad",
        {
            "status": "error",
            "code": "missing_field",
            "error": "no event was accepted",
            "accepted": 0,
            "rejected": [
                {
                    "index": 0,
                    "code": "missing_field",
                    "error": "site_id required",
                    "field": "site_id",
                }
            ],
        },
        posted(ALL_BAD),
    )
}
REFUSALS: Json = {
    "400": answer("Bad input; nothing was queued.", "Refused", BAD_INPUT | NONE_ACCEPTED),
    "401": refusal(
        "No key or a wrong one; only with `INGEST_AUTH=true`.",
        unauthorized=error("No key", "unauthorized", "a valid API key is required", body=ONE),
    ),
    "413": refusal(
        "Too large; nothing was queued.",
        too_large=error(
            f"More than {MAX_BODY_BYTES:,} bytes, counted after decompression",
            "too_large",
            f"the body must have at most {MAX_BODY_BYTES} bytes, decompressed",
        ),
        event_too_large=error(
            f"One event of more than {MAX_EVENT_BYTES:,} bytes",
            "too_large",
            f"an event must have at most {MAX_EVENT_BYTES} bytes",
        ),
        too_many_events=error(
            f"More than {MAX_EVENTS:,} events",
            "too_many_events",
            f"a request may hold at most {MAX_EVENTS} events",
        ),
    ),
    "415": refusal(
        "A `Content-Encoding` other than gzip.",
        unsupported_encoding=error(
            "Brotli",
            "unsupported_encoding",
            "Content-Encoding must be gzip or absent",
            "Content-Encoding",
            **posted(ONE, **{"Content-Encoding": "br"}),
        ),
    ),
    "503": refusal(
        "Nothing was queued; send the same again after `Retry-After`.",
        headers=RETRY_AFTER,
        queue_unavailable=error(
            "Redis is away or takes no writes",
            "queue_unavailable",
            "the queue takes no events: Error 111 connecting to 127.0.0.1:6379. "
            "Connection refused.",
            body=ONE,
        ),
        backlog_full=error(
            "`MAX_BACKLOG` events wait already",
            "backlog_full",
            "1000000 events wait already, and MAX_BACKLOG is 1000000",
            body=ONE,
        ),
    ),
}


NOT_READY: Json = {
    "queue_unavailable": error(
        "Redis is away",
        "queue_unavailable",
        "redis://127.0.0.1:6379/0: Error 111 connecting to 127.0.0.1:6379. Connection refused.",
    ),
    "queue_not_durable": error(
        "Redis would forget",
        "queue_not_durable",
        "Redis has no append-only file: set `appendonly yes`, or a restart loses events",
    ),
}
