"""What a caller asks for, parsed once into one typed object that everything behind trusts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from reporting.ask.parameters import (
    days_from,
    event_type_from,
    limit_from,
    one_of,
    short_name,
    single_values,
    site_from,
    zone_from,
)
from reporting.ask.periods import INTERVALS, midnight_ms
from shared.errors import InvalidInput
from shared.event import PAGE_VIEW
from shared.fields import DIMENSIONS, EVENT_TYPE, MAX_TEXT

ALL_TYPES = "all"
# What a breakdown can be asked by.
BREAKDOWNS = tuple(DIMENSIONS)
# What narrows by a value; the type has rules of its own.
FILTERS = tuple(name for name in DIMENSIONS if name != EVENT_TYPE)
FORMATS = ("json", "csv")
RANGE_PARAMETERS = frozenset({"site_id", "date", "from", "to", "tz", "event_type", *FILTERS})
STATS_PARAMETERS = RANGE_PARAMETERS | {"limit", "compare"}
SERIES_PARAMETERS = RANGE_PARAMETERS | {"interval", "format"}
BREAKDOWN_PARAMETERS = RANGE_PARAMETERS | {"dimension", "limit", "format"}


@dataclass(frozen=True)
class Query:
    """A site's days in a zone, and which events of them. `start` and `end` are ms, half-open.

    `event_type` None asks for the default: page views as views, everybody as users. `filters` are
    dimensions and the value each must have. `interval` and `dimension` say what is told apart.
    """

    site_id: str
    first_day: date
    last_day: date
    zone: ZoneInfo
    start: int
    end: int
    event_type: str | None = None
    filters: tuple[tuple[str, str], ...] = ()
    limit: int = 10
    interval: str | None = None
    dimension: str | None = None
    is_compared: bool = False

    @property
    def views_type(self) -> str | None:
        """The type that counts as a view; None counts every type."""
        if self.event_type == ALL_TYPES:
            return None
        if self.event_type is None:
            return None if self.dimension == EVENT_TYPE else PAGE_VIEW
        return self.event_type

    @property
    def users_type(self) -> str | None:
        """The type whose users are counted; None counts the users of every type."""
        return None if self.event_type == ALL_TYPES else self.event_type

    def previous(self) -> "Query":
        """The same for as many days, right before these."""
        last = self.first_day - timedelta(days=1)
        first = last - (self.last_day - self.first_day)
        return replace(
            self,
            first_day=first,
            last_day=last,
            start=midnight_ms(first, self.zone),
            end=self.start,
        )


def stats_query_from(parameters: Mapping[str, list[str]], now: int) -> Query:
    """What /stats is asked. Raises InvalidInput naming the parameter. `now` is in ms."""
    given = single_values(parameters, STATS_PARAMETERS)
    query = range_from(given, now)
    compared = "compare" in given and one_of("compare", given["compare"], ("previous",))
    if compared and query.previous().start < 0:
        raise InvalidInput("bad_range", "there is no range as long before 1970", field="compare")
    return replace(query, limit=limit_from(given.get("limit")), is_compared=bool(compared))


def series_query_from(parameters: Mapping[str, list[str]], now: int) -> Query:
    """What /stats/timeseries is asked; by the hour for a single day, else by day."""
    given = single_values(parameters, SERIES_PARAMETERS)
    one_of("format", given.get("format", "json"), FORMATS)
    query = range_from(given, now)
    default = "hour" if query.first_day == query.last_day else "day"
    return replace(query, interval=one_of("interval", given.get("interval", default), INTERVALS))


def breakdown_query_from(parameters: Mapping[str, list[str]], now: int) -> Query:
    """What /stats/breakdown is asked."""
    given = single_values(parameters, BREAKDOWN_PARAMETERS)
    one_of("format", given.get("format", "json"), FORMATS)
    query = range_from(given, now)
    if "dimension" not in given:
        known = ", ".join(BREAKDOWNS)
        raise InvalidInput(
            "missing_field", f"dimension required: one of {known}", field="dimension"
        )
    return replace(
        query,
        dimension=one_of("dimension", given["dimension"], BREAKDOWNS),
        limit=limit_from(given.get("limit")),
    )


def range_from(given: Mapping[str, str], now: int) -> Query:
    """The site, days, zone and filters that all routes share."""
    site_id = site_from(given)
    zone = zone_from(given.get("tz"))
    first, last = days_from(given, datetime.fromtimestamp(now / 1000, zone).date())
    return Query(
        site_id=site_id,
        first_day=first,
        last_day=last,
        zone=zone,
        start=midnight_ms(first, zone),
        end=midnight_ms(last + timedelta(days=1), zone),
        event_type=event_type_from(given.get("event_type")),
        filters=tuple(filters_from(given)),
    )


def filters_from(given: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name in FILTERS:
        if name in given:
            yield name, short_name(name, given[name], MAX_TEXT)
