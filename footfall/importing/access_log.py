"""A line of an access log, read into an event. Pure: no file, no clock, no network.

The formats are Apache's and nginx's `combined`, and `common`, which is combined without referrer
and user agent. A line counts if its client, time and request can be read; one that is damaged
behind them counts as repaired, and any other is a BadLine with the reason.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from shared.errors import FootfallError
from shared.fields import MAX_TEXT, MAX_USER_AGENT

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What of a line is quoted in a reason.
EXCERPT = 60

# Text up to the closing quote; Apache writes a quote in it as \", nginx as \x22.
QUOTED = r'"(?P<{}>[^"\\]*(?:\\.[^"\\]*)*)"'
# The client, what identd says (nobody), the user: of these only users contain spaces. A log that
# begins with the virtual host has one field more, and must not have the host taken for the client.
HEAD = re.compile(r"(?P<client>\S+) (?:- .*?|\S+ \S+) \[(?P<time>\d\d/[^\]]{1,30})\] ", re.ASCII)
TIME = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})", re.ASCII)
REQUEST = re.compile(QUOTED.format("request"), re.ASCII)
METHOD_AND_TARGET = r"(?P<method>[A-Za-z][A-Za-z_-]*) (?P<target>\S.*?)"
WORDS = re.compile(rf"{METHOD_AND_TARGET} HTTP/\d(?:\.\d)?", re.ASCII)
# HTTP/0.9 names no version, and knows no other method.
OLD_WORDS = re.compile(r"(?P<method>GET) (?P<target>\S+)", re.ASCII)
# Further fields may follow, as in nginx's `main`.
TAIL = re.compile(
    r" (?P<status>\d{3}|-) (?P<bytes>\d+|-)"
    rf"(?: {QUOTED.format('referrer')} {QUOTED.format('agent')}(?: .*)?|(?: [^\"].*)?)",
    re.ASCII,
)
# A damaged line's request is only as good as its end: a quote before the status, or the version.
QUOTE_HOLDS = re.compile(r" (?:\d{3}|-)(?: |$)|$", re.ASCII)
UP_TO_VERSION = re.compile(rf'"{METHOD_AND_TARGET} HTTP/\d(?:\.\d)?(?:"|(?= )|$)', re.ASCII)
# A number with nothing behind it may have been longer, and of a referrer the rest may be missing.
# A cut user agent still tells the browser.
DAMAGED_TAIL = re.compile(
    r"(?: (?P<status>\d{3}|-)(?= ))?(?: (?P<bytes>\d+|-)(?= ))?"
    r'(?: "(?P<referrer>.*?)"(?: "(?P<agent>.*?)"?)?$)?',
    re.ASCII,
)
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\x22": '"', "\\x5C": "\\"}
ESCAPE = re.compile(r'\\(?:["\\]|x22|x5C)')


class BadLine(FootfallError):
    """A line that cannot be an event; the message completes "line 12: "."""


class LoggedRequest(NamedTuple):
    """What a line says; None where it says nothing."""

    client: str
    time: datetime
    method: str
    target: str
    status: int | None
    response_bytes: int | None
    referrer: str | None
    user_agent: str | None
    is_repaired: bool


def request_from(line: str) -> LoggedRequest:
    """The request that a line, without its end, records. Raises BadLine."""
    if "\0" in line:  # what a crash leaves of blocks that were never written
        raise BadLine("holds a NUL character")
    head = HEAD.match(line)
    if head is None:
        raise BadLine(f"is neither common nor combined log format: {excerpt(line)}")
    time = time_from(head["time"])
    quoted = REQUEST.match(line, head.end())
    tail = quoted and TAIL.fullmatch(line, quoted.end())
    if quoted and tail:
        words, is_repaired = words_from(quoted["request"]), False
    else:
        words, end = damaged_request(line, head.end(), quoted)
        tail, is_repaired = DAMAGED_TAIL.match(line, end), True
    said = tail.groupdict() if tail else {}
    return LoggedRequest(
        head["client"],
        time,
        words["method"],
        words["target"],
        number_from(said["status"]),
        number_from(said["bytes"]),
        text_from(said["referrer"], MAX_TEXT),
        text_from(said["agent"], MAX_USER_AGENT),
        is_repaired,
    )


@lru_cache(maxsize=256)
def time_from(text: str) -> datetime:
    """`17/May/2015:12:05:03 +0200` in UTC, whatever the locale calls its months."""
    found = TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        day, month, year, clock, offset = found.groups()
        number = MONTHS.index(month.capitalize()) + 1
        local = datetime.fromisoformat(f"{year}-{number:02}-{day}T{clock}{offset}")
        return local.astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC it may lie before the year 1
        raise BadLine(f"has no time in {excerpt(text)}") from None


def words_from(request: str) -> re.Match[str]:
    words = WORDS.fullmatch(request) or OLD_WORDS.fullmatch(request)
    if words is None:
        # "-" is what a server writes where the client sent nothing in time (status 408).
        nothing = request in {"", "-"}
        raise BadLine("has no request" if nothing else f"has no request in {excerpt(request)}")
    return words


def damaged_request(
    line: str, start: int, quoted: re.Match[str] | None
) -> tuple[re.Match[str], int]:
    """The request of a line that is damaged at or behind it, and where it ends."""
    if quoted and QUOTE_HOLDS.match(line, quoted.end()):
        return words_from(quoted["request"]), quoted.end()
    words = UP_TO_VERSION.match(line, start)
    if words is None:
        raise BadLine(f"has a request without end: {excerpt(line[start:])}")
    return words, words.end()


def number_from(text: str | None) -> int | None:
    # No response has 10^18 bytes, and what is longer has no place in a 64-bit column.
    return int(text) if text and text != "-" and len(text) <= 18 else None


def text_from(text: str | None, longest: int) -> str | None:
    if not text or text == "-":
        return None
    return ESCAPE.sub(lambda found: ESCAPES[found[0]], text)[:longest] or None


def excerpt(text: str) -> str:
    """A beginning that is safe to print: a log holds whatever strangers have sent."""
    return ascii(text if len(text) <= EXCERPT else text[:EXCERPT] + "...")


def event_from(request: LoggedRequest, **fields: str | None) -> dict[str, Any]:
    """The event to post. `fields` are those that the line does not tell, None where unknown."""
    properties = {
        "status": request.status,
        "method": request.method,
        "bytes": request.response_bytes,
    }
    event = {
        "timestamp": request.time.isoformat(),
        "path": request.target,
        "referrer": request.referrer,
        "user_agent": request.user_agent,
        "properties": {name: value for name, value in properties.items() if value is not None},
        **fields,
    }
    return {name: value for name, value in event.items() if value is not None}
