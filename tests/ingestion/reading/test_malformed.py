"""Whatever is posted: never a 5xx, never an exception, and nothing queued of what was refused."""

import gzip
import json
import re
import zlib
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.app import Ingestion
from ingestion.protocols.posted import OTHER_NAMES
from ingestion.reading.aliases import CANONICAL
from shared.queue.event_queue import EventQueue
from tests.ingestion.wsgi import ONE, call, make_environ

EXAMPLES = 500  # of each of the kinds below: 5,000 in all
CODES = {
    "bad_gzip",
    "bad_length",
    "bad_timestamp",
    "bad_type",
    "bad_users",
    "incomplete_body",
    "invalid_json",
    "invalid_utf8",
    "missing_field",
    "no_events",
    "nul_character",
    "number_out_of_range",
    "too_deep",
    "too_large",
    "too_long",
    "too_many_events",
    "too_many_members",
    "too_many_numbers",
    "too_many_values",
    "unsupported_encoding",
}
GOOD = json.dumps(ONE).encode()
NDJSON = {"CONTENT_TYPE": "application/x-ndjson"}
GZIP = {"HTTP_CONTENT_ENCODING": "gzip"}


class Request(NamedTuple):
    """A body and what else the environ holds."""

    body: bytes
    extra: dict[str, Any]

    def __repr__(self) -> str:  # a megabyte of it in a report helps nobody
        return f"{len(self.body)} bytes, {self.body[:200]!r}, {self.extra!r}"


def plain(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[Request]:
    return st.builds(Request, bodies, st.sampled_from([{}, NDJSON]))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["\0", "x" * 5000, "", " ", "not-a-date", "2025-11-15T12:00:00+99:99"])
)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4)
)
fields = st.sampled_from(
    sorted(CANONICAL | OTHER_NAMES.names.keys() | {"payload", "events", "type", "x"})
)
events = st.dictionaries(fields, values, max_size=6).map(ONE.__or__)


def mutated(parts: tuple[bytes, int, int, bytes]) -> bytes:
    """A body with some bytes of it replaced."""
    body, start, length, instead = parts
    start %= len(body)
    return body[:start] + instead + body[start + length :]


bodies = st.sampled_from([GOOD, b"[%b,%b]" % (GOOD, GOOD), b'{"events":[%b]}' % GOOD])
mutations = st.tuples(bodies, st.integers(0, 200), st.integers(0, 5), st.binary(max_size=3))

digits = st.from_regex(re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,6})?", re.A))
numbers = st.tuples(st.sampled_from(["timestamp", "user_id", "n"]), digits.map(str.strip)).map(
    lambda pair: b'{"site_id":"s","event_type":"e","%b":%b}' % tuple(p.encode() for p in pair)
)


def nested(parts: tuple[str, int, bytes, bool]) -> bytes:
    opening, depth, core, is_closed = parts
    closing = {"[": "]", '{"a":': "}", '[{"payload":': "}]"}[opening] * is_closed
    body = opening.encode() * depth + core + closing.encode() * depth
    return b'{"site_id":"s","event_type":"e","x":%b}' % body


nestings = st.tuples(
    st.sampled_from(["[", '{"a":', '[{"payload":']),
    st.integers(1, 1500) | st.sampled_from([10_000, 80_000]),
    st.sampled_from([b"1", b'"\\u0000"', b"", b'"\\ud800"']),
    st.booleans(),
)

ESCAPES = [rb"\ud800", rb"\udfff", rb"\ud83d\ude00", rb"\u0000", b"\\u12", b"\\"]
BYTES = [b"\0", b"\xed\xa0\x80", b"\xff", b"\xc0\x80", b"\xf4\x90\x80\x80", b"a", "é".encode()]
escapes = st.lists(st.sampled_from(ESCAPES + BYTES), max_size=4).map(b"".join)
texts = st.tuples(st.sampled_from([b"site_id", b"path", b"title", b"x"]), escapes, escapes).map(
    lambda p: b'{"site_id":"s","event_type":"e","%b%b":"%b"}' % p
)


def damaged(parts: tuple[bytes, int, bytes]) -> bytes:
    body, cut, tail = parts
    return gzip.compress(body, mtime=0)[: -cut or None] + tail


zipped = st.tuples(
    st.sampled_from([GOOD, b"", b"x", bytes(3_000_000), b"[" * 2_000_000]),
    st.integers(0, 30),
    st.sampled_from([b"", b"x", b"\0" * 9, gzip.compress(b"[]"), gzip.compress(bytes(2_000_000))]),
).map(damaged)
wrongly_zipped = st.sampled_from([GOOD, zlib.compress(GOOD), gzip.compress(gzip.compress(GOOD))])

latin = st.text(st.characters(max_codepoint=255), max_size=30)
SENT = ["CONTENT_TYPE", "CONTENT_LENGTH", "QUERY_STRING", "HTTP_CONTENT_ENCODING", "HTTP_HOST"]
SENT += ["HTTP_USER_AGENT", "HTTP_AUTHORIZATION", "HTTP_ORIGIN", "HTTP_REFERER"]
header_names = st.sampled_from(SENT)
lengths = st.sampled_from(["", "0", "-1", "+5", " 5", "5 ", "0x5", "1e3", "٣", "²", "9" * 40])
headers = st.dictionaries(header_names, latin) | lengths.map(lambda n: {"CONTENT_LENGTH": n})

KINDS: dict[str, st.SearchStrategy[Request]] = {
    "random bytes": plain(st.binary(max_size=200)),
    "any JSON": plain(values.map(lambda v: json.dumps(v).encode())),
    "wrong types": plain(events.map(lambda v: json.dumps(v).encode())),
    "batches": plain(st.lists(events | values, max_size=5).map(lambda v: json.dumps(v).encode())),
    "damaged JSON": plain(mutations.map(mutated)),
    "numbers": plain(numbers),
    "nesting": plain(nestings.map(nested)),
    "broken text": plain(texts),
    "gzip": st.builds(Request, zipped | wrongly_zipped | st.binary(max_size=50), st.just(GZIP)),
    "headers and sizes": st.builds(
        Request,
        st.just(GOOD) | st.integers(1_048_570, 2_097_152).map(lambda n: GOOD.ljust(n)),
        headers,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_malformed_does_harm(ingestion: Ingestion, queue: EventQueue, kind: str) -> None:
    def length() -> int:
        return int(queue.redis.llen(queue.buffer))

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(KINDS[kind])
    def check(request: Request) -> None:
        body, extra = request
        before = length()
        answer = call(ingestion, make_environ(body, **extra))
        assert answer.status in {202, 400, 413, 415}, answer
        assert answer.headers["Content-Type"] == "application/json"
        if answer.status == 202:
            assert length() - before == answer.json.get("accepted", 1)
            return
        assert answer.json["status"] == "error"
        assert answer.json["code"] in CODES
        assert answer.json["error"]
        assert {rejected["code"] for rejected in answer.json.get("rejected", [])} <= CODES
        assert length() == before

    check()
