"""What is refused, and the request that each refusal answers."""

from msgspec import UNSET, to_builtins

from ingestion.protocols.described import ONE
from ingestion.protocols.json_answers import Refused, Rejected, refused
from ingestion.protocols.protocol import Refusal
from ingestion.reading import body
from ingestion.reading.faults import too_long, wrong_type
from ingestion.reading.numbers import MAX_HARD, too_many_numbers
from ingestion.reading.request import MAX_PARAMETERS, query_too_long
from ingestion.reading.schema import missing
from ingestion.reading.timestamps import bad_timestamp
from ingestion.reading.values import MAX_VALUES, too_many_values
from ingestion.sites.rules import host_not_allowed, too_many_sites, unknown_site
from ingestion.sites.site_book import sites_unknown
from shared.errors import InvalidInput, Unavailable
from shared.fields import MAX_EVENT_ID, MAX_EVENTS
from shared.http.openapi import RETRY_AFTER, Json, answer, example, refusal
from shared.keys.keys import Key, Kind, keys_unknown, other_site, unauthorized, wrong_kind
from shared.queue.limits import Charge, Limit, Of, OverLimit
from shared.settings import Settings

NO_SITE, NO_SITE_BODY = missing("site_id"), {"event_type": "page_view"}
BAD_DATE = bad_timestamp("timestamp must be ISO 8601 or Unix seconds or milliseconds")
BAD_TYPE = wrong_type("user_id", "a string", 42)
BAD_USERS = InvalidInput("bad_users", "users must be hashed, or absent", field="users")
LONG_ID = too_long("event_id", f"{MAX_EVENT_ID} characters")
LONG_QUERY = query_too_long(f"{MAX_PARAMETERS} parameters")
NUL = InvalidInput("nul_character", "an event must not contain NUL characters")
EMPTY = InvalidInput("no_events", "the body holds no event")
NOT_JSON = "the body is not JSON: JSON is malformed: invalid character (byte 0)"
HUGE = InvalidInput("number_out_of_range", "a number is out of range")
HUGE_BODY = '{"site_id":"site-abc-123","event_type":"sale","amount":1e999}'
NO_KEY = unauthorized()
AWAY = "the queue takes no events: Error 111 connecting to 127.0.0.1:6379. Connection refused."
SPOOL_FULL = (
    "the queue takes no events, and SPOOL_MAX_BYTES, 1073741824, leaves no room in /data/spool"
)
EVICTS = "Redis evicts keys (allkeys-lru): set `maxmemory-policy noeviction`"
FULL = "1000000 events wait already, and MAX_BACKLOG is 1000000"
HEAVY = "24000 events wait already, and MAX_BACKLOG_BYTES is 268435456"
REJECTED = Rejected(0, NO_SITE.code, NO_SITE.message, "site_id")
ALL_BAD = to_builtins(Refused(NO_SITE.code, "no event was accepted", UNSET, 0, [REJECTED]))


def shown(summary: str, error: Refusal, **request: object) -> Json:
    """An error, and the request that provokes it where a readable one does."""
    return example(summary, to_builtins(refused(error)), request or None)


def by_code(*examples: Json, **named: Json) -> Json:
    """The examples of a status; `named` are those whose code another one has."""
    return {example["value"]["code"]: example for example in examples} | named


BAD_INPUT = by_code(
    shown("A required field is missing", NO_SITE, body=NO_SITE_BODY),
    shown("No time, or one out of bounds", BAD_DATE, body=ONE | {"timestamp": "not-a-date"}),
    shown("A value of the wrong type", BAD_TYPE, body=ONE | {"user_id": 42}),
    shown("Visitors told apart in another way", BAD_USERS, query={"users": "none"}, body=ONE),
    shown("A text or list over its bound", LONG_ID, body=ONE | {"event_id": "0123456789" * 7}),
    shown("A NUL character anywhere", NUL, body=ONE | {"title": "a\0b"}),
    shown("Nothing in it", EMPTY, body=[]),
    shown("Not JSON", InvalidInput("invalid_json", NOT_JSON), body="site_id=site-abc-123"),
    shown("Not UTF-8", InvalidInput("invalid_utf8", "the body is not UTF-8")),
    shown("A number that no double holds", HUGE, body=HUGE_BODY),
    shown("Nested too deeply", InvalidInput("too_deep", "the body is nested too deeply")),
    shown("A `Content-Length` that is none", body.bad_length()),
    shown("The connection ended early", body.incomplete()),
    shown("Damaged gzip", body.bad_gzip(), body="not gzip", headers={"Content-Encoding": "gzip"}),
    query_too_long=shown("A query over its bound", LONG_QUERY),
    none_accepted=example("Several events, all bad", ALL_BAD, {"body": [NO_SITE_BODY]}),
)
TOO_LARGE = by_code(
    shown(f"More than {body.MAX_BODY_BYTES:,} bytes, once decompressed", body.too_large()),
    shown(f"More than {MAX_EVENTS:,} events", body.too_many()),
    shown(f"More than {MAX_VALUES:,} JSON values", too_many_values()),
    shown(f"More than {MAX_HARD:,} numbers that are hard to read", too_many_numbers()),
    shown(f"More than {body.MAX_GZIP_MEMBERS} members of gzip", body.too_many_members()),
    gzip_too_large=shown(f"More than {body.MAX_GZIP_BYTES:,} bytes of gzip", body.gzip_too_large()),
    event_too_large=shown(f"An event over {body.MAX_EVENT_BYTES:,} bytes", body.event_too_large()),
)
BROTLI = shown("Brotli", body.unsupported_encoding(), body=ONE, headers={"Content-Encoding": "br"})
NOT_NOW = by_code(
    shown(
        "Redis is away or takes no writes, and the spool is off",
        Unavailable("queue_unavailable", AWAY),
        body=ONE,
    ),
    shown("Redis may evict what waits", Unavailable("queue_not_durable", EVICTS), body=ONE),
    shown("Redis is away, and `REGISTERED_SITES_ONLY` is set", sites_unknown()),
    shown("Redis is away, and has told of no keys", keys_unknown()),
    shown("`MAX_BACKLOG` events wait already", Unavailable("backlog_full", FULL), body=ONE),
    backlog_of_bytes_full=shown(
        "They have `MAX_BACKLOG_BYTES` already", Unavailable("backlog_full", HEAVY), body=ONE
    ),
    spool_full=shown(
        "Redis is away, and the spool is full or cannot be written",
        Unavailable("queue_unavailable", SPOOL_FULL),
        body=ONE,
    ),
)
TRY_AGAIN = """\
Nothing was kept: neither does Redis take it now nor, where that is why, the spool. Send the same \
again after `Retry-After`."""
TOO_SLOW = """\
The body did not arrive in time; nothing was kept. Of gunicorn no client hears this: it waits."""
NONE_GOOD = """\
Bad input; nothing was kept. Where several events are all bad, `code` is that of the first, which \
alone would be answered `400`, `403` or `413`."""
NOT_TAKEN = by_code(
    shown("A page on a host that is none of the site's", host_not_allowed("shop", "copy.example")),
    shown("Not registered, with `REGISTERED_SITES_ONLY`", unknown_site("shop")),
    shown("One more than `MAX_SITES`", too_many_sites("shop", Settings.max_sites)),
    shown("A key that is not for posting", wrong_kind(Key("", Kind.READ), Kind.INGEST)),
    shown("A key of other sites", other_site(["blog"], "shop")),
)


def over(of: str, name: str, most: int, wait_ms: float = 900) -> OverLimit:
    return OverLimit(Charge(Limit(of, name, most), 1), wait_ms)


OVER = by_code(
    shown("The site has more than it may", over(Of.SITE, "shop", 100)),
    shown("The address sends more than it may", over(Of.ADDRESS, "", 50)),
    shown("The key has brought all of a day", over(Of.KEY, "", 100_000, 5.4e6)),
)
REFUSALS: Json = {
    "400": answer(NONE_GOOD, "Refused", BAD_INPUT),
    "401": refusal(
        "No key or a wrong one; only with `INGEST_AUTH=true`.",
        unauthorized=shown("No key", NO_KEY, body=ONE),
    ),
    "403": refusal(
        "The site takes no such events, or none with this key; nothing was kept.", **NOT_TAKEN
    ),
    "408": refusal(
        TOO_SLOW,
        body_too_slow=shown(f"Not within {body.BODY_SECONDS} seconds", body.too_slow()),
    ),
    "413": refusal("Too large; nothing was kept.", **TOO_LARGE),
    "429": refusal(
        "More than a site, an address or a key may bring; nothing was kept. Send the same again "
        "after `Retry-After`. A request is taken whole or not at all, also where one of its sites "
        "alone has too much.",
        headers=RETRY_AFTER,
        **OVER,
    ),
    "415": refusal("A `Content-Encoding` other than gzip.", unsupported_encoding=BROTLI),
    "503": refusal(TRY_AGAIN, headers=RETRY_AFTER, **NOT_NOW),
}
