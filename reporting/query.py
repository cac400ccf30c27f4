"""What a caller asks of /stats, parsed once into one typed object that everything behind trusts."""

import difflib
import re
import zoneinfo
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.errors import InvalidInput
from shared.event import EVENT_TYPES, MAX_NAME, PAGE_VIEW

ALL_TYPES = "all"
DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(9998, 12, 31)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LIMIT = re.compile(r"[0-9]{1,9}")
STATS_PARAMETERS = frozenset({"site_id", "date", "from", "to", "tz", "limit", "event_type"})


@dataclass(frozen=True)
class StatsQuery:
    """A site's days, in a zone. `start` and `end` are ms since 1970 UTC, half-open.

    `event_type` None asks for the default: page views as views, everybody as users.
    """

    site_id: str
    first_day: date
    last_day: date
    start: int
    end: int
    limit: int
    event_type: str | None

    @property
    def views_type(self) -> str | None:
        """The type that counts as a view; None counts every type."""
        if self.event_type == ALL_TYPES:
            return None
        return self.event_type or PAGE_VIEW

    @property
    def users_type(self) -> str | None:
        """The type whose users are counted; None counts the users of every type."""
        return None if self.event_type == ALL_TYPES else self.event_type


def stats_query_from(parameters: Mapping[str, list[str]], now: int) -> StatsQuery:
    """Parse request parameters. Raises InvalidInput naming the parameter. `now` is in ms."""
    given = single_values(parameters, STATS_PARAMETERS)
    site_id = given.get("site_id")
    if not site_id:
        raise InvalidInput("missing_field", "site_id required", field="site_id")
    zone = zone_from(given.get("tz"))
    first, last = days_from(given, datetime.fromtimestamp(now / 1000, zone).date())
    return StatsQuery(
        site_id=short_name("site_id", site_id),
        first_day=first,
        last_day=last,
        start=midnight_ms(first, zone),
        end=midnight_ms(last + timedelta(days=1), zone),
        limit=limit_from(given.get("limit")),
        event_type=event_type_from(given.get("event_type")),
    )


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


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """When `day` begins in `zone`: the first of two midnights, and the jump where there is none."""
    local = datetime.combine(day, time.min, zone)
    return (local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


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


def short_name(name: str, value: str) -> str:
    if len(value) > MAX_NAME:
        raise InvalidInput(
            "too_long", f"{name} must have at most {MAX_NAME} characters", field=name
        )
    return value
