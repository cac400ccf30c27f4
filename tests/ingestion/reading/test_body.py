import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.app import Ingestion
from ingestion.reading.body import MAX_BODY_BYTES
from shared.queue.event_queue import EventQueue
from tests.ingestion.wsgi import ONE, Answer, call, make_environ, post, queued

NDJSON = "application/x-ndjson; charset=utf-8"
TWO = [{**ONE, "path": "/a"}, {**ONE, "path": "/b"}]
LINES = b"\n".join(json.dumps(event).encode() for event in TWO)


@pytest.mark.parametrize("route", ["/event", "/events", "/event?x=1"])
def test_one_object_is_one_event(ingestion: Ingestion, queue: EventQueue, route: str) -> None:
    answer = post(ingestion, ONE, route)
    assert (answer.status, answer.json) == (202, {"status": "accepted"})
    assert [event.site_id for event in queued(queue)] == ["site-1"]


SEVERAL = [
    (json.dumps(TWO).encode(), "application/json"),
    (json.dumps({"events": TWO}).encode(), "application/json"),
    (json.dumps({"events": TWO, "sentBy": "sdk"}).encode(), ""),
    (LINES, NDJSON),
    (b"\n" + LINES.replace(b"\n", b"\r\n\r\n") + b"\n", "Application/X-NDJSON"),
    *((LINES, f"application/{name}") for name in ("ndjson", "jsonl", "jsonlines", "json")),
    (LINES, "text/plain;charset=UTF-8"),
    (b" \n" + LINES.replace(b"\n", b"\r\n\r\n") + b"\n", ""),
]


@pytest.mark.parametrize(("body", "content_type"), SEVERAL)
@pytest.mark.parametrize("route", ["/event", "/events"])
def test_several_events_come_as_array_object_or_lines(
    ingestion: Ingestion, queue: EventQueue, body: bytes, content_type: str, route: str
) -> None:
    answer = post(ingestion, body, route, CONTENT_TYPE=content_type)
    assert answer.status == 202
    assert answer.json == {"status": "accepted", "accepted": 2, "rejected": []}
    assert [event.path for event in queued(queue)] == ["/a", "/b"]


@pytest.mark.parametrize("content_type", [NDJSON, "application/json", ""])
def test_lines_may_be_bad_each_by_itself(
    ingestion: Ingestion, queue: EventQueue, content_type: str
) -> None:
    answer = post(ingestion, LINES + b'\n{"torn', CONTENT_TYPE=content_type)
    rejected = [(bad["index"], bad["code"]) for bad in answer.json["rejected"]]
    assert (answer.status, rejected, len(queued(queue))) == (202, [(2, "invalid_json")], 2)


def test_an_event_that_is_written_on_several_lines_is_one(
    ingestion: Ingestion, queue: EventQueue
) -> None:
    assert post(ingestion, json.dumps(ONE, indent=1).encode()).json == {"status": "accepted"}
    assert len(queued(queue)) == 1


CONTENT_TYPES = ["text/plain;charset=UTF-8", "", None, "application/x-www-form-urlencoded", "x\xff"]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_the_body_is_json_whatever_its_content_type(
    ingestion: Ingestion, content_type: str | None
) -> None:
    assert post(ingestion, ONE, CONTENT_TYPE=content_type).status == 202


def test_an_event_with_a_field_named_events_is_one_event(
    ingestion: Ingestion, queue: EventQueue
) -> None:
    assert post(ingestion, {**ONE, "events": [1, 2]}).json == {"status": "accepted"}
    assert queued(queue)[0].properties == {"events": "[1,2]"}


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_gzip_is_understood(ingestion: Ingestion, queue: EventQueue, coding: str) -> None:
    body = gzip.compress(LINES)
    answer = post(ingestion, body, HTTP_CONTENT_ENCODING=coding, CONTENT_TYPE=NDJSON)
    assert answer.json["accepted"] == 2
    assert len(queued(queue)) == 2


@pytest.mark.parametrize("coding", ["identity", ""])
def test_no_encoding_may_be_said_aloud(ingestion: Ingestion, coding: str) -> None:
    assert post(ingestion, ONE, HTTP_CONTENT_ENCODING=coding).status == 202


def test_a_body_may_come_in_chunks_of_unknown_length(ingestion: Ingestion) -> None:
    chunked: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    assert post(ingestion, ONE, **chunked).status == 202
    answer = post(ingestion, b" " * (MAX_BODY_BYTES + 1), **chunked)
    assert (answer.status, answer.json["code"]) == (413, "too_large")


# What is refused as a whole: body, more of the environ, status and code.
ZIP = {"HTTP_CONTENT_ENCODING": "gzip"}
# The same in each process that collects: it names a test.
ZIPPED = gzip.compress(json.dumps(ONE).encode(), mtime=0)
REFUSED: list[tuple[bytes, dict[str, Any], int, str]] = [
    (b"", {}, 400, "invalid_json"),
    (b"", {"CONTENT_LENGTH": ""}, 400, "invalid_json"),
    (b"  ", {}, 400, "invalid_json"),
    (b"site_id=a&event_type=b", {}, 400, "invalid_json"),
    (b'{"site_id":"a"', {}, 400, "invalid_json"),
    (b'{"site_id":"a"} x', {}, 400, "invalid_json"),
    (b"\xef\xbb\xbf{}", {}, 400, "invalid_json"),
    (b'{"site_id":"a\x00b","event_type":"c"}', {}, 400, "invalid_json"),
    (b'{"site_id":"\\ud800","event_type":"c"}', {}, 400, "invalid_json"),
    (b'{"site_id":"\\udc00\\ud800","event_type":"c"}', {}, 400, "invalid_json"),
    (b'{"site_id":"\xed\xa0\x80","event_type":"c"}', {}, 400, "invalid_utf8"),
    (b'{"site_id":"\xff","event_type":"c"}', {}, 400, "invalid_utf8"),
    (b'{"\xff":1}', {}, 400, "invalid_utf8"),
    (b'{"site_id":"a","event_type":"b","n":1e999}', {}, 400, "number_out_of_range"),
    (b'{"site_id":"a","event_type":"b","n":' + b"9" * 5000 + b"}", {}, 400, "number_out_of_range"),
    (b"[" * 100_000, {}, 400, "too_deep"),
    # No lines: the first is no object, or there is only one.
    (b'{\n"site_id":"a"\n"event_type":"b"}', {}, 400, "invalid_json"),
    (b"[1]\n[2]", {}, 400, "invalid_json"),
    (b'{"site_id":"a"\n{"site_id":"a"}', {}, 400, "invalid_json"),
    (b'{"site_id":"a"} x\n', {}, 400, "invalid_json"),
    (b'"text"', {}, 400, "bad_type"),
    (b"1", {}, 400, "bad_type"),
    (b"null", {}, 400, "bad_type"),
    (b"[]", {}, 400, "no_events"),
    (b'{"events":[]}', {}, 400, "no_events"),
    (b"\n\r\n \n", {"CONTENT_TYPE": NDJSON}, 400, "no_events"),
    (b"{}", {**ZIP}, 400, "bad_gzip"),
    (ZIPPED[:-9], {**ZIP}, 400, "bad_gzip"),
    (ZIPPED[:-1] + b"\xff", {**ZIP}, 400, "bad_gzip"),
    (ZIPPED + b"more", {**ZIP}, 400, "bad_gzip"),
    (zlib.compress(b"{}"), {**ZIP}, 400, "bad_gzip"),
    (b"{}", {"HTTP_CONTENT_ENCODING": "br"}, 415, "unsupported_encoding"),
    (ZIPPED, {"HTTP_CONTENT_ENCODING": "gzip, gzip"}, 415, "unsupported_encoding"),
    (b"{}", {"CONTENT_LENGTH": "-1"}, 400, "bad_length"),
    (b"{}", {"CONTENT_LENGTH": "two"}, 400, "bad_length"),
    (b"{}", {"CONTENT_LENGTH": "\xb2"}, 400, "bad_length"),
    (b"{}", {"CONTENT_LENGTH": "9" * 5000}, 413, "too_large"),
    (b"{}", {"CONTENT_LENGTH": "3"}, 400, "incomplete_body"),
    (LINES, {"CONTENT_LENGTH": "1000", "CONTENT_TYPE": NDJSON}, 400, "incomplete_body"),
]


@pytest.mark.parametrize(("body", "extra", "status", "code"), REFUSED)
def test_a_body_that_cannot_be_read_is_refused_and_nothing_is_queued(
    ingestion: Ingestion,
    queue: EventQueue,
    body: bytes,
    extra: dict[str, Any],
    status: int,
    code: str,
) -> None:
    answer = post(ingestion, body, **extra)
    assert (answer.status, answer.json["status"], answer.json["code"]) == (status, "error", code)
    assert queued(queue) == []


def test_a_connection_that_breaks_while_the_body_is_read_is_the_callers_fault(
    ingestion: Ingestion,
) -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError("reset by peer")

    environ = make_environ(b"{}") | {"wsgi.input": Broken()}
    assert call(ingestion, environ).json["code"] == "incomplete_body"


def test_the_limits_count_decompressed_bytes(ingestion: Ingestion) -> None:
    filler = b" " * (MAX_BODY_BYTES - len(ZIPPED))
    fits = json.dumps(ONE).encode().ljust(MAX_BODY_BYTES)
    assert post(ingestion, fits).status == 202
    assert post(ingestion, gzip.compress(fits), **ZIP).status == 202
    for body, extra in [(fits + b" ", {}), (gzip.compress(fits + b" "), ZIP), (filler * 2, {})]:
        answer = post(ingestion, body, **extra)
        assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_a_gzip_bomb_is_refused_without_being_blown_up(ingestion: Ingestion) -> None:
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    assert len(bomb) < MAX_BODY_BYTES
    answer, most_bytes = with_memory(lambda: post(ingestion, bomb, **ZIP))
    assert answer.status == 413
    assert most_bytes < 8 * MAX_BODY_BYTES


def with_memory(ask: Callable[[], Answer]) -> tuple[Answer, int]:
    """An answer, and the most memory that it took at once."""
    tracemalloc.start()
    try:
        return ask(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("extra", [{}, {"CONTENT_TYPE": NDJSON}])
def test_a_thousand_events_are_the_most(
    ingestion: Ingestion, queue: EventQueue, extra: dict[str, str]
) -> None:
    def body(count: int) -> bytes:
        events = [json.dumps(ONE).encode()] * count
        return b"\n".join(events) if extra else b"[" + b",".join(events) + b"]"

    answer = post(ingestion, body(1001), **extra)
    assert (answer.status, answer.json["code"]) == (413, "too_many_events")
    assert queued(queue) == []
    assert post(ingestion, body(1000), **extra).json["accepted"] == 1000
    assert len(queued(queue)) == 1000


def test_half_a_million_bad_lines_are_refused_without_an_error_for_each(
    ingestion: Ingestion,
) -> None:
    lines = b"x\n" * (MAX_BODY_BYTES // 2)
    answer, most_bytes = with_memory(lambda: post(ingestion, lines, CONTENT_TYPE=NDJSON))
    assert (answer.status, answer.json["code"]) == (413, "too_many_events")
    # Twice a list of the lines; their errors would be 600 MB, and take seconds.
    assert most_bytes < 16 * MAX_BODY_BYTES


def test_an_event_has_32_kib_at_most(ingestion: Ingestion, queue: EventQueue) -> None:
    answer = post(ingestion, {**ONE, "properties": {"a": "x" * 32_768}})
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    answer = post(ingestion, [{**ONE, "properties": {"a": "é" * 16_384}}, ONE])
    assert answer.json["rejected"][0]["code"] == "too_large"
    assert answer.json["accepted"] == 1
    assert post(ingestion, {**ONE, "properties": {"a": "x" * 32_000}}).status == 202
    assert len(queued(queue)) == 2
