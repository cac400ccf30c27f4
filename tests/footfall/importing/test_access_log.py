"""What a line of an access log says, and which lines say too little."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.importing.access_log import BadLine, LoggedRequest, event_from, request_from
from shared.fields import MAX_TEXT, MAX_USER_AGENT

HEAD = "192.0.2.7 - - [17/May/2015:10:05:03 +0000]"
COMMON = f'{HEAD} "GET /a?b=1 HTTP/1.1" 200 512'
COMBINED = f'{COMMON} "http://example.com/from" "Browser/1.0 (X11)"'


def with_request(request: str) -> str:
    return f'{HEAD} "{request}" 200 512 "-" "Browser/1.0"'


def reason_of(line: str) -> str:
    with pytest.raises(BadLine) as caught:
        request_from(line)
    return str(caught.value)


def test_a_combined_line_says_all() -> None:
    assert request_from(COMBINED) == LoggedRequest(
        client="192.0.2.7",
        time=datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC),
        method="GET",
        target="/a?b=1",
        status=200,
        response_bytes=512,
        referrer="http://example.com/from",
        user_agent="Browser/1.0 (X11)",
        is_repaired=False,
    )


def test_a_common_line_has_no_referrer_and_no_agent() -> None:
    request = request_from(COMMON)
    assert (request.referrer, request.user_agent, request.is_repaired) == (None, None, False)


def test_the_event_has_what_the_line_says_and_nothing_else() -> None:
    event = event_from(request_from(COMBINED), site_id="a", user_id="u")
    assert event == {
        "site_id": "a",
        "user_id": "u",
        "timestamp": "2015-05-17T10:05:03+00:00",
        "path": "/a?b=1",
        "referrer": "http://example.com/from",
        "user_agent": "Browser/1.0 (X11)",
        "properties": {"status": 200, "method": "GET", "bytes": 512},
    }
    bare = request_from(f'{HEAD} "GET / HTTP/1.1" - - "-" "-"')
    assert event_from(bare, user_id=None) == {
        "timestamp": "2015-05-17T10:05:03+00:00",
        "path": "/",
        "properties": {"method": "GET"},
    }


@pytest.mark.parametrize(
    ("written", "hour", "minute"), [("+0000", 10, 5), ("+0530", 4, 35), ("-0800", 18, 5)]
)
def test_offsets_are_heeded(written: str, hour: int, minute: int) -> None:
    time = request_from(COMBINED.replace("+0000", written)).time
    assert time == datetime(2015, 5, 17, hour, minute, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "client"),
    [
        ("2001:db8::17 - - ", "2001:db8::17"),
        ("host.example - frank ", "host.example"),
        ("192.0.2.7 - frank sinatra ", "192.0.2.7"),
        ("192.0.2.7 - [x] ", "192.0.2.7"),
        ("192.0.2.7 identd frank ", "192.0.2.7"),
    ],
)
def test_the_client_comes_first_whatever_the_user_is_called(start: str, client: str) -> None:
    assert request_from(COMBINED.replace("192.0.2.7 - - ", start)).client == client


@pytest.mark.parametrize(
    ("written", "agent"),
    [
        (r"say \"hello\"", 'say "hello"'),
        (r"say \x22hello\x22", 'say "hello"'),
        (r"back\\slash", r"back\slash"),
        (r"ends in a backslash\\", "ends in a backslash\\"),
        (r"\xd0\xbf stays", r"\xd0\xbf stays"),
        ("Пример", "Пример"),
        ("-", None),
        ("", None),
    ],
)
def test_agents_are_read_as_the_browser_sent_them(written: str, agent: str | None) -> None:
    request = request_from(COMBINED.replace("Browser/1.0 (X11)", written))
    assert (request.user_agent, request.is_repaired) == (agent, False)


@pytest.mark.parametrize("more", ["0.002", '"198.51.100.3"', '"-" 12 "x"'])
def test_further_fields_are_no_damage(more: str) -> None:
    request = request_from(f"{COMBINED} {more}")
    assert (request.user_agent, request.is_repaired) == ("Browser/1.0 (X11)", False)


@pytest.mark.parametrize(
    ("request_line", "method", "target"),
    [
        ("POST /a HTTP/2.0", "POST", "/a"),
        ("GET /a b HTTP/1.1", "GET", "/a b"),
        (r"GET /a\"b HTTP/1.1", "GET", r"/a\"b"),
        ("GET /old", "GET", "/old"),
        ("GET http://example.com/a HTTP/1.1", "GET", "http://example.com/a"),
        ("OPTIONS * HTTP/1.0", "OPTIONS", "*"),
        ("M-SEARCH / HTTP/1.1", "M-SEARCH", "/"),
    ],
)
def test_requests_are_taken_as_recorded(request_line: str, method: str, target: str) -> None:
    request = request_from(with_request(request_line))
    assert (request.method, request.target, request.is_repaired) == (method, target, False)


@pytest.mark.parametrize(
    ("line", "target", "status", "agent"),
    [
        (f'{COMMON} "-" "Browser/1.0 (compatible', "/a?b=1", 200, "Browser/1.0 (compatible"),
        (f'{COMMON} "http://exa', "/a?b=1", 200, None),
        (f'{HEAD} "GET /a HTTP/1.1" 200 51', "/a", 200, None),
        (f'{HEAD} "GET /a HTTP/1.1" 20', "/a", None, None),
        (f'{HEAD} "GET /a HTTP/1.1"', "/a", None, None),
        (f'{HEAD} "GET /a HTTP/1.1', "/a", None, None),
        (f'{HEAD} "GET /a HTTP/1.1 200 5 "-" "Browser', "/a", 200, "Browser"),
        (with_request('GET /a"b HTTP/1.1'), '/a"b', 200, "Browser/1.0"),
        (f'{COMMON} "http://example.com/?q="x"" "Browser"', "/a?b=1", 200, "Browser"),
    ],
)
def test_damage_behind_the_request_is_repaired(
    line: str, target: str, status: int | None, agent: str | None
) -> None:
    # Of a common line whose last number is cut nobody can tell.
    is_common = line.endswith("200 51")
    request = request_from(line)
    assert (request.target, request.status, request.user_agent) == (target, status, agent)
    assert request.is_repaired is not is_common


def test_a_cut_referrer_is_no_referrer() -> None:
    assert request_from(f'{COMMON} "http://exa').referrer is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "neither common nor combined"),
        ("garbage", "neither common nor combined"),
        ("www.example.com:80 " + COMBINED, "neither common nor combined"),
        ("\0\0\0" + COMBINED, "NUL"),
        (COMBINED.replace("17/May", "31/Feb"), "no time in '31/Feb/2015"),
        (COMBINED.replace("17/May", "17/Mai"), "no time"),
        (COMBINED.replace("17/May/2015", "01/Jan/0001").replace("+0000", "+1100"), "no time"),
        (COMBINED.replace("+0000", "UTC"), "no time"),
        (COMBINED.replace("10:05:03", "24:05:03"), "no time"),
        (with_request("-"), "has no request"),
        (with_request(""), "has no request"),
        (with_request(r"\x16\x03\x01"), "has no request in"),
        (with_request("USER anonymous"), "has no request in"),
        (f'{HEAD} "GET /a/path/that/is/c', "request without end"),
        (f"{HEAD} nothing quoted", "request without end"),
    ],
)
def test_a_line_without_client_time_or_request_is_bad(line: str, reason: str) -> None:
    assert reason in reason_of(line)


def test_reasons_are_short_and_safe_to_print() -> None:
    reason = reason_of("\x1b[2J\u202e" + "x" * 1000)
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) < 150


def test_long_headers_are_cut_to_what_ingestion_takes() -> None:
    line = f'{COMMON} "http://example.com/{"r" * 5000}" "{"a" * 5000}"'
    request = request_from(line)
    assert request.referrer is not None
    assert request.user_agent is not None
    assert (len(request.referrer), len(request.user_agent)) == (MAX_TEXT, MAX_USER_AGENT)


def test_a_number_that_no_column_holds_is_left_out() -> None:
    assert request_from(COMBINED.replace("512", "9" * 5000)).response_bytes is None


@given(st.text(), st.text(), st.integers(0, len(COMBINED)))
def test_any_text_is_a_request_or_a_bad_line(start: str, end: str, cut: int) -> None:
    for line in (start + COMBINED[cut:], COMBINED[:cut] + end, COMBINED[:cut]):
        try:
            request = request_from(line)
        except BadLine:
            continue
        assert request.target
        assert request.client
