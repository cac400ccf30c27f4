"""Every parameter that reporting knows, and how their texts are read.

The code of a refused number, choice or form is `bad_` and what it should have been.
"""

import re
import zoneinfo
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from reporting.ask.parameter import Parameter
from reporting.ask.periods import INTERVALS, MAX_POINTS
from shared.errors import InvalidInput
from shared.event import EVENT_TYPES
from shared.fields import DIMENSIONS, MAX_NAME, MAX_TEXT

Known = Parameter[Any]
Json = dict[str, Any]

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(9998, 12, 31)
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
# As event-analytics names its counters: `page_view_2024-06-07_12:34`.
BUCKET = re.compile(r"(.+)_([0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}:[0-9]{2})", re.DOTALL)


class Bucket(NamedTuple):
    """A minute's counter: its key, the event type in it, and when the minute begins, in ms."""

    key: str
    event_type: str
    start: int


def text_from(known: Known, text: str) -> str:
    most = known.schema["maxLength"]
    if len(text) > most:
        raise InvalidInput(
            "too_long", f"{known.name} must have at most {most} characters", field=known.name
        )
    return text


def event_type_from(known: Known, text: str) -> str:
    return EVENT_TYPES.get(text) or text_from(known, text)


def number_from(known: Known, text: str) -> int:
    most = known.schema["maximum"]
    if not (WHOLE_NUMBER.fullmatch(text) and 1 <= int(text) <= most):
        raise refused(known, f"a whole number from 1 to {most}")
    return int(text)


def choice_from(known: Known, text: str) -> str:
    choices = known.schema["enum"]
    if text not in choices:
        raise refused(known, f"one of {', '.join(choices)}")
    return text


def day_from(known: Known, text: str) -> date:
    try:
        day = date.fromisoformat(text) if ISO_DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        raise refused(known, f"a date as YYYY-MM-DD, from {FIRST_DAY} on", "bad_date")
    return day


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """IANA's names, without those that stand for whatever this machine is set to."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def zone_from(known: Known, text: str) -> ZoneInfo:
    if text not in zone_names():
        raise refused(known, "an IANA time zone, for example Europe/Berlin", "bad_timezone")
    return ZoneInfo(text)


def bucket_from(known: Known, text: str) -> Bucket:
    found = BUCKET.fullmatch(text)
    try:
        minute = datetime.strptime(found[2], "%Y-%m-%d_%H:%M") if found else None
    except ValueError:  # 2024-02-30, 24:00
        minute = None
    if found is None or minute is None:
        raise refused(
            known, "<event_type>_YYYY-MM-DD_HH:MM, for example page_view_2024-06-07_12:34"
        )
    start = int(minute.replace(tzinfo=UTC).timestamp()) * 1000
    return Bucket(text, event_type_from(TYPE, found[1]), start)


def refused(known: Known, wanted: str, code: str = "") -> InvalidInput:
    return InvalidInput(
        code or f"bad_{known.name}", f"{known.name} must be {wanted}", field=known.name
    )


def number(name: str, description: str, most: int, default: int) -> Parameter[int]:
    """A whole number from 1 to `most`."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter(name, description, schema, number_from, default, refuses=str(most + 1))


NAME: Json = {"type": "string", "maxLength": MAX_NAME}
TEXT: Json = {"type": "string", "maxLength": MAX_TEXT}
DAY: Json = {"type": "string", "format": "date"}
TOO_LONG = "x" * (MAX_NAME + 1)

SITE = Parameter(
    "site_id", "Which site.", NAME, text_from, example="site-abc-123", refuses=TOO_LONG
)
ANY_SITE = Parameter("site_id", "Which site. Without it: all.", NAME, text_from, None, TOO_LONG)
DATE = Parameter(
    "date", "One day. Without it and without a range: today.", DAY, day_from, None, "2025-02-30"
)
FROM = Parameter("from", "The first day of a range, in place of `date`.", DAY, day_from, None)
TO = Parameter("to", "The last day of a range, included. Without it: today.", DAY, day_from, None)
TZ = Parameter(
    "tz",
    "Where days begin, as an IANA name such as `Europe/Berlin`.",
    {"type": "string", "default": "UTC"},
    zone_from,
    ZoneInfo("UTC"),
    refuses="Mars/Olympus",
)
TYPE = Parameter(
    "event_type",
    "Narrows views and users to one type; `all` counts every type. Without it, views are of "
    "`page_view` and users of all types.",
    NAME,
    event_type_from,
    None,
)
FILTERS = tuple(
    Parameter(name, f"Only events with this value of `{name}`, exactly.", TEXT, text_from, None)
    for name in DIMENSIONS
    if name != TYPE.name
)
# What all routes that answer for days of a site are asked.
RANGE: tuple[Known, ...] = (DATE, FROM, TO, TZ, TYPE, *FILTERS)
LIMIT = number("limit", "How many to list.", 1000, default=10)
COMPARE = Parameter(
    "compare",
    "`previous` adds the numbers of as many days right before, and the differences.",
    {"enum": ["previous"]},
    choice_from,
    None,
    refuses="next",
)
INTERVAL = Parameter(
    "interval",
    f"Without it: `hour` for a single day, else `day`. At most {MAX_POINTS} points are given.",
    {"enum": list(INTERVALS)},
    choice_from,
    None,
    refuses="year",
)
DIMENSION = Parameter(
    "dimension",
    "By what.",
    {"enum": list(DIMENSIONS)},
    choice_from,
    example="path",
    refuses="user_id",
)
FORMAT = Parameter(
    "format",
    "`csv` for a spreadsheet, as `Accept: text/csv` does. A text that a spreadsheet would take for "
    "a formula has an apostrophe before it.",
    {"enum": ["json", "csv"], "default": "json"},
    choice_from,
    None,
    refuses="xml",
)
USER_ID = Parameter(
    "user_id",
    "Which user, percent-encoded; `%2F` and `/` are the same.",
    NAME,
    text_from,
    example="user-7",
    in_path=True,
)
LOOKBACK = number("lookback", "How many days, weeks and months to look back.", 366, default=7)
UNIQUE_ID = Parameter("uniqueId", "Events of one `user_id` only.", NAME, text_from, None)
KIND = Parameter("type", "Events whose property `type` is this only.", NAME, text_from, None)
MINUTES = number("minutes", "How many minutes to look back.", 1440, default=5)
BUCKET_KEY = Parameter(
    "bucket_key",
    "The type and the UTC minute, as `<event_type>_YYYY-MM-DD_HH:MM`.",
    {"type": "string", "pattern": "^.+_[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}:[0-9]{2}$"},
    bucket_from,
    example="page_view_2025-11-15_18:29",
    refuses="page_view_2025-11-15",
    in_path=True,
)
