"""What a caller asks of a site's days, as one typed object that everything behind trusts."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from reporting.ask import parameters as by
from reporting.ask.parameter import Asked
from reporting.ask.periods import boundaries_of, midnight_ms
from shared.errors import InvalidInput
from shared.event import PAGE_VIEW
from shared.fields import EVENT_TYPE
from shared.zones import MONDAY, zone_names

ALL_TYPES = "all"
UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Query:
    """A site's days in a zone, and which events of them. `start` and `end` are ms, half-open.

    `event_type` None asks for the default: page views as views, everybody as users. `filters` are
    dimensions and the value each must have. `interval`, whose ends are `boundaries` in ms, and
    `dimension` say what is told apart, `week_start` with which day weeks begin.
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
    week_start: str = MONDAY
    boundaries: tuple[int, ...] = ()
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


def stats_query(asked: Asked, now: int) -> Query:
    """Raises InvalidInput naming the parameter, as all of these. `now` is in ms."""
    query = replace(
        range_query(asked, now), limit=asked[by.LIMIT], is_compared=bool(asked[by.COMPARE])
    )
    if query.is_compared and query.previous().start < 0:
        raise InvalidInput("bad_range", "there is no range as long before 1970", field="compare")
    return query


def series_query(asked: Asked, now: int) -> Query:
    """By the hour for a single day, else by day, if nothing else is asked for."""
    query = range_query(asked, now)
    default = "hour" if query.first_day == query.last_day else "day"
    interval = asked[by.INTERVAL] or default
    week_start = asked[by.WEEK_START] or asked.site.week_start
    boundaries = boundaries_of(query.first_day, query.last_day, query.zone, interval, week_start)
    return replace(query, interval=interval, week_start=week_start, boundaries=tuple(boundaries))


def breakdown_query(asked: Asked, now: int) -> Query:
    return replace(range_query(asked, now), dimension=asked[by.DIMENSION], limit=asked[by.LIMIT])


def range_query(asked: Asked, now: int) -> Query:
    """The site, days, zone and filters that all of them share."""
    zone = asked[by.TZ] or zone_of_site(asked.site.time_zone)
    first, last = days_of(asked, datetime.fromtimestamp(now / 1000, zone).date())
    values = ((known.name, asked[known]) for known in by.FILTERS)
    return Query(
        site_id=asked[by.SITE],
        first_day=first,
        last_day=last,
        zone=zone,
        start=midnight_ms(first, zone),
        end=midnight_ms(last + timedelta(days=1), zone),
        event_type=asked[by.TYPE],
        filters=tuple((name, value) for name, value in values if value is not None),
    )


def zone_of_site(name: str) -> ZoneInfo:
    """UTC where a site has none. Raises InvalidInput for one that this installation does not know:
    it may be of another age than the one where it was set."""
    if name and name not in zone_names():
        sentence = f"the site's time_zone {name} is not known here: give tz, or update tzdata"
        raise InvalidInput("bad_timezone", sentence, field="tz")
    return ZoneInfo(name) if name else UTC


def days_of(asked: Asked, today: date) -> tuple[date, date]:
    """The first and last day asked for, both included."""
    day, first, last = asked[by.DATE], asked[by.FROM], asked[by.TO]
    if day:
        if first or last:
            raise InvalidInput("bad_range", "give either date or from and to", field="date")
        return day, day
    if not first:
        if last:
            raise InvalidInput("missing_field", "from required when to is given", field="from")
        return today, today
    last = last or today
    if first > last:
        raise InvalidInput("bad_range", f"from ({first}) is after to ({last})", field="from")
    return first, last
