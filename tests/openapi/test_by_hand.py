"""What no generator thinks of, sent byte by byte to both services as they are served."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import ingestion.openapi
import reporting.http.openapi
from shared.settings import Settings
from tests.documented import conforms
from tests.ingestion.test_servers import start as start_ingestion
from tests.reporting.test_servers import start as start_reporting
from tests.servers import ServiceProcess

DOCUMENTS = {
    "ingestion": ingestion.openapi.OPENAPI,
    "reporting": reporting.http.openapi.OPENAPI,
}
ONE = '{"site_id":"s","event_type":"e"}'
PIXEL = "/pixel.gif?site_id=s&event_type=e"
A_DAY = "/stats?site_id=site-abc-123&date=2025-11-15"
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def services(installed: Settings) -> Iterator[dict[str, ServiceProcess]]:
    with (
        start_ingestion("granian", installed.redis_url) as takes,
        start_reporting(installed, "granian") as answers,
    ):
        yield {"ingestion": takes, "reporting": answers}


def send(service: ServiceProcess, method: str, target: str, body: bytes, *headers: str) -> Answer:
    """The answer to these very bytes; each answer comes to its end."""
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *headers]
    if not any(line.startswith("Host:") for line in headers):
        lines.append("Host: localhost")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=60)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        return answer.status, dict(answer.headers.items()), answer.read()


def code_of(service: ServiceProcess, answer: Answer) -> str | None:
    """The code of an error, which has the shape of all errors."""
    status, headers, body = answer
    if status < 400:
        return None
    assert headers["content-type"] == "application/json"
    error: dict[str, Any] = json.loads(body)
    conforms(DOCUMENTS[service.module], {"$ref": "#/components/schemas/Error"}, error)
    return str(error["code"])


def event(member: str) -> bytes:
    return f"{ONE[:-1]},{member}}}".encode()


BODIES: dict[str, tuple[bytes, str | None]] = {
    "null": (b"null", "bad_type"),
    "nulls": (b"[null,null]", "bad_type"),
    "a word": (b"true", "bad_type"),
    "NaN": (event('"n":NaN'), "invalid_json"),
    "Infinity": (event('"timestamp":-Infinity'), "invalid_json"),
    "no double": (event('"timestamp":1e999'), "number_out_of_range"),
    "400 digits": (event(f'"n":{"9" * 400}'), "number_out_of_range"),
    "401 digits": (event(f'"n":{"9" * 401}'), "number_out_of_range"),
    "9 more than 64 bits": (event('"n":9223372036854775808'), "number_out_of_range"),
    "the last year": (event('"timestamp":"9999-12-31T23:59:59+14:00"'), "bad_timestamp"),
    "the first year": (event('"timestamp":"0001-01-01T00:00:00-23:59"'), "bad_timestamp"),
    "a time that is true": (event('"timestamp":true'), "bad_type"),
    "a surrogate": (event(r'"title":"\ud800"'), "invalid_json"),
    "a surrogate for a name": (event(r'"\udfff":1'), "invalid_json"),
    "a surrogate's bytes": (event('"title":"?"').replace(b"?", b"\xed\xa0\x80"), "invalid_utf8"),
    "NUL for a name": (event(r'"a\u0000":1'), "nul_character"),
    "NUL at the end": (ONE.encode() + b"\0", "invalid_json"),
    "NUL in a page's query": (event('"path":"/%00?utm_source=%ED%A0%80"'), None),
    "two sites, one null": (event('"site_id":null'), "missing_field"),
    "a mark of byte order": (b"\xef\xbb\xbf" + ONE.encode(), "invalid_json"),
    "UTF-16": (ONE.encode("utf-16"), "invalid_json"),
    "events that are null": (b'{"events":null}', "missing_field"),
    "events in events": (b'{"events":[{"events":[]}]}', "missing_field"),
    "no event": (b"[]", "no_events"),
    "a property without a name": (event('"properties":{"":null}'), None),
    "properties in properties": (event('"properties":{"a":{}}'), "bad_type"),
    "a page that is none": (event('"path":"http://[::1"'), None),
    "a port that is none": (event('"referrer":"http://a:99999999/"'), None),
    "a form": (b"site_id=s&event_type=e", "invalid_json"),
    "an empty line first": (b"\n\n" + ONE.encode(), None),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_taken_or_refused(services: dict[str, ServiceProcess], name: str) -> None:
    body, code = BODIES[name]
    answer = send(services["ingestion"], "POST", "/event", body)
    assert code_of(services["ingestion"], answer) == code
    assert answer[0] == (400 if code else 202)


QUERIES: dict[str, str | None] = {
    "/stats?site_id=%00&path=a%00": None,
    "/stats?site_id=%ff&browser=%ED%A0%80&os=%F4%90%80%80": None,
    "/stats?site_id=%zz&path=%": None,
    "/users/%00/sessions?site_id=%00": None,
    "/users/%ED%A0%80/sessions?site_id=a": None,
    "/users/..%2f..%2fetc/sessions?site_id=a": None,
    "/metrics/user-sessions/%ff?site_id=%00": None,
    "/analytics/minute-buckets/%00_2024-06-07_12:34": None,
    "/analytics/minute-buckets/a_0001-01-01_00:00": None,
    "/analytics/minute-buckets/a_0000-01-01_00:00": "bad_bucket_key",
    "/analytics/minute-buckets/a_2024-06-07_24:00": "bad_bucket_key",
    "/sites?cursor=%00&limit=1": None,
    "/analytics?cursor=%ED%A0%80&uniqueId=%00&type=%00": None,
    "/stats?site_id=a&from=1970-01-01&to=9998-12-31&tz=Pacific/Niue": None,
    "/stats?site_id=a&date=1970-01-01&tz=Pacific/Kiritimati&compare=previous": "bad_range",
    "/stats?site_id=a&date=2025-02-30": "bad_date",
    "/stats?site_id=a&date=2025-11-15%0a": "bad_date",
    "/stats?site_id=a&date=%D9%A2025-11-15": "bad_date",
    "/stats?site_id=a&tz=../../etc/passwd": "bad_timezone",
    "/stats?site_id=a&tz=%00": "bad_timezone",
    "/stats?site_id=a&limit=NaN": "bad_limit",
    "/stats?site_id=a&limit=%D9%A3": "bad_limit",
    f"/stats?site_id=a&limit={'9' * 5000}": "bad_limit",
    f"/stats?site_id={'a' * 5000}": "too_long",
    f"/users/{'a/' * 2000}b/sessions?site_id=a": "too_long",
    "/stats": "missing_field",
    "/stats?site_id": "missing_field",
    "/stats?&&&site_id=a&&&": None,
    "/stats?site_id=a&site_id=a": "repeated_parameter",
    "/stats?site_id[$ne]=a": "unknown_parameter",
    "/stats?site_id=a&=": "unknown_parameter",
    f"/stats?{'&'.join(f'p{n}=1' for n in range(3000))}": "unknown_parameter",
    "/pipeline/status?%00": "unknown_parameter",
}


@pytest.mark.parametrize("target", QUERIES, ids=lambda target: target[:60])
def test_a_question_is_answered_or_refused(
    services: dict[str, ServiceProcess], target: str
) -> None:
    answer = send(services["reporting"], "GET", target, b"")
    assert code_of(services["reporting"], answer) == QUERIES[target]
    assert answer[0] == (400 if QUERIES[target] else 200)


def test_a_parameter_without_a_name_is_called_so(services: dict[str, ServiceProcess]) -> None:
    _, _, body = send(services["reporting"], "GET", "/system?=x", b"")
    assert json.loads(body)["error"] == "unknown parameter without a name; this route takes none"


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ("ingestion", "/event?%ff=%00"),
        ("ingestion", PIXEL + "&timestamp=NaN&path=%00"),
        ("ingestion", "/tracker.js?%00"),
        ("ingestion", "/docs"),
        ("reporting", A_DAY),
        ("reporting", "/stats/breakdown?site_id=a&dimension=path"),
        ("reporting", "/"),
        ("reporting", "/docs"),
    ],
)
@pytest.mark.parametrize(
    "header",
    [
        "Accept: text/csv;q=nan, ;;;",
        "Accept-Encoding: \xff",
        "Access-Control-Request-Headers: \xff\xfe",
        "Authorization: \xff\xfe",
        "Content-Type: application/json; charset=utf-16",
        "Content-Type: multipart/form-data; boundary=",
        "Cookie: =\xff; a",
        "Expect: x",
        'If-None-Match: "',
        "If-Modified-Since: x",
        "Origin: \xff",
        "Range: bytes=9-1",
        "Referer: \xff\xfe",
        "Sec-Purpose: \xff",
        "Upgrade: h2c",
        f"User-Agent: {'a' * 20_000}",
        "X-Forwarded-For: \xff",
        'X-Forwarded-Prefix: /"><script>',
        "X-Forwarded-Proto: javascript",
    ],
)
def test_no_header_does_harm(
    services: dict[str, ServiceProcess], service: str, target: str, header: str
) -> None:
    is_event = target.startswith("/event")
    body = ONE.encode() if is_event else b""
    answer = send(services[service], "POST" if is_event else "GET", target, body, header)
    assert answer[0] == (202 if is_event else 200)
    assert b'"><script>' not in answer[2]
    assert b"javascript://" not in answer[2]


@pytest.mark.parametrize(
    ("service", "method", "target"),
    [("ingestion", "POST", "/event"), ("ingestion", "GET", PIXEL), ("reporting", "GET", A_DAY)],
)
@pytest.mark.parametrize(
    "header",
    [
        "Content-Length: -1",
        "Content-Length: x",
        "Content-Length: 3\r\nContent-Length: 5",
        "Transfer-Encoding: br",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ],
)
def test_a_length_that_is_none_is_refused(
    services: dict[str, ServiceProcess], service: str, method: str, target: str, header: str
) -> None:
    assert send(services[service], method, target, b"", header)[0] == 400


def test_what_no_route_takes_is_not_waited_for(services: dict[str, ServiceProcess]) -> None:
    for header in ("Content-Length: 5", "Transfer-Encoding: chunked"):
        for service, target in (("ingestion", PIXEL), ("reporting", A_DAY)):
            assert send(services[service], "GET", target, b"", header)[0] == 200


@pytest.mark.parametrize("host", ["[", "a b", "localhost:99999999", "localhost:x", "a.example"])
def test_a_host_that_may_be_anybodys_is_told_nothing(
    services: dict[str, ServiceProcess], host: str
) -> None:
    for target in (A_DAY, "/", "/docs", "/openapi.json"):
        answer = send(services["reporting"], "GET", target, b"", f"Host: {host}")
        assert (answer[0], code_of(services["reporting"], answer)) == (403, "unknown_host")
    assert send(services["ingestion"], "GET", "/docs", b"", f"Host: {host}")[0] == 200


STRANGE_METHODS = ["TRACE", "CONNECT", "QUERY", "PROPFIND", "FOO", "PATCH", "DELETE", "get", "post"]
ROUTES = [
    *(("ingestion", path) for path in ("/event", "/events", "/pixel.gif", "/health", "/metrics")),
    *(("reporting", path) for path in ("/stats", "/", "/health", "/users/a/sessions", "/no")),
]


@pytest.mark.parametrize("method", STRANGE_METHODS)
@pytest.mark.parametrize(("service", "path"), ROUTES)
def test_a_method_that_is_none_is_told_which_there_are(
    services: dict[str, ServiceProcess], service: str, path: str, method: str
) -> None:
    answer = send(services[service], method, path, ONE.encode() if method == "post" else b"")
    assert (answer[0], code_of(services[service], answer)) == (405, "method_not_allowed")
    assert "OPTIONS" in answer[1]["allow"] or path == "/no"


@pytest.mark.parametrize(("service", "path"), ROUTES)
def test_options_and_head_have_no_body(
    services: dict[str, ServiceProcess], service: str, path: str
) -> None:
    status, _, body = send(services[service], "OPTIONS", path, b"")
    assert status == 404 if path == "/no" else (status in {200, 204} and not body)
    head = send(services[service], "HEAD", path, b"")
    get = send(services[service], "GET", path, b"")
    assert (head[0], head[2]) == (get[0], b"")
    assert head[1]["content-type"] == get[1]["content-type"]
