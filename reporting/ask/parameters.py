"""Checking what callers write: each function takes one parameter's text and returns its value.

All raise InvalidInput naming the parameter and what it should be.
"""

import difflib
import re
import zoneinfo
from collections.abc import Collection, Mapping
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.errors import InvalidInput
from shared.event import EVENT_TYPES
from shared.fields import MAX_NAME

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(9998, 12, 31)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LIMIT = re.compile(r"[0-9]{1,9}")


def single_values(parameters: Mapping[str, list[str]], known: Collection[str]) -> dict[str, str]:
    """Each parameter's one value; empty ones count as absent."""
    values: dict[str, str] = {}
    for name, given in parameters.items():
        if name not in known:
            raise unknown_parameter(name, known)
        if len(given) > 1:
            raise InvalidInput("repeated_parameter", f"{name} is given twice", field=name)
        if given[0]:
            values[name] = given[0]
    return values


def unknown_parameter(name: str, known: Collection[str]) -> InvalidInput:
    # `site_id[$ne]=x` reads other sites in systems that take parameters apart; here it is a typo.
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    if nearest:
        hint = f"did you mean {nearest[0]}?"
    else:
        hint = f"known are {', '.join(sorted(known))}" if known else "this route takes none"
    return InvalidInput("unknown_parameter", f"unknown parameter {name}; {hint}", field=name)


def site_from(given: Mapping[str, str]) -> str:
    site_id = given.get("site_id")
    if not site_id:
        raise InvalidInput("missing_field", "site_id required", field="site_id")
    return short_name("site_id", site_id)


def days_from(given: Mapping[str, str], today: date) -> tuple[date, date]:
    """The first and last day asked for, both included."""
    if "date" in given:
        if "from" in given or "to" in given:
            raise InvalidInput("bad_range", "give either date or from and to", field="date")
        day = day_from("date", given["date"])
        return day, day
    if "from" not in given:
        if "to" in given:
            raise InvalidInput("missing_field", "from required when to is given", field="from")
        return today, today
    first = day_from("from", given["from"])
    last = day_from("to", given["to"]) if "to" in given else today
    if first > last:
        raise InvalidInput("bad_range", f"from ({first}) is after to ({last})", field="from")
    return first, last


def day_from(name: str, value: str) -> date:
    try:
        day = date.fromisoformat(value) if DATE.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidInput(
            "bad_date", f"{name} must be a date as YYYY-MM-DD, from {FIRST_DAY} on", field=name
        )
    return day


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """IANA's names, without those that stand for whatever this machine is set to."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def zone_from(name: str | None) -> ZoneInfo:
    name = name or "UTC"
    if name not in zone_names():
        raise InvalidInput(
            "bad_timezone", "tz must be an IANA time zone, for example Europe/Berlin", field="tz"
        )
    return ZoneInfo(name)


def limit_from(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if not (LIMIT.fullmatch(value) and 1 <= int(value) <= MAX_LIMIT):
        raise InvalidInput(
            "bad_limit", f"limit must be a whole number from 1 to {MAX_LIMIT}", field="limit"
        )
    return int(value)


def event_type_from(value: str | None) -> str | None:
    if value is None:
        return None
    return EVENT_TYPES.get(value, short_name("event_type", value))


def one_of(name: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        known = ", ".join(choices)
        raise InvalidInput(f"bad_{name}", f"{name} must be one of {known}", field=name)
    return value


def short_name(name: str, value: str, longest: int = MAX_NAME) -> str:
    if len(value) > longest:
        raise InvalidInput("too_long", f"{name} must have at most {longest} characters", field=name)
    return value
