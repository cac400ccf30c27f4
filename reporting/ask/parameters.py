"""Every parameter that reporting knows, and the kinds of texts that they take.

The code of a refused number or choice is `bad_` and the parameter's name.
"""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from reporting.ask.parameter import Kind, Parameter
from reporting.ask.periods import INTERVALS, MAX_POINTS
from shared.errors import InvalidInput
from shared.event import EVENT_TYPES
from shared.fields import DIMENSIONS, EVENT_TYPE, MAX_NAME, MAX_TEXT
from shared.zones import WEEK_STARTS, zone_names

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(9998, 12, 31)
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
# As event-analytics names its counters: `page_view_2024-06-07_12:34`.
BUCKET = re.compile(r"(.+)_([0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}:[0-9]{2})", re.DOTALL)


def text_of(most: int) -> Kind[str]:
    """At most so many characters."""

    def read(name: str, text: str) -> str:
        if len(text) > most:
            message = f"{name} must have at most {most} characters"
            raise InvalidInput("too_long", message, field=name)
        return text

    return Kind({"type": "string", "maxLength": most}, read, "x" * (most + 1))


def one_of(*choices: str) -> Kind[str]:
    def read(name: str, text: str) -> str:
        if text not in choices:
            message = f"{name} must be one of {', '.join(choices)}"
            raise InvalidInput(f"bad_{name}", message, field=name)
        return text

    return Kind({"enum": list(choices)}, read, "other")


def number(name: str, description: str, most: int, default: int) -> Parameter[int]:
    """A whole number from 1 to `most`."""

    def read(name: str, text: str) -> int:
        if not (WHOLE_NUMBER.fullmatch(text) and 1 <= int(text) <= most):
            message = f"{name} must be a whole number from 1 to {most}"
            raise InvalidInput(f"bad_{name}", message, field=name)
        return int(text)

    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter(name, description, Kind(schema, read, str(most + 1)), default)


def day_from(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text) if ISO_DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        message = f"{name} must be a date as YYYY-MM-DD, from {FIRST_DAY} on"
        raise InvalidInput("bad_date", message, field=name)
    return day


def zone_from(name: str, text: str) -> ZoneInfo:
    if text not in zone_names():
        message = f"{name} must be an IANA time zone, for example Europe/Berlin"
        raise InvalidInput("bad_timezone", message, field=name)
    return ZoneInfo(text)


def event_type_from(name: str, text: str) -> str:
    return EVENT_TYPES.get(text) or NAME.read(name, text)


def bucket_from(name: str, text: str) -> tuple[str, str, int]:
    """A minute's counter: its key, the event type in it, and when the minute begins, in ms."""
    text = text.rstrip("/")  # of the path, not of the key
    found = BUCKET.fullmatch(text)
    try:
        minute = datetime.strptime(found[2], "%Y-%m-%d_%H:%M") if found else None
    except ValueError:  # 2024-02-30, 24:00
        minute = None
    if found is None or minute is None:
        form = "<event_type>_YYYY-MM-DD_HH:MM, for example page_view_2024-06-07_12:34"
        raise InvalidInput("bad_bucket_key", f"{name} must be {form}", field=name)
    start = int(minute.replace(tzinfo=UTC).timestamp()) * 1000
    return text, event_type_from(EVENT_TYPE, found[1]), start


NAME = text_of(MAX_NAME)
TEXT = text_of(MAX_TEXT)
DAY = Kind({"type": "string", "format": "date"}, day_from, "2025-02-30")
ZONE = Kind({"type": "string"}, zone_from, "Mars/Olympus")
BUCKET_SCHEMA = {"type": "string", "pattern": f"^{BUCKET.pattern}$"}

SITE = Parameter("site_id", "Which site.", NAME, example="site-abc-123")
ANY_SITE = Parameter("site_id", "Which site. Without it: all.", NAME, None)
DATE = Parameter("date", "One day. Without it and without a range: today.", DAY, None)
FROM = Parameter("from", "The first day of a range, in place of `date`.", DAY, None)
TO = Parameter("to", "The last day of a range, included. Without it: today.", DAY, None)
TZ = Parameter(
    "tz",
    "Where days begin, as an IANA name such as `Europe/Berlin`. Without it: as the site's "
    "`time_zone` has it, or in UTC where it has none.",
    ZONE,
    None,
)
WEEK_START = Parameter(
    "week_start",
    "The day that weeks begin with. Without it: as the site's `week_start` has it, or Monday.",
    one_of(*WEEK_STARTS),
    None,
)
SUNDAY_OR = replace(
    WEEK_START, description="The day that weeks begin with. Without it: Sunday, for every site."
)
TYPE = Parameter(
    EVENT_TYPE,
    "Narrows views and users to one type; `all` counts every type. Without it, views are of "
    "`page_view` and users of all types.",
    Kind(NAME.schema, event_type_from, NAME.refuses),
    None,
)
FILTERS = tuple(
    Parameter(name, f"Only events with this value of `{name}`, exactly.", TEXT, None)
    for name in DIMENSIONS
    if name != EVENT_TYPE
)
# What all routes that answer for days of a site are asked.
RANGE: tuple[Parameter[Any], ...] = (DATE, FROM, TO, TZ, TYPE, *FILTERS)
LIMIT = number("limit", "How many to list.", 1000, default=10)
PAGE_LIMIT = number("limit", "How many to list at a time.", 10_000, default=1000)
SESSIONS_LIMIT = number(
    "limit", "How many sessions to list; `active_sessions` counts all.", 10_000, default=1000
)
CURSOR = Parameter("cursor", "Go on there: `next_cursor` of the answer before.", NAME, None)
COMPARE = Parameter(
    "compare",
    "`previous` adds the numbers of as many days right before, and the differences.",
    one_of("previous"),
    None,
)
INTERVAL = Parameter(
    "interval",
    f"Without it: `hour` for a single day, else `day`. At most {MAX_POINTS} points are given.",
    one_of(*INTERVALS),
    None,
)
DIMENSION = Parameter("dimension", "By what.", one_of(*DIMENSIONS), example="path")
FORMAT = Parameter(
    "format",
    "`csv` for a spreadsheet, as `Accept: text/csv` does without it. A text that a spreadsheet "
    "would take for a formula has an apostrophe before it.",
    one_of("json", "csv"),
    None,
)
LOOKBACK = number("lookback", "How many days, weeks and months to look back.", 366, default=7)
MINUTES = number("minutes", "How many minutes to look back.", 1440, default=5)
UNIQUE_ID = Parameter("uniqueId", "Events of one `user_id` only.", NAME, None)
KIND = Parameter("type", "Events whose property `type` is this only.", NAME, None)
USER_ID = Parameter(
    "user_id",
    "Which user, percent-encoded; `%2F` and `/` are the same.",
    NAME,
    example="user-7",
    in_path=True,
)
BUCKET_KEY = Parameter(
    "bucket_key",
    "The type and the UTC minute, as `<event_type>_YYYY-MM-DD_HH:MM`.",
    Kind(BUCKET_SCHEMA, bucket_from, "page_view_2025-11-15"),
    example="page_view_2025-11-15_18:29",
    in_path=True,
)
